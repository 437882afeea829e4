"""Numbers of paired differences, against simulated ones of known truth."""

import numpy as np
import pytest
from scipy import stats

from cordstudy.pipeline.judging.flips import flips
from cordstudy.pipeline.judging.statistics import (
    bonferroni,
    detectable,
    effect_dz,
    exact_rate,
    interval,
    mcnemar,
    rank_effect,
    wilcoxon,
)

FAILED = -0.85


def drawn(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Differences with a mean of 0.02, or of `truth` where some fail."""
    if kind == "normal":
        return rng.normal(0.02, 0.02, n)
    if kind == "skewed":
        return rng.exponential(0.02, n)
    return np.where(rng.random(n) < float(kind), FAILED, rng.normal(0.01, 0.02, n))


def truth(kind: str) -> float:
    return 0.02 if kind in ("normal", "skewed") else 0.01 * (1 - float(kind)) + FAILED * float(kind)


@pytest.mark.parametrize("kind", ["normal", "skewed", "0.05", "0.1", "0.2"])
@pytest.mark.parametrize("n", [3, 8, 9, 20, 40])
def test_the_interval_holds_where_rare_total_failures_were_not_seen(kind, n):
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(150):
        low, high = interval(drawn(kind, n, rng), resamples=500, seed=1)
        held += low <= truth(kind) <= high
    assert held / 150 >= 0.93


@pytest.mark.parametrize(("kind", "n", "least"), [("normal", 9, 0.9), ("skewed", 60, 0.88)])
def test_the_interval_of_the_test_holds_about_as_often_as_it_says(kind, n, least):
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        low, high = flips(drawn(kind, n, rng), resamples=1000, seed=1).interval(0.95)
        held += low <= 0.02 <= high
    assert least <= held / 300 <= 0.99


@pytest.mark.parametrize(("failed", "n"), [(0, 9), (3, 20), (20, 20), (1, 40)])
def test_of_outcomes_of_two_kinds_the_interval_is_clopper_and_pearsons(failed, n):
    outcomes = np.r_[np.full(failed, 1.0), np.full(n - failed, -1.0)]
    low, high = interval(outcomes, resamples=100_000, seed=1)
    rate = exact_rate(failed, n)
    assert ((low + 1) / 2, (high + 1) / 2) == pytest.approx(rate, abs=0.005)
    exact = stats.binomtest(failed, n).proportion_ci(0.95, "exact")
    assert rate == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_the_interval_is_wider_at_a_higher_level_and_the_same_each_time():
    difference = np.random.default_rng(3).normal(0.02, 0.02, 20)
    once = interval(difference, resamples=1000, seed=1)
    wide = interval(difference, resamples=1000, seed=1, level=0.975)
    assert once == interval(difference, resamples=1000, seed=1)
    assert wide[0] < once[0] < difference.mean() < once[1] < wide[1]


def test_the_rank_effect_tells_to_which_side_the_ranks_are():
    few_large = np.r_[np.full(34, 0.01), np.full(6, -0.85)]
    assert few_large.mean() < 0 < rank_effect(few_large)
    assert rank_effect(np.array([0.1, 0.2])) == 1 and rank_effect(np.zeros(4)) == 0
    assert wilcoxon(np.zeros(5)) == 1.0
    noise = np.random.default_rng(1).normal(0, 1e-16, 8)
    assert wilcoxon(np.arange(1, 9.0)) == 2 / 2**8
    assert wilcoxon(np.full(8, 0.1) + noise) == wilcoxon(np.full(8, 0.1))


def test_failures_are_told_apart_only_by_persons_in_whom_one_model_fails():
    assert mcnemar(0, 6) == 2 / 2**6 and mcnemar(6, 0) == mcnemar(0, 6)
    assert np.isnan(mcnemar(0, 5)) and np.isnan(mcnemar(0, 0)), "no p that could show nothing"
    assert mcnemar(4, 4) == 1


def test_there_is_no_number_where_subjects_cannot_carry_it():
    assert np.isnan(detectable(2, 0.1)) and np.isnan(detectable(5, 0.0))
    assert np.isnan(effect_dz(np.full(5, 0.1))) and np.isnan(effect_dz(np.array([0.1])))
    assert detectable(20, 0.02, alpha=0.025) > detectable(20, 0.02) > 0
    assert bonferroni(0.6, 2) == 1 and np.isnan(bonferroni(np.nan, 2))
