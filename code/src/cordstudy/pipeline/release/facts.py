"""What a card tells, as values: who a model was trained on, how it did, what changed, how to cite.

Owns: reading and counting these from tables and texts that are inputs of the step.
Does not own: the card's words (`card`, `metadata`), or any measure (`judging`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_text
from cordstudy.pipeline.judging.scores import (
    check_columns,
    failed_persons,
    first_training,
    of_model,
    read_scores,
    subject_means,
)
from cordstudy.pipeline.judging.settings import JudgedModel, Settings, read_settings
from cordstudy.pipeline.judging.statistics import exact_rate, interval
from cordstudy.pipeline.raw.layout import RawCase, read_cases

HEADING = re.compile(r"## +(?P<version>\S+)(?: +\((?P<date>[0-9-]+)\))? *")


@dataclass(frozen=True)
class Group:
    """The cases of one source that a model was trained on; counts of people by value."""

    dataset: str
    terms: str
    people: int
    images: int
    contrasts: Mapping[str, int]
    """Images by contrast."""
    vendors: Mapping[str, int]
    pathologies: Mapping[str, int]
    origins: Mapping[str, int]
    """Images by how their reference masks came about."""
    makers: Sequence[str]


@dataclass(frozen=True)
class Trained:
    """Who a model was trained on, by source, and the cases themselves."""

    groups: Sequence[Group]
    cases: Sequence[RawCase]
    held_out: int
    """Images that none of the released folds was trained on."""
    learned_people: int
    """People in an image that one of them was trained on."""


def trained_on(training_set: Path, terms: Mapping[str, str], folds: Sequence[int]) -> Trained:
    """Who is in a training set. Raises StudyError for a source without terms, and for terms of
    none."""
    cases = [case for case in read_cases(training_set) if case.is_to_train]
    named = sorted({case.dataset for case in cases})
    for name in sorted({*named, *terms}):
        if name not in terms or name not in named:
            raise StudyError(
                f"--terms: {name!r} is {'not told of' if name in named else 'no source of it'}",
                hint=f"one for each of {', '.join(named)}",
            )
    groups = []
    for name in dict.fromkeys(case.dataset for case in cases):
        groups.append(_group(name, terms[name], [case for case in cases if case.dataset == name]))
    learned = [case for case in cases if {case.fold} != {str(fold) for fold in folds}]
    return Trained(
        groups,
        cases,
        held_out=len(cases) - len(learned),
        learned_people=len({(case.dataset, case.person) for case in learned}),
    )


def _group(name: str, terms: str, cases: Sequence[RawCase]) -> Group:
    return Group(
        dataset=name,
        terms=terms,
        people=len({case.person for case in cases}),
        images=len(cases),
        contrasts=_counts(case.contrast for case in cases),
        vendors=_people(cases, lambda case: case.vendor),
        pathologies=_people(cases, lambda case: case.pathology),
        origins=_counts(case.label_origin for case in cases),
        makers=sorted({case.label_made_by for case in cases}),
    )


def _people(cases: Sequence[RawCase], value: Callable[[RawCase], str]) -> dict[str, int]:
    """How many people have each value."""
    return _counts(told for told, _ in {(value(case), case.person) for case in cases})


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


@dataclass(frozen=True)
class Score:
    """Dice of a model on a test set: the mean over people, an interval of it that allows for
    failures not seen, and in how many people it failed, with an exact interval."""

    testset: str
    seen: bool
    """Whether the model learned from the same source, of other people."""
    phantom: bool
    people: int
    images: int
    dice: float
    low: float
    high: float
    median: float
    failed: int
    failure_low: float
    failure_high: float


@dataclass(frozen=True)
class Judged:
    """How a model did, and what it is among the models of its study."""

    settings: Settings
    model: JudgedModel
    scores: Sequence[Score]


def scores_of(table: Path, parameters: Path, name: str) -> Judged:
    """How the first training of a model did on each test set. Raises StudyError for a model that is
    not judged."""
    settings = read_settings(parameters)
    scores = read_scores(table)
    check_columns(scores, table, areas=settings.task.areas)
    models = [model for model in settings.models if model.name == name]
    own = of_model(first_training(scores), name)
    if not models or not len(own):
        known = ", ".join(model.name for model in settings.models)
        raise StudyError(f"{table}: no case of the model {name!r}", hint=f"one of: {known}")
    means, failed = subject_means(own), failed_persons(own, settings.failure_dice)
    rows = []
    for dataset in settings.datasets:
        if dataset.name not in means.index.get_level_values("testset"):
            continue
        dice = means.loc[dataset.name][name].to_numpy(dtype=np.float64)
        count = int(failed.loc[dataset.name][name].sum())
        low, high = interval(dice, resamples=settings.resamples, seed=settings.seed, lowest=0.0)
        rows.append(
            Score(
                testset=dataset.name,
                seen=dataset.name in models[0].learns_from,
                phantom=dataset.phantom,
                people=len(dice),
                images=int((own["testset"] == dataset.name).sum()),
                dice=float(dice.mean()),
                low=low,
                high=high,
                median=float(np.median(dice)),
                failed=count,
                failure_low=exact_rate(count, len(dice))[0],
                failure_high=exact_rate(count, len(dice))[1],
            )
        )
    return Judged(settings, models[0], rows)


@dataclass(frozen=True)
class Change:
    """A version of a model, and what changed in it."""

    version: str
    date: str
    text: str


def read_changes(path: Path) -> list[Change]:
    """The versions that a text tells of, the newest first: headings `## 1.2.0 (2026-11-27)`.

    Raises StudyError for a text without one, and for a heading that is none.
    """
    changes: list[Change] = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.startswith("## "):
            if changes:
                last = changes[-1]
                changes[-1] = Change(last.version, last.date, f"{last.text}\n{line}".strip())
            continue
        match = HEADING.fullmatch(line)
        if match is None:
            raise StudyError(f"{path}, line {number}: no version", hint="## 1.2.0 (2026-11-27)")
        changes.append(Change(match["version"], match["date"] or "", ""))
    if not changes:
        raise StudyError(f"{path}: it tells of no version", hint="## 1.0.0 (2026-11-27)")
    return changes


@dataclass(frozen=True)
class Citation:
    """What of a CITATION.cff a card tells."""

    title: str
    authors: str
    licence: str
    url: str


def read_citation(path: Path) -> Citation:
    """Read a CITATION.cff. Raises StudyError for one that lacks a title or authors."""
    hint = "https://citation-file-format.github.io"
    try:
        told = YAML(typ="safe", pure=True).load(read_text(path))
        names = [_name(author) for author in told["authors"]]
        return Citation(
            title=str(told["title"]),
            authors=", ".join(names),
            licence=str(told.get("license", "")),
            url=str(told.get("repository-code") or told.get("url") or ""),
        )
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(f"{path}: no citation: {error}", hint=hint) from error


def _name(author: Mapping[str, str]) -> str:
    return author.get("name") or f"{author['given-names']} {author['family-names']}"
