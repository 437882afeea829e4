"""Measures, against values worked out by hand, and against other implementations on real masks."""

import math

import nibabel as nib
import numpy as np
import pytest
import surface_distance
from medpy.metric import binary
from scipy import ndimage

from cordstudy.pipeline.judging.measures import (
    MEASURES,
    components,
    cross_sectional_areas,
    dice,
    iou,
    measure,
    measure_missing,
    relative_volume_error,
)
from cordstudy.pipeline.raw.grids import RPI, to_orientation

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


@pytest.mark.parametrize(
    ("pred", "ref", "nsd", "hd95", "assd"),
    [
        (mask(A, B), mask(A, B), 1.0, 0.0, 0.0),
        # distances 0 | 0, 1: the 95th percentile of 0, 0, 1 is 0.9
        (mask(A), mask(A, B), 1.0, 0.9, 0.25),
        (mask(A), mask(C), 0.0, 3 * math.sqrt(3), 3 * math.sqrt(3)),
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
    assert (values["csa_pred_mm2"], values["components"]) == (0, 0)


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


def test_distances_are_in_millimetres():
    values = measure(mask(A), mask(A, B), (1.0, 1.0, 5.0), nsd_tolerance_mm=1.0)
    assert (values["nsd"], values["assd_mm"]) == pytest.approx((2 / 3, 1.25))


def cord(
    tilt: float, radius_mm: float = 4.0, spacing: tuple[float, float, float] = (0.5, 0.5, 1.0)
) -> np.ndarray:
    """A cylinder of a horizontal radius, whose centre moves `tilt` mm a mm upwards."""
    x, y, z = np.meshgrid(
        *(np.arange(n) * mm for n, mm in zip((80, 60, 40), spacing)), indexing="ij"
    )
    return (x - 20 - tilt * (z - 20)) ** 2 + (y - 15) ** 2 <= radius_mm**2


@pytest.mark.parametrize("tilt", [0.0, 0.3, -0.5])
def test_the_cross_sectional_area_is_perpendicular_to_the_cord(tilt):
    ref = cord(tilt)
    area, same = cross_sectional_areas(ref, ref, (0.5, 0.5, 1.0))
    assert area == same == pytest.approx(math.pi * 16 / math.sqrt(1 + tilt**2), rel=0.03)


def test_a_prediction_counts_only_where_the_reference_is_and_missing_slices_count_as_nothing():
    ref, spacing = cord(0.0), (0.5, 0.5, 1.0)
    ref[:, :, 30:] = False
    whole, half = cord(0.0), ref.copy()
    half[:, :, 15:] = False
    expected = cross_sectional_areas(ref, ref, spacing)[1]
    assert cross_sectional_areas(whole, ref, spacing) == pytest.approx((expected, expected))
    assert cross_sectional_areas(half, ref, spacing)[0] == pytest.approx(expected / 2)
    assert cross_sectional_areas(~ref & False, ref, spacing)[0] == 0


@pytest.fixture
def real(real_mri) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """A real manual mask in RPI, the same one voxel off and thinner, and its spacing."""
    path = "spine-generic-unf/derivatives/labels/sub-unf01/anat/sub-unf01_T2w_seg-manual.nii.gz"
    image = to_orientation(nib.load(real_mri / path), RPI)
    ref = image.get_fdata() >= 0.5
    pred = np.roll(
        ndimage.binary_erosion(ref, iterations=1) | (ref & (np.indices(ref.shape)[2] % 3 > 0)),
        1,
        axis=1,
    )
    return pred, ref, image.header.get_zooms()


def test_distances_agree_with_distance_transforms_of_the_whole_image(real):
    pred, ref, spacing = real
    borders = [one & ~ndimage.binary_erosion(one) for one in (pred, ref)]
    fields = [ndimage.distance_transform_edt(~border, sampling=spacing) for border in borders]
    to_ref, to_pred = fields[1][borders[0]], fields[0][borders[1]]
    values = measure(pred, ref, spacing, nsd_tolerance_mm=1.0)
    assert values["hd95_mm"] == pytest.approx(
        np.percentile(np.concatenate((to_ref, to_pred)), 95), abs=1e-6
    )
    assert values["assd_mm"] == pytest.approx((to_ref.mean() + to_pred.mean()) / 2, abs=1e-6)
    near = np.concatenate((to_ref <= 1, to_pred <= 1)).mean()
    assert values["nsd"] == pytest.approx(near, abs=1e-6)


def test_medpy_agrees_where_definitions_do(real):
    pred, ref, spacing = real
    values = measure(pred, ref, spacing, nsd_tolerance_mm=1.0)
    assert values["dice"] == pytest.approx(binary.dc(pred, ref), abs=1e-6)
    assert values["iou"] == pytest.approx(binary.jc(pred, ref), abs=1e-6)
    assert values["hd95_mm"] == pytest.approx(binary.hd95(pred, ref, spacing), abs=1e-6)
    directed = binary.asd(pred, ref, spacing), binary.asd(ref, pred, spacing)
    assert values["assd_mm"] == pytest.approx(np.mean(directed), abs=1e-6)
    assert values["relative_volume_error"] == pytest.approx(binary.ravd(pred, ref), abs=1e-6)


def test_deepminds_surface_distance_agrees_where_definitions_do(real):
    pred, ref, spacing = real
    values = measure(pred, ref, spacing, nsd_tolerance_mm=1.0)
    assert values["dice"] == pytest.approx(
        surface_distance.compute_dice_coefficient(ref, pred), abs=1e-6
    )
    theirs = surface_distance.compute_surface_distances(ref, pred, spacing)
    assert values["hd95_mm"] == pytest.approx(
        surface_distance.compute_robust_hausdorff(theirs, 95), rel=0.5
    )
    nsd = surface_distance.compute_surface_dice_at_tolerance(theirs, 1.0)
    assert values["nsd"] == pytest.approx(nsd, abs=0.1), (
        "theirs weighs surface elements by area, ours counts voxels"
    )


def test_flat_borders_are_the_same_distance_apart_for_deepmind_and_here():
    ref, pred = (np.zeros((20, 20, 20), bool) for _ in range(2))
    ref[:, :, 4:10], pred[:, :, 6:13] = True, True
    theirs = surface_distance.compute_surface_distances(ref, pred, (1.0, 1.0, 1.5))
    values = measure(pred, ref, (1.0, 1.0, 1.5), nsd_tolerance_mm=1.0)
    assert surface_distance.compute_robust_hausdorff(theirs, 100) == pytest.approx(4.5)
    assert values["hd95_mm"] == pytest.approx(4.5, abs=1e-6)


def test_what_lies_outside_the_masks_box_changes_nothing(real):
    pred, ref, spacing = real
    wide = [np.pad(one, ((9, 3), (0, 8), (5, 5))) for one in (pred, ref)]
    small = measure(pred, ref, spacing, nsd_tolerance_mm=1.0)
    large = measure(*wide, spacing, nsd_tolerance_mm=1.0)
    assert small == pytest.approx(large, abs=1e-9)
