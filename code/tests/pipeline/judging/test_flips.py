"""The sign-flip test and its interval: against SciPy's, and each other."""

import math

import numpy as np
import pytest
from scipy import stats

from cordstudy.pipeline.judging.flips import ALL_UP_TO, Flips, fewest, flips


def flipped(difference: np.ndarray, groups: list[str] | tuple = ()) -> Flips:
    return flips(difference, groups, resamples=10_000, seed=1)


def scipy_p(difference: np.ndarray, alternative: str = "two-sided") -> float:
    done = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative=alternative,
    )
    return float(done.pvalue)


@pytest.mark.parametrize("n", [2, 5, 9, 12])
def test_p_is_that_of_scipy(n):
    rng = np.random.default_rng(n)
    for difference in (
        rng.normal(0.02, 0.02, n),
        rng.exponential(0.02, n) - 0.01,
        rng.integers(-2, 4, n) / 100,
        np.full(n, 0.01),
        np.zeros(n),
    ):
        one = flipped(difference)
        assert one.p_differs() == pytest.approx(scipy_p(difference))
        assert one.p_above() == pytest.approx(scipy_p(difference, "greater"))
        assert one.p_above(-0.02) == pytest.approx(scipy_p(difference + 0.02, "greater"))
        assert one.p_below(0.02) == pytest.approx(scipy_p(difference - 0.02, "less"))


def test_above_so_many_units_a_drawn_sample_gives_nearly_the_same():
    difference = np.random.default_rng(0).normal(0.01, 0.02, ALL_UP_TO + 2)
    assert flipped(difference).p_differs() == pytest.approx(scipy_p(difference), abs=0.01)


@pytest.mark.parametrize("n", [6, 9, 14, 20, 40])
def test_the_interval_holds_just_the_values_that_the_test_does_not_reject(n):
    rng = np.random.default_rng(n)
    for difference in (rng.normal(0.02, 0.02, n), rng.integers(-2, 4, n) / 100, np.full(n, 0.01)):
        one = flipped(difference)
        for level in (0.95, 0.975):
            low, high = one.interval(level)
            if math.isnan(low):
                assert n == 6 and level == 0.975, "2 / 2^6 is above 0.025"
                continue
            assert low <= difference.mean() + 1e-9 and difference.mean() <= high + 1e-9
            alpha = round(1 - level, 9)
            assert (one.p_differs() < alpha) == (not low <= 0 <= high)
            outside, inside = one.p_above(low - 1e-7), one.p_above(low + 1e-7)
            assert outside < alpha / 2 <= inside


def test_ties_that_differ_by_noise_of_adding_are_ties():
    exact = np.array([0.3, -0.3, 0.1, 0.1, 0.1, -0.3, 0.2])
    noisy = exact + np.random.default_rng(1).normal(0, 1e-16, len(exact))
    assert flipped(exact).p_differs() == flipped(noisy).p_differs()
    assert flipped(np.zeros(9)).p_differs() == 1


def test_groups_are_flipped_together():
    rng = np.random.default_rng(3)
    difference, groups = rng.normal(0.02, 0.02, 20), [f"site {n % 7}" for n in range(20)]
    sums = [difference[[g == name for g in groups]].sum() for name in sorted(set(groups))]
    p = flipped(difference, groups).p_differs()
    assert p == pytest.approx(scipy_p(np.array(sums)))
    low, high = flipped(difference, groups).interval(0.95)
    assert low < difference.mean() < high


def test_the_fewest_units_that_can_show_anything():
    assert fewest(0.05) == 6 and fewest(0.025) == 7
    assert fewest(0.05, sides=1) == 5
    for n in (6, 7):
        p = flipped(np.full(n, 0.1)).p_differs()
        assert p == 2 / 2**n


def test_the_same_differences_give_the_same_numbers_in_any_order_of_call():
    difference = np.random.default_rng(4).normal(0.01, 0.02, 30)
    first = flipped(difference).interval(0.95)
    flipped(difference[:9])
    assert flipped(difference).interval(0.95) == first


def test_worse_than_the_best_of_several_counts_as_often_as_there_are():
    rng = np.random.default_rng(4)
    for n in (9, 12, 20):
        one = flipped(rng.normal(-0.01, 0.02, n))
        assert one.p_differs(picked_of=4) == min(1, 2 * one.p_above(), 8 * one.p_below())
        low, high = one.interval(0.95, picked_of=4)
        assert low == one.interval(0.95)[0] and high >= one.interval(0.95)[1]
        assert (one.p_differs(picked_of=4) < 0.05) == (not low <= 0 <= high)
    few = flipped(np.full(7, -0.1))
    assert few.p_differs() < 0.05 < few.p_differs(picked_of=4)
    assert few.interval(0.95, picked_of=4)[1] == 1, "the highest that there can be"


def test_the_best_of_four_like_models_is_not_shown_to_differ_more_often_than_meant():
    rng, shown = np.random.default_rng(3), 0
    for _ in range(400):
        scores = rng.normal(0.9, 0.03, (10, 5))
        best = scores[:, 1:].mean(axis=0).argmax() + 1
        shown += flipped(scores[:, 0] - scores[:, best]).p_differs(picked_of=4) < 0.05
    assert shown <= 400 * 0.05
