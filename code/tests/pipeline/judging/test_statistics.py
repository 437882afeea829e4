"""Intervals, tests and power, against simulated differences of known truth."""

import numpy as np
import pytest

from cordstudy.pipeline.judging.statistics import (
    FEWEST,
    detectable,
    equivalence,
    holm,
    interval,
    least_subjects,
    wilcoxon,
)


@pytest.mark.parametrize(
    ("kind", "n", "least"),
    [("normal", 5, 0.89), ("normal", 10, 0.92), ("normal", 60, 0.92), ("skewed", 60, 0.9)],
)
def test_the_interval_covers_the_true_difference_about_as_often_as_it_says(kind, n, least):
    rng = np.random.default_rng(2)
    draw = {
        "normal": lambda: rng.normal(0.02, 0.02, n),
        "skewed": lambda: rng.exponential(0.02, n),
    }[kind]
    found = [interval(draw(), resamples=2000, seed=1) for _ in range(300)]
    assert least <= np.mean([low <= 0.02 <= high for low, high in found]) <= 0.98


@pytest.mark.slow
def test_the_family_wise_error_holds_where_nothing_differs():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(150):
        differences = rng.normal(0, 0.02, (6, 12))
        hits += bool((holm([wilcoxon(one) for one in differences]) < 0.05).any())
    assert hits / 150 <= 0.09


def test_no_difference_is_shown_as_equivalence_and_not_by_a_missing_difference():
    rng = np.random.default_rng(5)
    assert equivalence(rng.normal(0, 0.02, 40), 0.02) < 0.05
    assert equivalence(rng.normal(0, 0.02, 4), 0.02) > 0.05, "few subjects show nothing"
    assert equivalence(rng.normal(0.03, 0.02, 40), 0.02) > 0.5


def test_few_or_equal_subjects_give_no_interval_that_they_cannot_carry():
    assert np.isnan(interval(np.linspace(0.1, 0.2, FEWEST - 1), resamples=100, seed=1)).all()
    assert np.isfinite(interval(np.linspace(0.1, 0.2, FEWEST), resamples=100, seed=1)).all()
    assert interval(np.full(5, 0.1), resamples=100, seed=1) == (0.1, 0.1)
    assert (
        wilcoxon(np.zeros(5)) == 1.0
        and np.isnan(detectable(2, 0.1))
        and np.isnan(detectable(5, 0.0))
    )
    assert wilcoxon(np.arange(1, 9.0)) == pytest.approx(2 / 2**8), (
        "eight subjects, all the same way: the least there can be"
    )


def test_holm_adjusts_the_tests_that_there_are_and_leaves_out_the_others():
    assert holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert len(holm([])) == 0 and np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize(("tests", "least"), [(0, 0), (1, 6), (12, 9), (24, 10)])
def test_the_least_subjects_are_those_whose_best_p_is_below_the_level(tests, least):
    assert least_subjects(tests) == least
    if tests:
        assert 2 * tests / 2**least < 0.05 <= 2 * tests / 2 ** (least - 1)
