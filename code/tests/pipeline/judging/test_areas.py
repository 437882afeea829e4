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
