"""Whether a table of cases is whole: what statistics take for granted of it.

Owns: refusing a table in which a model was not judged on what the others were, or a score is none.
Does not own: reading the table (`scores`), or the statistics.

A mean over fewer cases is another mean, so a row that is missing is an error and never a case less.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.measures import PRIMARY
from cordstudy.pipeline.judging.scores import HINT, PERSON
from cordstudy.pipeline.judging.settings import Settings


def check_complete(scores: pd.DataFrame, settings: Settings, path: Path) -> None:
    """Raise StudyError where a table of cases is not whole for the models of a study."""
    _check_values(scores, path)
    _check_names(scores, settings, path)
    _check_persons(scores, path)
    _check_cases(scores, path)


def _check_values(scores: pd.DataFrame, path: Path) -> None:
    """Dice between 0 and 1, trainings counted from 1."""
    wrong = scores[~scores[PRIMARY].between(0, 1)]
    if len(wrong):
        raise StudyError(
            f"{path}: {_named(wrong.iloc[0])}: Dice {wrong.iloc[0][PRIMARY]}, not between 0 and 1",
            hint=HINT,
        )
    numbers = scores["replicate"]
    wrong = scores[~((numbers >= 1) & (numbers % 1 == 0))]
    if len(wrong):
        raise StudyError(
            f"{path}: {_named(wrong.iloc[0])}: there is no training {wrong.iloc[0]['replicate']}",
            hint=HINT,
        )


def _check_names(scores: pd.DataFrame, settings: Settings, path: Path) -> None:
    """The models and test sets of the study, each model by its first training."""
    first = set(scores[scores["replicate"] == 1]["model"])
    for model in settings.models:
        if model.name not in first:
            raise StudyError(f"{path}: no row of the model {model.name!r}", hint=HINT)
    for kind, known in (
        ("model", {model.name for model in settings.models}),
        ("testset", {dataset.name for dataset in settings.datasets}),
    ):
        unknown = sorted(set(scores[kind]) - known)
        if unknown:
            raise StudyError(f"{path}: the study has no {kind} {unknown[0]!r}", hint=HINT)
    for name in settings.unseen:
        if name not in set(scores["testset"]):
            raise StudyError(
                f"{path}: no row of {name!r}, which the question is about",
                hint=f"{HINT}, or take it out of the study's TOML",
            )


def _check_persons(scores: pd.DataFrame, path: Path) -> None:
    """One person a case, whichever model was judged on it."""
    persons = scores.groupby(["testset", "case_id"], sort=False)[PERSON].nunique()
    if (persons > 1).any():
        testset, case_id = persons[persons > 1].index[0]
        raise StudyError(f"{path}: {case_id} of {testset} is of two persons", hint=HINT)


def _check_cases(scores: pd.DataFrame, path: Path) -> None:
    """Every training of every model has the same cases of each test set."""
    for testset, here in scores.groupby("testset", sort=False):
        whole = set(here["case_id"])
        for (model, number), rows in here.groupby(["model", "replicate"], sort=False):
            missing = sorted(whole - set(rows["case_id"]))
            if missing:
                raise StudyError(
                    f"{path}: model {model}, replicate {number}, testset {testset}: no row of "
                    f"{missing[0]}, which others were judged on",
                    hint=HINT,
                )
    trainings = scores[["model", "replicate"]].drop_duplicates()
    for testset, here in scores.groupby("testset", sort=False):
        judged = here[["model", "replicate"]].drop_duplicates()
        absent = trainings.merge(judged, how="left", indicator=True)
        absent = absent[absent["_merge"] == "left_only"]
        if len(absent):
            row = absent.iloc[0]
            raise StudyError(
                f"{path}: model {row['model']}, replicate {row['replicate']}: no row of testset "
                f"{testset}",
                hint=HINT,
            )


def _named(row: pd.Series) -> str:
    """A row, by what tells it from others."""
    names = ("model", "replicate", "testset", "case_id")
    return ", ".join(f"{name} {row[name]}" for name in names)
