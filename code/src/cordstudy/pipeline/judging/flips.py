"""Sign flips: the test of a mean difference, and the interval that goes with it.

Owns: which signs are flipped, the p-values of that, and the differences that the test would not
reject.
Does not own: any other number of a difference (`statistics`), or which differences (`comparisons`).

If a difference were symmetric about a value, each person's deviation from it could as well have
the other sign. Flipping the signs of some persons' deviations gives a mean as far up as the one
seen just where the mean of those persons is at most that value: so one list of means of subsets
gives the test at any value, and the interval of the values that it does not reject. Test and
interval cannot contradict each other.

Units are persons, or groups of them (sites), whose signs flip together. Sums are of whole numbers,
in units of 1e-9, so that ties are ties on every machine.

Source: Fisher 1935; Hartigan 1969 (typical values); scipy.stats.permutation_test gives the same p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
UNIT = 1e-9
HIGHEST = 1.0
"""There is no larger difference of Dice."""
ALL_UP_TO = 14
"""Units up to which all flips are gone through; above, as many as asked for, drawn by a seed."""


@dataclass(frozen=True)
class Flips:
    """The sums and numbers of persons of subsets of units; nothing of the empty one, which counts
    as extreme always."""

    sums: Integers
    persons: Integers
    slack: int
    """Half a unit a person is rounded away: sums this near to 0 are ties."""

    @property
    def count(self) -> int:
        """How many flips there are, that of nobody among them."""
        return len(self.sums) + 1

    def p_above(self, value: float = 0.0) -> float:
        """One-sided p that the mean lies above `value`."""
        return (int((self._from(value) <= self.slack).sum()) + 1) / self.count

    def p_below(self, value: float = 0.0) -> float:
        """One-sided p that the mean lies below `value`."""
        return (int((self._from(value) >= -self.slack).sum()) + 1) / self.count

    def p_differs(self, *, picked_of: int = 1) -> float:
        """Two-sided p that the mean is not 0.

        Where what is compared with was picked, by these very persons, as the best of several, that
        the mean lies below counts so many times: with like models, the best of four is shown to be
        better four times as often as one. That the mean lies above is the rarer for it.
        """
        return min(1.0, 2 * min(self.p_above(), picked_of * self.p_below()))

    def p_within(self, margin: float) -> float:
        """p that the mean lies within ± `margin`: the larger of two one-sided tests."""
        return max(self.p_above(-margin), self.p_below(margin))

    def interval(self, level: float, *, picked_of: int = 1) -> tuple[float, float]:
        """The values that are not rejected at 1 - level, two-sided, as by `p_differs`; nan where
        the flips are too few to reject any, `HIGHEST` where they are for those above alone."""
        outside = (1 - level) / 2 * self.count
        low, high = _place(outside), _place(outside / picked_of)
        if low < 1:
            return math.nan, math.nan
        means = np.sort(self.sums * UNIT / self.persons)
        return float(means[low - 1]), float(means[-high]) if high else HIGHEST

    def _from(self, value: float) -> Integers:
        return self.sums - self.persons * round(value / UNIT)


def _place(outside: float) -> int:
    """The place of the first mean, from the end, that is not rejected; 0 where none is."""
    return max(0, math.ceil(round(outside, 9)) - 1)


def flips(difference: Floats, groups: Sequence[str] = (), *, resamples: int, seed: int) -> Flips:
    """The flips of the differences of persons; together of those of one group, where there are."""
    units = np.rint(difference / UNIT).astype(np.int64)
    persons = np.ones(len(units), np.int64)
    if groups:
        names, places = np.unique(np.asarray(groups), return_inverse=True)
        units = _summed(units, places, len(names))
        persons = _summed(persons, places, len(names))
    flipped = _subsets(len(units), resamples, seed)
    return Flips(flipped @ units, flipped @ persons, slack=len(difference))


def _summed(values: Integers, places: npt.NDArray[np.intp], count: int) -> Integers:
    sums = np.zeros(count, np.int64)
    np.add.at(sums, places, values)
    return sums


@lru_cache(maxsize=8)
def _subsets(units: int, resamples: int, seed: int) -> Integers:
    """Subsets of units, a row each with 1 for those in it: all but the empty one, or a sample."""
    if units <= ALL_UP_TO:
        numbers = np.arange(1, 2**units, dtype=np.int64)
        return (numbers[:, None] >> np.arange(units)) & 1
    drawn = np.random.default_rng(seed).integers(0, 2, (resamples - 1, units), dtype=np.int64)
    return drawn[drawn.any(axis=1)]


def fewest(p: float, *, sides: int = 2) -> int:
    """How many units it takes for any p below `p`: those of n are not below sides / 2^n."""
    n = 1
    while sides / 2**n >= p:
        n += 1
    return n
