"""How far the cross-sectional area of a prediction agrees with the reference's, by test set.

Owns: bias and limits of agreement (Bland and Altman), and the table of them.
Does not own: the areas (`areas`), or how they are drawn (`report.agreement_plot`).

The bias is the mean over persons of their images' errors. The limits are of one image: the bias ±
1.96 standard deviations, of persons and of the images of one together (Bland and Altman 2007,
doi:10.1080/10543400701329422, one-way analysis of variance). Their intervals are exact for one
image a person (Carkeet 2015, doi:10.1097/OPX.0000000000000513), and wider than need be for more.

An image in which nothing was found has no error and is counted apart: a failure, not a small area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from cordstudy.pipeline.judging.rows import read_rows
from cordstudy.pipeline.judging.scores import PERSON, first_training

ERROR = "csa_error_mm2"
FEWEST = 5
"""Persons below whom there are no limits: an interval of three's would be ten times as wide."""
COVERED = 1.959963984540054
"""Standard deviations about the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Agreement:
    """The area by one model on one test set against the reference's, in mm²; by the first
    training."""

    model: str
    testset: str
    subjects: int
    """Persons with an image in which the structure was found."""
    cases: int
    """Those images."""
    not_found: int
    """Images in which it was not."""
    bias: float
    """Above 0, the model's areas are larger."""
    bias_low: float
    """`bias_low` and `bias_high`: its 95 % interval (Student's)."""
    bias_high: float
    sd: float
    """Of the error of one image; nan below `FEWEST` persons."""
    lower: float
    """`lower` and `upper`: the limits of agreement; the four below, their 95 % intervals."""
    upper: float
    lower_low: float
    lower_high: float
    upper_low: float
    upper_high: float


def agreements(scores: pd.DataFrame) -> list[Agreement]:
    """Each model on each test set."""
    groups = first_training(scores).groupby(["model", "testset"], sort=False)
    return [_agreement(str(model), str(testset), cases) for (model, testset), cases in groups]


def _agreement(model: str, testset: str, cases: pd.DataFrame) -> Agreement:
    known = cases[cases[ERROR].notna()]
    by_person = [errors.to_numpy() for _, errors in known.groupby(PERSON, sort=False)[ERROR]]
    count = len(by_person)
    means = np.array([errors.mean() for errors in by_person])
    bias = float(means.mean()) if count else math.nan
    low, high, sd, near, far = (math.nan,) * 5
    if count >= FEWEST:
        half = stats.t.ppf(0.975, count - 1) * means.std(ddof=1) / math.sqrt(count)
        low, high = bias - float(half), bias + float(half)
        sd = deviation_of_one(by_person)
        near, far = (sd * factor for factor in limit_factors(count))
    return Agreement(
        model=model,
        testset=testset,
        subjects=count,
        cases=len(known),
        not_found=len(cases) - len(known),
        bias=bias,
        bias_low=low,
        bias_high=high,
        sd=sd,
        lower=bias - COVERED * sd,
        upper=bias + COVERED * sd,
        lower_low=bias - far,
        lower_high=bias - near,
        upper_low=bias + near,
        upper_high=bias + far,
    )


def deviation_of_one(by_person: Sequence[np.ndarray]) -> float:
    """The standard deviation of the error of one image of one person, from two persons on: between
    persons and within them."""
    sizes = np.array([len(errors) for errors in by_person])
    means = np.array([errors.mean() for errors in by_person])
    persons, images = len(sizes), int(sizes.sum())
    grand = np.concatenate(by_person).mean()
    between = float((sizes * (means - grand) ** 2).sum() / (persons - 1))
    if images == persons:
        return math.sqrt(between)
    squares = [((errors - errors.mean()) ** 2).sum() for errors in by_person]
    within = float(sum(squares) / (images - persons))
    usual = float((images - (sizes**2).sum() / images) / (persons - 1))  # images a person
    return math.sqrt(max(between - within, 0.0) / usual + within)


def limit_factors(count: int) -> tuple[float, float]:
    """How many standard deviations from the bias the 95 % interval of a limit begins and ends."""
    root = math.sqrt(count)
    ends = stats.nct.ppf([0.025, 0.975], count - 1, COVERED * root) / root
    return float(ends[0]), float(ends[1])


def read_agreements(path: Path) -> list[Agreement]:
    """Read agreement.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Agreement, what="limits of agreement", step="compare")
