"""Intervals, tests and power of paired differences.

Owns: how each number is computed from the differences of subjects, and when there is none.
Does not own: which differences (`comparisons`, `strata`).

`difference` is one number a subject: the mean of its cases by one model minus that by another.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

Floats = npt.NDArray[np.float64]
ALPHA, POWER = 0.05, 0.8
FEWEST = 5
"""Subjects below which no interval is told: it would hold too seldom (code/docs/judging.md)."""


def interval(difference: Floats, *, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of a mean by BCa bootstrap over subjects, expanded for their number; nan for
    fewer than `FEWEST`, and the mean itself where all agree.

    Source: Efron 1987, scipy.stats.bootstrap.
    """
    if len(difference) < FEWEST:
        return math.nan, math.nan
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    bootstrap = stats.bootstrap(
        (difference,),
        np.mean,
        n_resamples=resamples,
        method="BCa",
        confidence_level=expanded_level(len(difference)),
        rng=np.random.default_rng(seed),
    )
    bounds = bootstrap.confidence_interval
    return float(bounds.low), float(bounds.high)


def expanded_level(n: int) -> float:
    """The level whose percentiles make a 95 % interval of n subjects, as a bootstrap of few is too
    narrow: where differences are normal, it is as wide as Student's.

    Source: Hesterberg 2014, arXiv:1411.5279; R's resample.
    """
    return float(1 - 2 * stats.norm.cdf(stats.t.ppf(ALPHA / 2, n - 1) * math.sqrt(n / (n - 1))))


def wilcoxon(difference: Floats) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; exact for few subjects without ties; 1 where all
    are 0."""
    if not np.any(difference):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on ties it says that it is not exact
        return float(stats.wilcoxon(difference).pvalue)


def least_subjects(tests: int) -> int:
    """How many subjects the signed-rank test of a family of so many needs to show anything: that
    of n gives no p below 2 / 2^n. 0 without a test."""
    if not tests:
        return 0
    n = 1
    while 2 * tests / 2**n >= ALPHA:
        n += 1
    return n


def holm(p: Sequence[float] | Floats) -> Floats:
    """Holm's adjusted p-values of a family; where there is none (nan), there is none.

    Source: Holm 1979, statsmodels.
    """
    values = np.asarray(p, dtype=float)
    adjusted = np.full(len(values), np.nan)
    tested = ~np.isnan(values)
    if tested.any():
        adjusted[tested] = multipletests(values[tested], alpha=ALPHA, method="holm")[1]
    return adjusted


def equivalence(difference: Floats, margin: float) -> float:
    """p of two one-sided paired t-tests that the mean lies within ± margin; nan for fewer than
    three or where all agree. Source: Schuirmann 1987, statsmodels."""
    if len(difference) < 3 or np.ptp(difference) == 0:
        return math.nan
    return float(DescrStatsW(difference).ttost_mean(-margin, margin)[0])


def deviation(difference: Floats) -> float:
    """Standard deviation over subjects (n - 1); nan for one."""
    return float(difference.std(ddof=1)) if len(difference) > 1 else math.nan


def effect_dz(difference: Floats) -> float:
    """The mean over its standard deviation; nan where there is none, or all agree."""
    sd = deviation(difference)
    return float(difference.mean() / sd) if sd > 0 else math.nan


def detectable(n: int, sd: float) -> float:
    """The mean difference that a two-sided paired t-test at 5 % finds with a power of 80 %."""
    if n < 3 or not sd > 0:
        return math.nan
    return float(TTestPower().solve_power(nobs=n, alpha=ALPHA, power=POWER) * sd)
