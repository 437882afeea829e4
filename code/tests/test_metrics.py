"""Measures, against values worked out by hand."""

import math

import numpy as np
import pytest

from cordstudy.pipeline.metrics import dice, relative_volume_error
from cordstudy.pipeline.predictor import largest_component


def mask(*voxels: tuple[int, int, int]) -> np.ndarray:
    array = np.zeros((4, 4, 4), bool)
    for voxel in voxels:
        array[voxel] = True
    return array


A, B, C = (0, 0, 0), (0, 0, 1), (3, 3, 3)


@pytest.mark.parametrize(
    ("pred", "ref", "expected_dice", "expected_error"),
    [
        (mask(A, B), mask(A, B), 1.0, 0.0),
        (mask(A), mask(A, B), 2 / 3, -0.5),
        (mask(A, B, C), mask(A, B), 0.8, 0.5),
        (mask(C), mask(A), 0.0, 0.0),
        (mask(), mask(A), 0.0, -1.0),
        (mask(), mask(), 1.0, 0.0),
        (mask(A), mask(), 0.0, math.inf),
    ],
)
def test_measures_of_a_few_voxels(pred, ref, expected_dice, expected_error):
    assert dice(pred, ref) == pytest.approx(expected_dice)
    assert relative_volume_error(pred, ref) == pytest.approx(expected_error)


def test_the_largest_component_is_kept_and_an_empty_mask_stays_empty():
    assert (largest_component(mask(A, B, C)) == mask(A, B)).all()
    assert largest_component(mask()).sum() == 0
