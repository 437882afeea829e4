"""Measures of masks, against values worked out by hand; what noise and empty masks do to them."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cordstudy.pipeline.judging.measures import (
    MEASURES,
    components,
    dice,
    iou,
    measure,
    measure_missing,
    relative_volume_error,
)

ONE_MM = (1.0, 1.0, 1.0)


def mask(*voxels: tuple[int, int, int]) -> np.ndarray:
    array = np.zeros((4, 4, 4), bool)
    for voxel in voxels:
        array[voxel] = True
    return array


A, B, C = (0, 0, 0), (0, 0, 1), (3, 3, 3)
DIAGONAL = math.dist((0, 0, 0), (4, 4, 4))


@pytest.mark.parametrize(
    ("pred", "ref", "expected_dice", "expected_iou", "expected_error", "expected_components"),
    [
        (mask(A, B), mask(A, B), 1.0, 1.0, 0.0, 1),
        (mask(A), mask(A, B), 2 / 3, 0.5, -0.5, 1),
        (mask(A, B, C), mask(A, B), 0.8, 2 / 3, 0.5, 2),
        (mask(C), mask(A), 0.0, 0.0, 0.0, 1),
        (mask(), mask(A), 0.0, 0.0, -1.0, 0),
        (mask(), mask(), 1.0, 1.0, 0.0, 0),
        (mask(A), mask(), 0.0, 0.0, math.inf, 1),
    ],
)
def test_overlaps_of_a_few_voxels(
    pred, ref, expected_dice, expected_iou, expected_error, expected_components
):
    assert dice(pred, ref) == pytest.approx(expected_dice)
    assert iou(pred, ref) == pytest.approx(expected_iou)
    assert relative_volume_error(pred, ref) == pytest.approx(expected_error)
    assert components(pred) == expected_components


CORNER, EDGE = math.sqrt(3) / 8, math.sqrt(2) / 2
"""Areas of the surface at a corner of a box of voxels of 1 mm, and where two voxels meet."""
APART = [math.sqrt(12), *[math.sqrt(17)] * 3, *[math.sqrt(22)] * 3, math.sqrt(27)]
"""From the corners of the voxel A to the nearest one of C."""


@pytest.mark.parametrize(
    ("pred", "ref", "nsd", "hd95", "assd"),
    [
        (mask(A, B), mask(A, B), 1.0, 0.0, 0.0),
        # of the 12 corners of A and B only the 4 farthest are away from A, by 1 mm
        (mask(A), mask(A, B), 1.0, 1.0, 4 * CORNER / (16 * CORNER + 4 * EDGE)),
        (mask(A), mask(C), 0.0, math.sqrt(27), np.mean(APART)),
        (mask(), mask(A), 0.0, DIAGONAL, DIAGONAL),
        (mask(A), mask(), 0.0, DIAGONAL, DIAGONAL),
        (mask(), mask(), 1.0, 0.0, 0.0),
    ],
)
def test_distances_of_a_few_voxels(pred, ref, nsd, hd95, assd):
    values = measure(pred, ref, ONE_MM, nsd_tolerance_mm=1.0)
    told = (values["nsd"], values["hd95_mm"], values["assd_mm"])
    assert told == pytest.approx((nsd, hd95, assd))


@pytest.mark.parametrize("ref", [mask(A, B), mask()])
def test_a_missing_prediction_is_the_worst_there_can_be_whatever_its_reference(ref):
    values = measure_missing(ref, ONE_MM)
    assert list(values) == [kind.name for kind in MEASURES]
    assert (values["dice"], values["iou"], values["nsd"]) == (0, 0, 0)
    assert values["hd95_mm"] == values["assd_mm"] == pytest.approx(DIAGONAL)
    assert values["relative_volume_error"] == -1
    assert (values["slices_found"], values["components"]) == (0, 0)
    assert math.isnan(values["csa_pred_mm2"]) and math.isnan(values["csa_error_mm2"])


@pytest.mark.parametrize("ref", [mask(A, B), mask()])
def test_no_prediction_is_worse_than_a_missing_one(ref):
    missing = measure_missing(ref, ONE_MM)
    for pred in (mask(), mask(A), mask(C), mask(A, B, C)):
        values = measure(pred, ref, ONE_MM, nsd_tolerance_mm=1.0)
        for kind in MEASURES:
            if kind.better == "higher":
                assert values[kind.name] >= missing[kind.name], kind.name
            elif kind.better == "lower":
                assert values[kind.name] <= missing[kind.name], kind.name


def test_headings_have_the_unit_and_the_tolerance():
    headings = {kind.name: kind.heading(2.5) for kind in MEASURES}
    assert headings["hd95_mm"] == "HD95, mm" and headings["dice"] == "Dice"
    assert headings["nsd"] == "surface Dice at 2.5 mm"
    assert len(headings) == len(MEASURES), "no measure is there twice"


def test_distances_and_areas_are_in_millimetres():
    corner = math.dist((0, 0, 0), (5, 5, 1)) / 8
    edge = 5 * EDGE
    values = measure(mask(A), mask(A, B), (1.0, 1.0, 5.0), nsd_tolerance_mm=1.0)
    all_mm2 = 16 * corner + 4 * edge
    assert values["nsd"] == pytest.approx(1 - 4 * corner / all_mm2)
    assert values["assd_mm"] == pytest.approx(5 * 4 * corner / all_mm2)
    assert values["hd95_mm"] == 5


@pytest.mark.parametrize(
    ("pred", "ref", "found", "of_pred", "of_ref", "error"),
    [
        (mask(A, B), mask(A, B), 1, 1, 1, 0),
        (mask(A, (1, 0, 0)), mask(A, B), 0.5, 2, 1, 1),
        (mask(C), mask(A, B), 0, 1, 1, math.nan),
        (mask((3, 3, 0)), mask(A), 0, 1, 1, math.nan),  # in the slice, and beside the cord
        (mask(), mask(A), 0, math.nan, 1, math.nan),
        (mask(A), mask(), 0, 1, math.nan, math.nan),
        (mask(), mask(), 1, math.nan, math.nan, math.nan),
    ],
)
def test_how_much_of_the_cord_was_found_is_apart_from_its_area(
    pred, ref, found, of_pred, of_ref, error
):
    values = measure(pred, ref, ONE_MM, nsd_tolerance_mm=1.0)
    areas = values["csa_pred_mm2"], values["csa_ref_mm2"], values["csa_error_mm2"]
    assert values["slices_found"] == found
    assert areas == pytest.approx((of_pred, of_ref, error), nan_ok=True)


def cylinder(off: int = 0) -> np.ndarray:
    x, y, z = np.indices((40, 40, 30))
    return ((x - 20 - off) ** 2 + (y - 20) ** 2 <= 36) & (z >= 3) & (z < 27)


def noisy_spacings() -> list[tuple[float, ...]]:
    """1 mm, as headers of oblique images and of single precision have it."""
    rng = np.random.default_rng(1)
    spacings = [ONE_MM, (1.0000006, 1.0, 0.9999994), (0.9999999, 0.9999999, 1.0000001)]
    for turn in Rotation.random(30, random_state=rng).as_matrix():
        sizes = np.linalg.norm(np.round(turn, 4), axis=0)
        spacings.append(tuple(sizes.astype(np.float32).tolist()))
    return spacings


@pytest.mark.parametrize("tolerance", [1.0, 2.0, 0.5])
def test_no_measure_depends_on_the_noise_of_a_spacing(tolerance):
    """Distances of whole millimetres meet tolerances of whole millimetres."""
    for pred in (cylinder(1), cylinder(2), cylinder()[::-1], np.roll(cylinder(), 2, axis=2)):
        plain = measure(pred, cylinder(), ONE_MM, nsd_tolerance_mm=tolerance)
        for spacing in noisy_spacings():
            noisy = measure(pred, cylinder(), spacing, nsd_tolerance_mm=tolerance)
            assert noisy == pytest.approx(plain, rel=3e-4, abs=1e-4), spacing


@pytest.mark.parametrize("spacing", [ONE_MM, (0.5, 0.5, 5.0), (0.8, 1.1, 0.3)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_distance_equal_to_the_tolerance_is_within_it(spacing, axis):
    ref = np.zeros((12, 12, 12), bool)
    ref[4:8, 4:8, 4:8] = True
    pred = np.roll(ref, 1, axis)
    for noise in (1.0, 1.000001, 0.999999):
        values = measure(pred, ref, np.multiply(spacing, noise), nsd_tolerance_mm=spacing[axis])
        assert values["nsd"] == 1
    nearer = measure(pred, ref, spacing, nsd_tolerance_mm=0.9 * spacing[axis])
    assert nearer["nsd"] < 1


def test_a_mask_at_the_border_of_the_image_is_measured_as_one_amid_it():
    pred, ref = np.zeros((2, 8, 8, 8), bool)
    pred[:3, :4, :], ref[:4, :4, :] = True, True
    at_border = measure(pred, ref, ONE_MM, nsd_tolerance_mm=0.5)
    wide = [np.pad(one, ((9, 3), (2, 8), (5, 5))) for one in (pred, ref)]
    amid = measure(*wide, ONE_MM, nsd_tolerance_mm=0.5)
    assert at_border == pytest.approx(amid)


def test_the_grid_does_not_decide_the_surface_dice():
    """The same two cords, a third of a millimetre apart, in voxels of several sizes."""
    told = []
    for size in (0.25, 0.5, 1.0):
        count = round(24 / size)
        x, y, _ = np.indices((count, count, 4)) * size
        ref = (x - 12) ** 2 + (y - 12) ** 2 <= 6**2
        pred = (x - 12) ** 2 + (y - 12) ** 2 <= 5.67**2
        told.append(measure(pred, ref, (size,) * 3, nsd_tolerance_mm=1.0)["nsd"])
    assert min(told) > 0.99
