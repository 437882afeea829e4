"""Bias and limits of agreement of areas: by hand, by simulation, and where there are few."""

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from cordstudy.pipeline.judging.agreement import (
    Agreement,
    agreements,
    deviation_of_one,
    limit_factors,
    read_agreements,
)
from cordstudy.pipeline.judging.rows import write_rows


def cases(errors: dict[str, list[float]]) -> pd.DataFrame:
    """Errors of areas by person, an image each."""
    rows = [(person, error) for person, several in errors.items() for error in several]
    frame = pd.DataFrame(rows, columns=["person", "csa_error_mm2"])
    return frame.assign(model="general", testset="a", replicate=1)


def test_limits_of_one_image_a_person_are_bland_and_altmans():
    (row,) = agreements(cases({"1": [1.0], "2": [3.0], "3": [5.0], "4": [-1.0], "5": [2.0]}))
    sd = np.std([1, 3, 5, -1, 2], ddof=1)
    assert (row.subjects, row.cases, row.not_found) == (5, 5, 0)
    assert (row.bias, row.sd) == pytest.approx((2, sd))
    assert (row.lower, row.upper) == pytest.approx((2 - 1.96 * sd, 2 + 1.96 * sd), abs=1e-4)
    half = 2.776445 * sd / math.sqrt(5)  # Student's t of four degrees of freedom
    assert (row.bias_low, row.bias_high) == pytest.approx((2 - half, 2 + half))
    assert row.lower_low < row.lower < row.lower_high < row.bias < row.upper_low < row.upper_high


def test_the_first_training_alone_counts():
    first = cases({"1": [1.0], "2": [3.0], "3": [5.0]})
    (row,) = agreements(pd.concat([first, first.assign(replicate=2, csa_error_mm2=99.0)]))
    assert (row.cases, row.bias) == (3, 3)


def test_an_image_without_the_cord_has_no_error_and_is_counted():
    (row,) = agreements(cases({"1": [1.0, math.nan], "2": [3.0], "3": [5.0], "4": [math.nan]}))
    assert (row.subjects, row.cases, row.not_found, row.bias) == (3, 3, 2, 3)


@pytest.mark.parametrize("errors", [{}, {"1": [2.0]}, {str(n): [n] for n in range(1, 5)}])
def test_few_persons_have_no_limits(errors):
    frame = cases({"0": [math.nan], **errors})
    (row,) = agreements(frame)
    assert row.subjects == len(errors) and row.not_found == 1
    assert math.isnan(row.bias) == (not errors)
    limits = (row.sd, row.lower, row.upper, row.bias_low, row.upper_high)
    assert all(math.isnan(limit) for limit in limits)


def test_several_images_of_a_person_widen_the_limits_by_what_differs_within():
    """The bias of persons is the same; their images differ by 10 mm² as well."""
    narrow = deviation_of_one([np.array([n]) for n in (-1.0, 0.0, 1.0)])
    wide = deviation_of_one([np.array([n - 10, n + 10]) for n in (-1.0, 0.0, 1.0)])
    assert narrow == pytest.approx(1) and wide == pytest.approx(math.sqrt(200))


def test_the_deviation_of_one_image_is_that_of_a_mixed_model():
    rng = np.random.default_rng(5)
    by_person = [rng.normal(rng.normal(3, 4), 2, 3) for _ in range(40)]
    errors = np.concatenate(by_person)
    groups = np.repeat(np.arange(40), 3)
    fitted = MixedLM(errors, np.ones(len(errors)), groups).fit(reml=True)
    variance = float(fitted.cov_re[0, 0]) + fitted.scale
    assert deviation_of_one(by_person) == pytest.approx(math.sqrt(variance), rel=1e-3)


@pytest.mark.parametrize("persons", [5, 10, 50])
def test_intervals_of_limits_hold_them_as_often_as_they_say(persons):
    rng = np.random.default_rng(persons)
    errors = rng.normal(2, 3, (4000, persons))
    means, sds = errors.mean(axis=1), errors.std(axis=1, ddof=1)
    near, far = limit_factors(persons)
    truth = 2 + 1.959964 * 3
    held = (means + near * sds <= truth) & (truth <= means + far * sds)
    assert held.mean() == pytest.approx(0.95, abs=0.015)


def test_the_table_is_read_as_it_was_written(tmp_path):
    several = {str(n): [float(n)] for n in range(8)}
    rows = agreements(cases({"1": [1.0], "2": [3.0]})) + agreements(cases(several))
    write_rows(tmp_path / "agreement.tsv", Agreement, rows)
    read = read_agreements(tmp_path / "agreement.tsv")
    assert [row.subjects for row in read] == [2, 8]
    assert math.isnan(read[0].sd) and read[1].upper == pytest.approx(rows[1].upper, abs=1e-5)
