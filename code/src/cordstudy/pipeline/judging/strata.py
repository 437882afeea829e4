"""The general model among the cases of one kind: for looking, so that there are no p-values.

Owns: what the strata are, and the table of them.
Does not own: the intervals (`statistics`), or the declared comparisons (`comparisons`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cordstudy.pipeline.judging.flips import flips
from cordstudy.pipeline.judging.rows import read_rows
from cordstudy.pipeline.judging.scores import LATER, first_training, of_model, subject_means
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.statistics import LEVEL, interval

REFERENCE = "reference"
"""The stratum of the cases whose reference mask no model made, told where some are a model's."""


@dataclass(frozen=True)
class Stratum:
    """The general model minus one specific model among the cases of one kind of a test set, over
    subjects, with an interval of the mean difference."""

    testset: str
    stratum: str
    """A column of cases.tsv, or `reference`: there `not made by a model` are the cases whose
    reference mask is a person's work or of unknown origin."""
    value: str
    specific: str
    subjects: int
    cases: int
    general_mean: float
    specific_mean: float
    difference: float
    low: float
    """`low` to `high_seen`: the intervals of comparisons.tsv, 95 % each, not simultaneous."""
    high: float
    low_seen: float
    high_seen: float


def strata(scores: pd.DataFrame, settings: Settings) -> list[Stratum]:
    """The general model against each specific one by what the study tells apart: contrast, vendor,
    pathology, label origin, site and field strength, or some of these."""
    rows: list[Stratum] = []
    for testset, scores_here in first_training(scores).groupby("testset", sort=False):
        for stratum, value, cases in _strata_of(scores_here, settings.task.strata):
            rows += _against_each(str(testset), stratum, value, cases, settings)
    return rows


def _strata_of(
    scores: pd.DataFrame, told: Sequence[str]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The strata of one test set: name, value, scores."""
    for stratum in told:
        if stratum in LATER and (stratum not in scores or scores[stratum].nunique() < 2):
            continue
        for value, cases in scores.groupby(stratum, sort=True):
            yield stratum, str(value), cases
    by_a_model = scores["label_origin"] == "model"
    if by_a_model.any() and not by_a_model.all():
        yield REFERENCE, "not made by a model", scores[~by_a_model]


def _against_each(
    testset: str, stratum: str, value: str, cases: pd.DataFrame, settings: Settings
) -> Iterator[Stratum]:
    """One stratum of one test set, against each specific model."""
    means = subject_means(cases).loc[testset]
    for specific in settings.specifics:
        difference = (means[settings.general] - means[specific]).to_numpy()
        resamples, seed = settings.resamples, settings.seed
        low, high = interval(difference, resamples=resamples, seed=seed)
        flipped = flips(difference, resamples=resamples, seed=seed)
        low_seen, high_seen = flipped.interval(LEVEL)
        yield Stratum(
            testset=testset,
            stratum=stratum,
            value=value,
            specific=specific,
            subjects=len(means),
            cases=len(of_model(cases, settings.general)),
            general_mean=float(means[settings.general].mean()),
            specific_mean=float(means[specific].mean()),
            difference=float(difference.mean()),
            low=low,
            high=high,
            low_seen=low_seen,
            high_seen=high_seen,
        )


def read_strata(path: Path) -> list[Stratum]:
    """Read strata.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Stratum, what="strata", step="compare")
