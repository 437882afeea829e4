"""Several nnU-Net raw datasets made one, for a model that learns from all of them.

Owns: the merged training part: files, dataset.json and cases.tsv; which cases a size-matched one
has.
Does not own: how each was made (`convert`). Test parts stay with their own dataset.

A size-matched training set has as many images, or as many people, as the largest of its datasets:
the same number of each, where one has fewer all of it. They are drawn by a hash of seed and name, a
like share of each fold. Who is drawn among people comes with all of their images.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.dataset_json import content_of_all, write_dataset_json
from cordstudy.pipeline.raw.layout import RawCase, read_cases, write_cases
from cordstudy.pipeline.raw.names import (
    CASES,
    TRAIN,
    image_path,
    mask_path,
    name_without_number,
)
from cordstudy.pipeline.raw.replacing import replacing_raw

By = Literal["images", "people"]
"""What a size-matched training set has as many of as the largest of its datasets."""


@dataclass(frozen=True)
class Unit:
    """What is drawn as a whole: one case, or all of a person's, which are in one fold."""

    name: str
    fold: str
    cases: tuple[RawCase, ...]


def merge(
    datasets: Sequence[Path], out: Path, *, seed: int | None = None, by: By = "images"
) -> None:
    """Write the union of the training parts into `out`, replacing the raw dataset that is there;
    with a seed, a share of it that is size-matched by images or people.

    An annexed file is taken over as its link: the same key under a second name, no copy.
    Raises StudyError where two datasets have a case of one id or are of two tasks, and where `out`
    is one of them.
    """
    if out.resolve() in [dataset.resolve() for dataset in datasets]:
        raise StudyError(
            f"{out}: it is one of the datasets to merge", hint="name another folder: --out"
        )
    content = content_of_all(datasets)
    by_dataset = {dataset: _training_cases(dataset) for dataset in datasets}
    if seed is not None:
        drawn = size_matched(list(by_dataset.values()), seed=seed, by=by)
        by_dataset = dict(zip(by_dataset, drawn))
    with replacing_raw(out) as made:
        merged: dict[str, RawCase] = {}
        for dataset, cases in by_dataset.items():
            for case in cases:
                if case.case_id in merged:
                    raise StudyError(
                        f"{dataset}/{CASES}: case {case.case_id} is in another dataset too"
                    )
                merged[case.case_id] = case
                _take_over(case, dataset, made)
        name = name_without_number(out.name)
        write_dataset_json(made, content, name=name, trained=len(merged))
        write_cases(made, [merged[case_id] for case_id in sorted(merged)])


def _training_cases(dataset: Path) -> list[RawCase]:
    return [case for case in read_cases(dataset) if case.is_to_train]


def _take_over(case: RawCase, dataset: Path, made: Path) -> None:
    """Put a case's image and mask into the merged dataset; a link stays the same link."""
    for path in (image_path(TRAIN, case.case_id), mask_path(TRAIN, case.case_id)):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dataset / path, made / path, follow_symlinks=False)


def size_matched(
    datasets: Sequence[Sequence[RawCase]], *, seed: int, by: By
) -> list[list[RawCase]]:
    """Cases of each dataset that together are as many images, or people, as the largest has."""
    units = [_units(cases, by) for cases in datasets]
    quotas = _quotas([len(of_dataset) for of_dataset in units])
    drawn: list[list[RawCase]] = []
    in_fold: Counter[str] = Counter()
    for of_dataset, quota in zip(units, quotas):
        drawn.append([])
        for unit in _draw(of_dataset, quota, in_fold, seed=seed):
            drawn[-1] += unit.cases
    return drawn


def _units(cases: Sequence[RawCase], by: By) -> list[Unit]:
    """What is drawn of one dataset."""
    grouped: dict[str, list[RawCase]] = defaultdict(list)
    for case in cases:
        grouped[case.person if by == "people" else case.case_id].append(case)
    return [Unit(name, group[0].fold, tuple(group)) for name, group in grouped.items()]


def _quotas(sizes: Sequence[int]) -> list[int]:
    """Like shares of the largest size, none above its own size; what cannot be divided goes to
    the first."""
    quotas = [0] * len(sizes)
    for _ in range(max(sizes)):
        not_full = [n for n, size in enumerate(sizes) if quotas[n] < size]
        smallest = min(not_full, key=lambda n: quotas[n])
        quotas[smallest] += 1
    return quotas


def _draw(units: Sequence[Unit], quota: int, in_fold: Counter[str], *, seed: int) -> list[Unit]:
    """So many units of one dataset, by chance, from folds that take turns: the fold of which this
    dataset, then all before it, gave the fewest. `in_fold` counts what all gave of each fold."""

    def rank(unit: Unit) -> str:
        return hashlib.sha256(f"{seed}/{unit.name}".encode()).hexdigest()

    waiting: dict[str, list[Unit]] = defaultdict(list)
    for unit in sorted(units, key=rank):
        waiting[unit.fold].append(unit)
    own: Counter[str] = Counter()
    drawn: list[Unit] = []
    for _ in range(quota):
        folds = [fold for fold in waiting if waiting[fold]]
        fold = min(folds, key=lambda fold: (own[fold], in_fold[fold], rank(waiting[fold][0])))
        drawn.append(waiting[fold].pop(0))
        own[fold] += 1
        in_fold[fold] += 1
    return drawn


@click.command("merge")
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="nnU-Net raw dataset to write."
)
@click.option(
    "--match-largest",
    "seed",
    type=int,
    metavar="SEED",
    help="Only as much as the largest of DATASETS has, drawn by this seed.",
)
@click.option(
    "--by",
    type=click.Choice(["images", "people"]),
    default="images",
    show_default=True,
    help="What there is as much of: images, or people with all of theirs.",
)
def command(datasets: tuple[Path, ...], out: Path, seed: int | None, by: By) -> None:
    """Merge the training parts of several nnU-Net raw DATASETS.

    \b
    Example:
      code/study run --dry-run merge:general     tells the whole command of a study
    """
    merge(datasets, out, seed=seed, by=by)
