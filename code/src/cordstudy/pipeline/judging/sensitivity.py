"""What a comparison rests on: how many persons, which one most, failures, seeds, sites.

Owns: the numbers beside a mean difference that tell whether it would have been another.
Does not own: the test of it (`flips`), or which models are compared (`comparisons`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cordstudy.pipeline.judging.flips import flips
from cordstudy.pipeline.judging.scores import Spread
from cordstudy.pipeline.judging.statistics import DIGITS, Floats, mcnemar


@dataclass(frozen=True)
class Persons:
    """How the persons are spread over a difference."""

    better: int
    worse: int
    median: float
    median_better: float
    """Of the differences of those who are better; nan without any."""
    median_worse: float


def persons_of(difference: Floats) -> Persons:
    """In how many persons the model is better or worse, and by how much."""
    rounded = difference.round(DIGITS)
    better, worse = rounded[rounded > 0], rounded[rounded < 0]
    return Persons(
        better=len(better),
        worse=len(worse),
        median=float(np.median(difference)),
        median_better=float(np.median(better)) if len(better) else math.nan,
        median_worse=float(np.median(worse)) if len(worse) else math.nan,
    )


@dataclass(frozen=True)
class Influence:
    """The mean difference without one person each; nan for a single one."""

    influential: str
    """The person without whom it changes most."""
    without_influential: float
    without_low: float
    """The lowest without any one person."""
    without_high: float


def influence_of(difference: pd.Series[float]) -> Influence:
    """Leave each person out once; `difference` is by person."""
    values = difference.to_numpy()
    if len(values) < 2:
        return Influence("none", math.nan, math.nan, math.nan)
    without = (values.sum() - values) / (len(values) - 1)
    most = int(np.abs(without - values.mean()).round(DIGITS).argmax())
    low, high = float(without.min()), float(without.max())
    return Influence(str(difference.index[most]), float(without[most]), low, high)


@dataclass(frozen=True)
class Failures:
    """In how many persons which of two models failed."""

    failed_model_only: int
    failed_specific_only: int
    failed_both: int
    p_failures: float


def failures_of(model: pd.Series[bool], specific: pd.Series[bool]) -> Failures:
    """Failures of two models in the same persons, with McNemar's exact p."""
    only_model = int((model & ~specific).sum())
    only_specific = int((specific & ~model).sum())
    both = int((model & specific).sum())
    return Failures(only_model, only_specific, both, mcnemar(only_model, only_specific))


@dataclass(frozen=True)
class Retraining:
    """What training again with other seeds does to a difference; nan where neither model was."""

    retrained: str
    """`both`, the name of the one that was trained more than once, or `neither`."""
    retraining_sd: float
    """Standard deviation of the difference over trainings: the root of the sum of both models'
    variances, or that of the one that was trained again."""
    difference_trainings: float
    """Of the means over all trainings."""
    trainings_low: float
    """The lowest difference of any training of one and any of the other."""
    trainings_high: float


def retraining_of(
    model: str, specific: str, testset: str, spreads: Mapping[tuple[str, str], Spread]
) -> Retraining:
    """That of two models on a test set, from the spread of each."""
    one, other = spreads[model, testset], spreads[specific, testset]
    again = [spread for spread in (one, other) if spread.trainings > 1]
    if not again:
        return Retraining("neither", math.nan, math.nan, math.nan, math.nan)
    return Retraining(
        retrained="both" if len(again) == 2 else again[0].model,
        retraining_sd=math.hypot(*(spread.dice_sd for spread in again)),
        difference_trainings=one.dice_mean - other.dice_mean,
        trainings_low=one.dice_min - other.dice_max,
        trainings_high=one.dice_max - other.dice_min,
    )


@dataclass(frozen=True)
class Sites:
    """A difference with sites, not persons, as what varies by chance."""

    sites: int
    """0 where the site of a person is not known."""
    low_sites: float
    high_sites: float


def sites_of(
    difference: Floats,
    sites: Sequence[str],
    *,
    level: float,
    picked_of: int,
    resamples: int,
    seed: int,
) -> Sites:
    """The interval that flips whole sites; nan where they are too few for one. `sites` is that of
    each person, empty where not known."""
    if not all(sites):
        return Sites(0, math.nan, math.nan)
    flipped = flips(difference, sites, resamples=resamples, seed=seed)
    return Sites(len(set(sites)), *flipped.interval(level, picked_of=picked_of))
