"""Cross-sectional areas of cords of known shape."""

import math

import numpy as np
import pytest
from skimage.measure import regionprops

from cordstudy.pipeline.judging.areas import area_error, mean_area, perpendicular_areas, sections

SPACING = (0.5, 0.5, 1.0)


def cord(
    tilt_x: float = 0.0,
    tilt_y: float = 0.0,
    *,
    radius_mm: float = 4.0,
    spacing: tuple[float, float, float] = SPACING,
    slices: int = 40,
) -> np.ndarray:
    """A cylinder of a horizontal radius, whose centre moves so many mm a mm upwards."""
    shape = (round(50 / spacing[0]), round(50 / spacing[1]), slices)
    x, y, z = (n * mm for n, mm in zip(np.indices(shape), spacing))
    up = z - slices * spacing[2] / 2
    return (x - 25 - tilt_x * up) ** 2 + (y - 25 - tilt_y * up) ** 2 <= radius_mm**2


@pytest.mark.parametrize("spacing", [SPACING, (0.8, 0.8, 0.8), (0.5, 0.5, 5.0), (0.7, 0.5, 2.0)])
@pytest.mark.parametrize(("tilt_x", "tilt_y"), [(0, 0), (0.3, 0), (0, -0.5), (0.4, 0.4)])
@pytest.mark.parametrize("slices", [3, 4, 5, 12])
def test_an_area_is_perpendicular_to_the_cord(spacing, tilt_x, tilt_y, slices):
    areas = perpendicular_areas(cord(tilt_x, tilt_y, spacing=spacing, slices=slices), spacing)
    expected = math.pi * 16 / math.sqrt(1 + tilt_x**2 + tilt_y**2)
    assert mean_area(areas) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("slices", [1, 2])
def test_few_thin_slices_tell_no_angle(slices):
    """The noise of two centres beside each other would be one."""
    areas = perpendicular_areas(cord(spacing=(0.8, 0.8, 0.8), slices=slices), (0.8, 0.8, 0.8))
    assert mean_area(areas) == pytest.approx(math.pi * 16, rel=0.03)
    shifted = np.zeros((9, 9, 2), bool)
    shifted[2:6, 2:6, 0] = shifted[3:7, 2:6, 1] = True  # a tilt of 45° by a voxel more or less
    assert mean_area(perpendicular_areas(shifted, (0.8, 0.8, 0.8))) > 0.85 * 16 * 0.8**2


def test_the_ends_of_a_tilted_cord_have_the_area_of_its_middle():
    areas = perpendicular_areas(cord(0.5), SPACING)
    assert areas[[0, 1, -2, -1]] == pytest.approx(areas[18:22], rel=0.03)


def test_each_mask_has_its_own_centreline():
    """A prediction across the cord is not measured along the cord."""
    both = sections(cord(0.6), cord(), SPACING)
    assert mean_area(both.pred_mm2) == pytest.approx(math.pi * 16 / math.hypot(1, 0.6), rel=0.03)
    assert mean_area(both.ref_mm2) == pytest.approx(math.pi * 16, rel=0.03)


def test_a_prediction_of_half_the_cord_has_the_area_of_that_half():
    ref = np.concatenate([cord(slices=20), cord(radius_mm=6, slices=20)], axis=2)
    pred = ref.copy()
    pred[:, :, 20:] = False
    both = sections(pred, ref, SPACING)
    assert area_error(both) == pytest.approx(0, abs=0.5)
    assert mean_area(both.pred_mm2) == pytest.approx(math.pi * 16, rel=0.03)
    assert mean_area(both.ref_mm2) == pytest.approx(math.pi * 26, rel=0.03)


def test_a_prediction_beyond_the_reference_has_no_error_by_that():
    pred, ref = cord(0.2), cord(0.2)
    ref[:, :, :9] = ref[:, :, 31:] = False
    assert area_error(sections(pred, ref, SPACING)) == pytest.approx(0, abs=0.3)


def test_slices_without_a_voxel_are_bridged_and_have_no_area():
    mask = cord(0.3)
    mask[:, :, 10:15] = False
    areas = perpendicular_areas(mask, SPACING)
    assert np.flatnonzero(np.isnan(areas)).tolist() == [10, 11, 12, 13, 14]
    assert np.nanmax(areas) == pytest.approx(math.pi * 16 / math.hypot(1, 0.3), rel=0.05)


STRAY = {
    "next to the end": (np.s_[:, :, -4], np.s_[40, 25, -4]),
    "at the end of the image": (np.s_[:, :, :0], np.s_[2, 2, 0]),
    "in a gap": (np.s_[:, :, 8], np.s_[-1, 0, 8]),
    "on both sides of the cord": (np.s_[:, :, :0], np.s_[[0, -1], [0, -1], [1, -2]]),
    "several": (np.s_[:, :, :0], np.s_[40:42, 25:27, -2:]),
}


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 0.5, 5), (0.8, 0.8, 2)])
@pytest.mark.parametrize("tilt", [0.0, 0.2])
@pytest.mark.parametrize("where", STRAY)
def test_a_voxel_astray_in_a_slice_of_its_own_changes_no_area(where, tilt, spacing):
    """Such a voxel 27 mm aside once took 21 % of the area away."""
    mask = cord(tilt, spacing=spacing, slices=16)
    mask[:, :, :3] = mask[:, :, -4:] = False
    gone, there = STRAY[where]
    mask[gone] = False
    astray = mask.copy()
    astray[there] = True
    before, after = perpendicular_areas(mask, spacing), perpendicular_areas(astray, spacing)
    cord_has = ~np.isnan(before)
    assert after[cord_has] == pytest.approx(before[cord_has], rel=0.01)
    assert mean_area(after) == pytest.approx(mean_area(before), rel=0.01)


@pytest.mark.parametrize("slices", [2, 3, 4])
def test_nor_does_one_above_a_few_thick_slices(slices):
    spacing = (0.5, 0.5, 5.0)
    mask = np.concatenate([cord(spacing=spacing, slices=slices), np.zeros((100, 100, 2), bool)], 2)
    astray = mask.copy()
    astray[-1, 0, -1] = True
    assert mean_area(perpendicular_areas(astray, spacing)) == pytest.approx(
        mean_area(perpendicular_areas(mask, spacing)), rel=0.01
    )


def test_a_slice_in_which_little_of_the_cord_was_found_counts_as_an_error():
    ref = cord(slices=10)
    pred = ref.copy()
    pred[:, :, 5] = False
    pred[50, 50, 5] = True
    both = sections(pred, ref, SPACING)
    assert area_error(both) == pytest.approx(-math.pi * 16 / 10, rel=0.05)
    assert mean_area(both.pred_mm2) == pytest.approx(math.pi * 16, rel=0.03)


def test_centrelines_of_masks_of_any_sizes_are_found():
    """Weights of a hundred millionth, slices a hundredth of a mm apart."""
    for step_mm, slices in ((0.01, 900), (0.3, 300), (100.0, 6)):
        mask = np.ones((60, 60, slices), bool)
        mask[1:, :, 1::2] = mask[:, 1:, 1::2] = False
        areas = perpendicular_areas(mask, (1, 1, step_mm))
        assert areas[::2] == pytest.approx(3600, rel=0.01)


def toolbox_areas(mask: np.ndarray, spacing: tuple[float, float, float]) -> list[float]:
    """Areas as sct_process_segmentation has them: of the region of each slice, times the cosines of
    both angles of the centreline, here of a line through the slices' centres."""
    regions = [regionprops(mask[:, :, z].astype(int))[0] for z in range(mask.shape[2])]
    centres = np.array([region.centroid for region in regions]) * spacing[:2]
    slopes = np.polyfit(np.arange(len(regions)) * spacing[2], centres, 1)[0]
    cosines = np.cos(np.arctan(slopes)).prod()
    return [region.area * spacing[0] * spacing[1] * cosines for region in regions]


@pytest.mark.parametrize(
    ("tilt", "most"), [((0.3, 0), 0.01), ((0.2, -0.2), 0.01), ((0.4, 0.4), 0.02)]
)
def test_the_spinal_cord_toolbox_agrees_but_for_cords_tilted_twice(tilt, most):
    """Its product of two cosines is less than the cosine of the angle, by 1 % at twice 22°."""
    mask = cord(*tilt)
    assert perpendicular_areas(mask, SPACING) == pytest.approx(
        toolbox_areas(mask, SPACING), rel=most
    )
