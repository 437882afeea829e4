"""Measures against other implementations, two of each, on random masks and on real ones.

Surfaces: DeepMind's surface-distance, and MONAI's surface elements with NumPy's percentile of
weighted values. Overlaps and volume: MedPy and SimpleITK. Components: SciPy and SimpleITK. Areas of
slices: scikit-image and SimpleITK; cords of known shape are in test_areas.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import surface_distance
from medpy.metric import binary
from scipy import ndimage
from scipy.interpolate import make_smoothing_spline
from skimage.measure import regionprops
from surface_distance.lookup_tables import create_table_neighbour_code_to_surface_area

from cordstudy.pipeline.judging.areas import perpendicular_areas
from cordstudy.pipeline.judging.masks import steady_spacing
from cordstudy.pipeline.judging.measures import measure
from cordstudy.pipeline.judging.surfaces import SLACK_VOXELS, surfel_areas
from cordstudy.pipeline.raw.grids import RPI, to_orientation

RANDOM, REAL = 200, 30


@dataclass(frozen=True)
class Case:
    """Two masks that are not empty."""

    name: str
    pred: np.ndarray
    ref: np.ndarray
    spacing_mm: tuple[float, ...]
    tolerance_mm: float

    @cached_property
    def values(self) -> dict[str, float]:
        return measure(self.pred, self.ref, self.spacing_mm, nsd_tolerance_mm=self.tolerance_mm)

    @property
    def within_mm(self) -> float:
        """The distance that still counts as within the tolerance."""
        return self.tolerance_mm + SLACK_VOXELS * min(self.spacing_mm)


@cache
def random_cases() -> list[Case]:
    """Blobs of every density, of unlike shapes and spacings; some at the image's border, some
    sparse, some apart."""
    rng = np.random.default_rng(16)
    cases = []
    while len(cases) < RANDOM:
        shape = rng.integers(2, 20, 3)
        field = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0, 2))
        other = field + rng.uniform(0, 1) * ndimage.gaussian_filter(
            rng.normal(size=shape), rng.uniform(0, 2)
        )
        pred = field > np.quantile(field, rng.uniform(0.1, 0.99))
        ref = other > np.quantile(other, rng.uniform(0.1, 0.99))
        spacing = steady_spacing(rng.choice([0.3, 0.5, 0.8, 1.0, 1.05, 3.3, 5.0], 3))
        tolerance = float(rng.choice([0.5, 0.7, 1.0, 2.0, 3.0]))
        if pred.any() and ref.any():
            cases.append(Case(f"random {len(cases)}", pred, ref, spacing, tolerance))
    return cases


def worse(ref: np.ndarray) -> Iterator[np.ndarray]:
    """Other masks of the same cord: thinner, thicker, off, cut, with a piece more."""
    yield np.roll(ref, 1, axis=1) & ndimage.binary_dilation(ref)
    yield ndimage.binary_dilation(ref)
    yield np.roll(ref, (2, 1), axis=(0, 1))
    cut = ref.copy()
    cut[:, :, np.flatnonzero(ref.any(axis=(0, 1)))[::2]] = False
    yield cut if cut.any() else np.roll(ref, 3, axis=0)
    more = ref.copy()
    more[:3, :3, :3] = True
    yield more


REAL_MASKS = (
    "spine-generic-unf/derivatives/labels/sub-unf01/anat/sub-unf01_T1w_seg-manual.nii.gz",
    "spine-generic-unf/derivatives/labels/sub-unf01/anat/sub-unf01_T2w_seg-manual.nii.gz",
    "spine-generic-unf/derivatives/labels/sub-unf01/anat/sub-unf01_T2star_seg-manual.nii.gz",
    "epi-leipzig/derivatives/label/sub-leipzigR01/func/"
    "sub-leipzigR01_task-rest_desc-spinalcordmask.nii.gz",
    "gm-challenge/derivatives/labels/sub-9584/anat/sub-9584_run-1_T2starw_seg-manual.nii.gz",
    "gm-challenge/derivatives/labels/sub-9418/anat/sub-9418_run-1_T2starw_seg-manual.nii.gz",
)


@cache
def real_cases(folder: Path) -> list[Case]:
    """Manual masks, and others of the same cords, about the cord."""
    cases = []
    for path in REAL_MASKS:
        image = to_orientation(nib.load(folder / path), RPI)
        whole = image.get_fdata().reshape(image.shape[:3]) >= 0.5
        box = [slice(max(low - 4, 0), high + 5) for low, high in extents(whole)]
        ref, spacing = whole[tuple(box)], steady_spacing(image.header.get_zooms()[:3])
        for number, pred in enumerate(worse(ref)):
            cases.append(Case(f"{path} {number}", pred, ref, spacing, 1.0))
    return cases


def extents(mask: np.ndarray) -> list[tuple[int, int]]:
    places = np.argwhere(mask)
    return list(zip(places.min(axis=0).tolist(), places.max(axis=0).tolist()))


@pytest.fixture(params=["random", "real"])
def cases(request) -> list[Case]:
    if request.param == "random":
        return random_cases()
    found = real_cases(request.getfixturevalue("real_mri"))
    assert len(found) == REAL
    return found


def test_areas_of_surface_elements_are_deepminds():
    for spacing in [(1.0, 1.0, 1.0), (0.5, 0.7, 3.0), (5.0, 0.3, 0.8)]:
        theirs = create_table_neighbour_code_to_surface_area(spacing)
        assert surfel_areas(*spacing) == pytest.approx(theirs, abs=1e-12)


def test_deepminds_surface_distance_agrees(cases):
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            theirs = surface_distance.compute_surface_distances(
                case.ref, case.pred, case.spacing_mm
            )
        areas = theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()
        averages = surface_distance.compute_average_surface_distance(theirs)
        values = case.values
        assert values["nsd"] == pytest.approx(
            surface_distance.compute_surface_dice_at_tolerance(theirs, case.within_mm)
        ), case.name
        assert values["hd95_mm"] == pytest.approx(
            surface_distance.compute_robust_hausdorff(theirs, 95)
        ), case.name
        assert values["assd_mm"] == pytest.approx(np.average(averages, weights=areas)), case.name


def test_monai_agrees(cases):
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.metrics.utils import get_edge_surface_distance
    for case in cases:
        edges, distances, areas = get_edge_surface_distance(
            torch.from_numpy(np.pad(case.pred, 1)),
            torch.from_numpy(np.pad(case.ref, 1)),
            spacing=case.spacing_mm,
            use_subvoxels=True,
            symmetric=True,
        )
        weights = [area[edge].double().numpy() for area, edge in zip(areas, edges)]
        apart = [one.double().numpy() for one in distances]
        both, all_mm2 = np.concatenate(apart), np.concatenate(weights)
        percentiles = [
            np.quantile(one, 0.95 - 1e-7, weights=mm2, method="inverted_cdf")
            for one, mm2 in zip(apart, weights)
        ]
        values = case.values
        near = all_mm2[both <= case.within_mm].sum() / all_mm2.sum()
        assert values["nsd"] == pytest.approx(near, abs=1e-5), case.name
        assert values["hd95_mm"] == pytest.approx(max(percentiles), rel=1e-5), case.name
        assert values["assd_mm"] == pytest.approx(np.average(both, weights=all_mm2), rel=1e-5)


def test_medpy_agrees(cases):
    for case in cases:
        values = case.values
        assert values["dice"] == pytest.approx(binary.dc(case.pred, case.ref))
        assert values["iou"] == pytest.approx(binary.jc(case.pred, case.ref))
        assert values["relative_volume_error"] == pytest.approx(binary.ravd(case.pred, case.ref))


def test_borders_of_voxels_are_as_far_apart_as_surfaces_but_for_a_voxel(cases):
    """MedPy's distances run between centres of border voxels: another definition, near ours."""
    for case in cases:
        by_voxels = binary.assd(case.pred, case.ref, case.spacing_mm)
        voxel_mm = math.hypot(*case.spacing_mm)
        assert case.values["assd_mm"] == pytest.approx(by_voxels, abs=voxel_mm), case.name


def itk(mask: np.ndarray) -> SimpleITK.Image:
    return SimpleITK.GetImageFromArray(mask.astype(np.uint8))


def test_simpleitk_agrees(cases):
    for case in cases:
        overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
        overlap.Execute(itk(case.ref), itk(case.pred))
        values = case.values
        assert values["dice"] == pytest.approx(overlap.GetDiceCoefficient())
        assert values["iou"] == pytest.approx(overlap.GetJaccardCoefficient())
        sizes = []
        for one in (case.pred, case.ref):
            summed = SimpleITK.StatisticsImageFilter()
            summed.Execute(itk(one))
            sizes.append(summed.GetSum())
        assert values["relative_volume_error"] == pytest.approx(sizes[0] / sizes[1] - 1)
        found = SimpleITK.ConnectedComponentImageFilter()
        found.SetFullyConnected(True)
        found.Execute(itk(case.pred))
        assert values["components"] == found.GetObjectCount()


def test_scipy_finds_as_many_components(cases):
    for case in cases:
        assert case.values["components"] == ndimage.label(case.pred, np.ones((3, 3, 3)))[1]


def test_areas_of_slices_agree_with_regions_of_scikit_image_and_simpleitk(cases):
    """Each slice's area, and the angle of a spline through its centres, small slices by the square
    of their share of the one that the median voxel is in."""
    for case in cases:
        regions = regions_of(case.ref)
        areas = perpendicular_areas(case.ref, case.spacing_mm)
        assert np.flatnonzero(~np.isnan(areas)).tolist() == [z for z, _, _ in regions]
        pixels = np.array([size for _, size, _ in regions])
        flat_mm2 = pixels * case.spacing_mm[0] * case.spacing_mm[1]
        known = areas[~np.isnan(areas)]
        assert (known <= flat_mm2 * (1 + 1e-9)).all(), "a cosine is at most 1"
        if len(regions) >= 5:
            heights_mm = np.array([z for z, _, _ in regions]) * case.spacing_mm[2]
            centres_mm = np.array([centre for _, _, centre in regions]) * case.spacing_mm[:2]
            median = np.quantile(np.repeat(pixels, pixels.astype(int)), 0.5, method="inverted_cdf")
            spline = make_smoothing_spline(
                heights_mm,
                centres_mm,
                w=np.clip(pixels / median, 0, 1) ** 2,
                lam=625 / case.spacing_mm[2],
            )
            tilts = spline.derivative()(heights_mm)
            angles = np.arctan(np.hypot(tilts[:, 0], tilts[:, 1]))
            assert known == pytest.approx(flat_mm2 * np.cos(angles)), case.name


def regions_of(mask: np.ndarray) -> list[tuple[int, float, tuple[float, float]]]:
    """Number, pixels and centre of each slice that has some, as both libraries have them."""
    regions = []
    for z in np.flatnonzero(mask.any(axis=(0, 1))).tolist():
        (region,) = regionprops(mask[:, :, z].astype(int))
        shape = SimpleITK.LabelShapeStatisticsImageFilter()
        shape.Execute(itk(mask[:, :, z]))
        assert shape.GetNumberOfPixels(1) == region.area
        assert shape.GetCentroid(1)[::-1] == pytest.approx(region.centroid)
        regions.append((z, region.area, region.centroid))
    return regions


def test_distances_of_surfaces_agree_with_distance_transforms_of_the_whole_image(cases):
    """Without any cropping: the corners of voxels that have some inside and some outside."""
    for case in cases[:20]:
        surfaces = []
        for mask in (case.pred, case.ref):
            about = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 1), (2, 2, 2))
            inside = about.sum(axis=(3, 4, 5))
            surfaces.append((inside > 0) & (inside < 8))
        to_ref = ndimage.distance_transform_edt(~surfaces[1], sampling=case.spacing_mm)
        to_pred = ndimage.distance_transform_edt(~surfaces[0], sampling=case.spacing_mm)
        most = max(to_ref[surfaces[0]].max(), to_pred[surfaces[1]].max())
        assert case.values["hd95_mm"] <= most + 1e-9
        assert (case.values["nsd"] == 1) == (most <= case.within_mm)
