"""Numbers of paired differences, beside the test (`flips`).

Owns: how each number is computed from the differences of persons, and when there is none.
Does not own: the test and its interval (`flips`), or which differences (`comparisons`, `strata`).

`difference` is one number a person: the mean of its cases by one model minus that by another,
between -1 and 1.
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

Floats = npt.NDArray[np.float64]
ALPHA, POWER = 0.05, 0.8
LEVEL = 1 - ALPHA
DIGITS = 9
"""Decimals that count where values are compared: the rest is noise of adding."""


def interval(
    difference: Floats,
    *,
    resamples: int,
    seed: int,
    level: float = LEVEL,
    picked_of: int = 1,
    lowest: float = -1.0,
) -> tuple[float, float]:
    """An interval of a mean between `lowest` and 1 that also holds where rare total failures were
    not seen.

    The quantiles of means by random weights (uniform on the simplex) with one more person, in whom
    the difference is as low (for the lower bound) or high (for the upper) as can be. For outcomes
    that are 0 or 1 these are Clopper and Pearson's bounds. `picked_of` is as of `Flips.p_differs`.

    Source: Gaffke 2005; Learned-Miller and Thomas 2019, arXiv:1905.06208, who conjecture that it
    holds for any distribution; here simulated (code/docs/judging.md).
    """
    weights = _weights(len(difference), resamples, seed)
    outside = (1 - level) / 2
    low = np.quantile((weights * np.append(difference, lowest)).sum(axis=1), outside)
    high = np.quantile((weights * np.append(difference, 1.0)).sum(axis=1), 1 - outside / picked_of)
    return float(low), float(high)


@lru_cache(maxsize=8)
def _weights(persons: int, resamples: int, seed: int) -> Floats:
    """Weights of the persons and one more, a row a sample; a row's sum is 1."""
    drawn = np.random.default_rng(seed).standard_exponential((resamples, persons + 1))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True), dtype=np.float64)


def wilcoxon(difference: Floats) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; exact for few persons without ties; 1 where all
    are 0."""
    rounded = difference.round(DIGITS)
    if not np.any(rounded):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on ties it says that it is not exact
        return float(stats.wilcoxon(rounded).pvalue)


def rank_effect(difference: Floats) -> float:
    """Matched-pairs rank-biserial correlation: what share of the ranks is above 0, minus what is
    below; 0 where all are 0. Source: Kerby 2014."""
    rounded = difference.round(DIGITS)
    rounded = rounded[rounded != 0]
    if not len(rounded):
        return 0.0
    ranks = stats.rankdata(np.abs(rounded))
    return float((ranks * np.sign(rounded)).sum() / ranks.sum())


def deviation(difference: Floats) -> float:
    """Standard deviation over persons (n - 1); nan for one."""
    return float(difference.std(ddof=1)) if len(difference) > 1 else math.nan


def bonferroni(p: float, tests: int) -> float:
    """A p adjusted for so many tests; nan where there is none."""
    return p if math.isnan(p) else min(1.0, p * tests)


def effect_dz(difference: Floats) -> float:
    """The mean over its standard deviation; nan where there is none, or all agree."""
    if not len(difference) or np.ptp(difference.round(DIGITS)) == 0:
        return math.nan
    return float(difference.mean() / deviation(difference))


def detectable(n: int, sd: float, *, alpha: float = ALPHA) -> float:
    """The mean difference that a two-sided paired t-test finds with a power of 80 %."""
    if n < 3 or not sd > 10**-DIGITS:
        return math.nan

    def lacking(effect: float) -> float:
        power = TTestPower().power(effect, n, alpha)
        return POWER - (1.0 if math.isnan(power) else float(power))  # none where it is next to 1

    highest = 1.0
    while lacking(highest) > 0:
        highest *= 2
    return float(optimize.brentq(lacking, 0.0, highest) * sd)


def exact_rate(failed: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a rate. Source: statsmodels."""
    low, high = proportion_confint(failed, n, alpha=ALPHA, method="beta")
    return float(low), float(high)


def mcnemar(only_one: int, only_other: int) -> float:
    """Exact two-sided p that two models fail in as many persons, from those in whom only one does;
    nan where these are too few for any p below 5 %. Source: McNemar 1947, scipy.stats.binomtest."""
    told = only_one + only_other
    if not told or 2 / 2**told >= ALPHA:
        return math.nan
    return float(stats.binomtest(only_one, told).pvalue)
