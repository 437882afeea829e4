"""The table of cases as scores: read, averaged over persons, summarised.

Owns: reading cases.tsv, and the means over the cases of a person and over persons.
Does not own: the measures of a case (`evaluate`), or whether a difference is one (`comparisons`).

The unit is the person, who may have several participant ids: the cases of one are averaged first.
What tables count as participants or subjects are persons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known, read_table, write_table
from cordstudy.base.texts import shaped
from cordstudy.pipeline.judging.measures import NAMES, PRIMARY, SUMMARISED, kinds
from cordstudy.pipeline.judging.rows import read_rows
from cordstudy.pipeline.judging.settings import STRATA
from cordstudy.pipeline.judging.statistics import exact_rate

SITE = "site"
LATER = (SITE, "field_strength")
"""Columns of cases.tsv whose values are told apart where a test set has several; a table of an
earlier version lacks them."""
AREA_ERROR = "csa_error_mm2"
AREA_CASES = "csa_error_cases"
"""The column of summary.tsv with the number of cases in a mean area error."""
COLUMNS = (
    *("model", "replicate", "testset", "case_id", "participant_id"),
    *(column for column in STRATA if column not in LATER),
)
"""What `compare` needs of cases.tsv beside measures; it may also have `PERSON` and `LATER`."""
KEY = ("model", "replicate", "testset", "case_id")
"""What tells one row from another."""
PERSON = "person"
"""The column of persons; a table of an earlier version lacks it."""
NUMBERS = (
    "replicate",
    "dice_all_components",
    "dice_largest_component",
    "voxel_min_mm",
    "voxel_max_mm",
    "voxels_ref",
    "voxels_pred",
    *NAMES,
)
"""Columns of numbers; every other is text, also where that reads like a number."""
NUMBER = re.compile(r"nan|[+-]?(inf|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)")
"""What a cell of a column of numbers may hold."""
HINT = "code/study run evaluate"


def read_scores(path: Path) -> pd.DataFrame:
    """The table of cases; where a column of text says n/a, nan or 007, that is a value.

    A table without persons has each participant as one. Raises StudyError for one that is no table
    (`read_table`) or has no row, and where a column of numbers holds words.
    """
    rows = read_table(path)
    if not rows:
        raise StudyError(f"{path}: no row of a case", hint=HINT)
    scores = pd.DataFrame(rows, dtype=object)
    for name in NUMBERS:
        if name in scores:
            scores[name] = _numbers(scores[name], path)
    if set(KEY) <= set(scores) and scores.duplicated(list(KEY)).any():
        row = scores[scores.duplicated(list(KEY))].iloc[0]
        told = ", ".join(f"{name} {row[name]}" for name in KEY)
        raise StudyError(f"{path}: two rows of {told}", hint=HINT)
    if PERSON not in scores and "participant_id" in scores:
        scores[PERSON] = scores["participant_id"]
    return scores


def _numbers(column: pd.Series[str], path: Path) -> pd.Series[float]:
    """A column as numbers, `nan` for one that is not known. Raises StudyError for anything else."""
    words = column[~column.str.fullmatch(NUMBER)]
    if len(words):
        message = f"{path}: the column {column.name!r} holds words: {words.iloc[0]!r}"
        raise StudyError(message, hint=HINT)
    return pd.to_numeric(column.where(column != "nan", np.nan))


def check_columns(scores: pd.DataFrame, path: Path, *, areas: bool) -> None:
    """Raise StudyError where a table of cases lacks a column that statistics need."""
    measured = {kind.name for kind in kinds(areas=areas) if kind.summarised}
    lacking = {*COLUMNS, *measured} - set(scores.columns)
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


def failed_persons(scores: pd.DataFrame, failure_dice: float) -> pd.DataFrame:
    """Whether a model failed in a person: in any of the person's cases Dice is below a limit.
    Rows and columns as those of `subject_means`."""
    keys = ["testset", PERSON, "model"]
    lowest = scores.groupby(keys, sort=False)[PRIMARY].min().unstack("model")
    return lowest < failure_dice


def sites(scores: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The site of each person of each test set, by both; of those of whom it is known, as tables of
    participants say that (`known`): persons without one are not all of one site called nan."""
    if SITE not in scores:
        return {}
    named = scores.assign(**{SITE: scores[SITE].map(known)})
    named = named[named[SITE] != MISSING]
    first = named.groupby(["testset", PERSON], sort=False)[SITE].first()
    return {(str(testset), str(person)): str(site) for (testset, person), site in first.items()}


@dataclass(frozen=True)
class Outcome:
    """Dice of a model over the persons of a test set, and in how many it failed."""

    dice_median: float
    dice_q1: float
    """The lower quartile."""
    dice_q3: float
    failed: int
    """Persons with a case below the limit of failure."""
    failed_cases: int
    failure_rate: float
    """Of persons."""
    failure_low: float
    """`failure_low` and `failure_high`: Clopper and Pearson's 95 % interval."""
    failure_high: float


@dataclass(frozen=True)
class Summary:
    """A model on a test set: numbers of persons and cases, means over persons, the spread of Dice
    and failures."""

    model: str
    testset: str
    participants: int
    """Persons."""
    cases: int
    means: Mapping[str, float]
    """By the name of a measure, of those that there are. An infinite volume error makes its mean
    infinite."""
    outcome: Outcome
    csa_error_cases: int | None
    """Of the cases, those whose area error is known, so that they count in its mean; None in a
    table of an earlier version, and where areas are not measured."""


OUTCOME_COLUMNS = tuple(field.name for field in fields(Outcome))
SUMMARY_COLUMNS = (
    "model",
    "testset",
    "participants",
    "cases",
    *(kind.name for kind in SUMMARISED),
    *OUTCOME_COLUMNS,
    AREA_CASES,
)
OF_SECTIONS = {AREA_CASES, *(kind.name for kind in SUMMARISED if kind.of_sections)}
"""Those that are not there where a study measures no cross-sections."""


def _summarised(columns: Iterable[str]) -> list[str]:
    """The measures of a table whose means are told; those of cross-sections are all there, or
    none."""
    areas = not OF_SECTIONS.isdisjoint(columns)
    return [kind.name for kind in SUMMARISED if areas or not kind.of_sections]


def summarise(scores: pd.DataFrame, failure_dice: float) -> list[Summary]:
    """Each model on each test set, by its first training."""
    keys = ["model", "testset"]
    names = _summarised(scores)
    summaries = []
    for key, cases in first_training(scores).groupby(keys, sort=False):
        model, testset = key
        by_person = cases.groupby(PERSON, sort=False)
        persons = by_person[names].mean()
        summaries.append(
            Summary(
                model=str(model),
                testset=str(testset),
                participants=len(persons),
                cases=len(cases),
                means={name: float(persons[name].mean()) for name in names},
                outcome=_outcome(
                    persons[PRIMARY],
                    failed=int((by_person[PRIMARY].min() < failure_dice).sum()),
                    failed_cases=int((cases[PRIMARY] < failure_dice).sum()),
                ),
                csa_error_cases=_known_areas(cases),
            )
        )
    return summaries


def _known_areas(cases: pd.DataFrame) -> int | None:
    """How many cases have an area error; None where areas are not measured."""
    return int(cases[AREA_ERROR].notna().sum()) if AREA_ERROR in cases else None


def _outcome(dice: pd.Series[float], *, failed: int, failed_cases: int) -> Outcome:
    """That of the mean Dice of each person."""
    low, high = exact_rate(failed, len(dice))
    return Outcome(
        dice_median=float(dice.median()),
        dice_q1=float(dice.quantile(0.25)),
        dice_q3=float(dice.quantile(0.75)),
        failed=failed,
        failed_cases=failed_cases,
        failure_rate=failed / len(dice),
        failure_low=low,
        failure_high=high,
    )


def write_summaries(path: Path, summaries: Sequence[Summary]) -> None:
    """Write summary.tsv."""
    areas = any(AREA_ERROR in one.means for one in summaries)
    rows: list[list[object]] = []
    for one in summaries:
        row: list[object] = [one.model, one.testset, one.participants, one.cases]
        row += [*one.means.values(), *astuple(one.outcome)]
        rows.append([*row, one.csa_error_cases] if areas else row)
    columns = [name for name in SUMMARY_COLUMNS if areas or name not in OF_SECTIONS]
    write_table(path, columns, rows)


def read_summaries(path: Path) -> list[Summary]:
    """Read summary.tsv. Raises StudyError for a table that is none."""
    summaries = []
    needed = [name for name in SUMMARY_COLUMNS if name not in OF_SECTIONS]
    rows = read_table(path, *needed)
    names = _summarised(rows[0] if rows else ())
    for row in read_table(path, *needed, *names):
        try:
            means = {name: float(row[name]) for name in names}
            counts = int(row["participants"]), int(row["cases"])
            outcome = shaped(Outcome, {name: row[name] for name in OUTCOME_COLUMNS})
            with_area = int(row[AREA_CASES]) if AREA_CASES in row else None
        except ValueError as error:
            message = f"{path}: no summary: {error}"
            raise StudyError(message, hint="code/study run compare") from error
        summaries.append(Summary(row["model"], row["testset"], *counts, means, outcome, with_area))
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
