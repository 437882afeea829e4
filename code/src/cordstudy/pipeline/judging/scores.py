"""The table of cases as scores: read, averaged over persons, summarised.

Owns: reading cases.tsv, and the means over the cases of a person and over persons.
Does not own: the measures of a case (`evaluate`), or whether a difference is one (`comparisons`).

The unit is the person, who may have several participant ids: the cases of one are averaged first.
What tables count as participants or subjects are persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_table
from cordstudy.pipeline.judging.measures import NAMES, PRIMARY, SUMMARISED
from cordstudy.pipeline.judging.rows import read_rows

LATER = ("site", "field_strength")
"""Columns of cases.tsv whose values are told apart where a test set has several; a table of an
earlier version lacks them."""
STRATA = ("contrast", "vendor", "pathology", "label_origin", *LATER)
"""Columns of cases.tsv whose values are told apart."""
SUMMARISED_NAMES = [kind.name for kind in SUMMARISED]
COLUMNS = (
    *("model", "replicate", "testset", "case_id", "participant_id", *SUMMARISED_NAMES),
    *(column for column in STRATA if column not in LATER),
)
"""What `compare` needs of cases.tsv, which may also have `PERSON` and `LATER`."""
KEY = ("model", "replicate", "testset", "case_id")
"""What tells one row from another."""
PERSON = "person"
"""The column of persons; a table of an earlier version lacks it."""
NUMBERS = (
    "replicate",
    "voxel_min_mm",
    "voxel_max_mm",
    "voxels_ref",
    "voxels_pred",
    *NAMES,
)
"""Columns of numbers; every other is text, also where that reads like a number."""
HINT = "code/study run evaluate"


def read_scores(path: Path) -> pd.DataFrame:
    """The table of cases; where a column of text says n/a, nan or 007, that is a value.

    A table without persons has each participant as one. Raises StudyError for one that is no table
    (`read_table`), and where a column of numbers holds words.
    """
    read_table(path)
    columns = pd.read_csv(path, sep="\t", nrows=0, encoding="utf-8").columns
    scores = pd.read_csv(
        path,
        sep="\t",
        dtype={name: str for name in columns if name not in NUMBERS},
        keep_default_na=False,
        na_values={name: ["nan"] for name in NUMBERS},
        encoding="utf-8",
    )
    for name in NUMBERS:
        if name in scores and len(scores) and scores[name].dtype.kind not in "iuf":
            raise StudyError(f"{path}: the column {name!r} holds words", hint=HINT)
    if set(KEY) <= set(scores) and scores.duplicated(list(KEY)).any():
        row = scores[scores.duplicated(list(KEY))].iloc[0]
        told = ", ".join(f"{name} {row[name]}" for name in KEY)
        raise StudyError(f"{path}: two rows of {told}", hint=HINT)
    if PERSON not in scores and "participant_id" in scores:
        scores[PERSON] = scores["participant_id"]
    return scores


def check_columns(scores: pd.DataFrame, path: Path) -> None:
    """Raise StudyError where a table of cases lacks a column that statistics need."""
    lacking = set(COLUMNS) - set(scores.columns)
    if lacking:
        raise StudyError(f"{path}: no column {min(lacking)!r}", hint=HINT)


def first_training(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores that are compared: those of the first training of each model."""
    return scores[scores["replicate"] == 1]


def of_model(scores: pd.DataFrame, model: str) -> pd.DataFrame:
    """The scores of one model."""
    return scores[scores["model"] == model]


def subject_means(scores: pd.DataFrame, measure: str = PRIMARY) -> pd.DataFrame:
    """One row a test set and person, one column a model: the mean over the person's cases."""
    keys = ["testset", PERSON, "model"]
    return scores.groupby(keys, sort=False)[measure].mean().unstack("model")


@dataclass(frozen=True)
class Summary:
    """A model on a test set: numbers of persons and cases, and means over persons."""

    model: str
    testset: str
    participants: int
    """Persons."""
    cases: int
    means: Mapping[str, float]
    """By the name of a measure. An infinite volume error makes its mean infinite."""


SUMMARY_COLUMNS = ("model", "testset", "participants", "cases", *SUMMARISED_NAMES)


def summarise(scores: pd.DataFrame) -> list[Summary]:
    """Each model on each test set, by its first training."""
    keys = ["model", "testset"]
    first = first_training(scores)
    by_person = first.groupby([*keys, PERSON], sort=False)[SUMMARISED_NAMES].mean()
    means = by_person.groupby(level=keys, sort=False).mean()
    persons = by_person.groupby(level=keys, sort=False).size()
    cases = first.groupby(keys, sort=False).size()
    summaries = []
    for key, row in means.iterrows():
        model, testset = key
        values = {name: float(row[name]) for name in SUMMARISED_NAMES}
        summaries.append(
            Summary(str(model), str(testset), int(persons[key]), int(cases[key]), values)
        )
    return summaries


def write_summaries(path: Path, summaries: Sequence[Summary]) -> None:
    """Write summary.tsv."""
    rows: list[list[object]] = []
    for one in summaries:
        rows.append([one.model, one.testset, one.participants, one.cases, *one.means.values()])
    write_table(path, SUMMARY_COLUMNS, rows)


def read_summaries(path: Path) -> list[Summary]:
    """Read summary.tsv. Raises StudyError for a table that is none."""
    summaries = []
    for row in read_table(path, *SUMMARY_COLUMNS):
        try:
            means = {name: float(row[name]) for name in SUMMARISED_NAMES}
            counts = int(row["participants"]), int(row["cases"])
        except ValueError as error:
            message = f"{path}: no summary: {error}"
            raise StudyError(message, hint="code/study run compare") from error
        summaries.append(Summary(row["model"], row["testset"], *counts, means))
    return summaries


@dataclass(frozen=True)
class Spread:
    """Mean Dice over the trainings of a model on one test set: their number, and over them the
    mean, standard deviation (n - 1; nan for one training), minimum and maximum."""

    model: str
    testset: str
    trainings: int
    dice_mean: float
    dice_sd: float
    dice_min: float
    dice_max: float


def spread(scores: pd.DataFrame) -> list[Spread]:
    """The spread of retraining of each model on each test set."""
    keys = ["model", "testset"]
    by_training = [*keys, "replicate"]
    persons = scores.groupby([*by_training, PERSON], sort=False)[PRIMARY].mean()
    trainings = persons.groupby(level=by_training, sort=False).mean()
    table = trainings.groupby(level=keys, sort=False).agg(["size", "mean", "std", "min", "max"])
    spreads = []
    for (model, testset), row in table.iterrows():
        values = [float(row[name]) for name in ("mean", "std", "min", "max")]
        spreads.append(Spread(str(model), str(testset), int(row["size"]), *values))
    return spreads


def read_spreads(path: Path) -> list[Spread]:
    """Read replicates.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Spread, what="spread of retraining", step="compare")
