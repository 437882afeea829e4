"""Surfaces of masks as elements with an area, and the measures of how far apart two lie.

Owns: the surface of a mask, distances from surface to surface, and NSD, HD95 and ASSD of them.
Does not own: what counts where a mask is missing, or the table of measures (`measures`).

The definition is that of DeepMind's surface-distance: each corner of eight voxels that has some of
them inside a mask and some outside holds a surface element, whose area a lookup by the eight gives;
distances run from element to the other surface's nearest element. The code is ours, as that library
fails on empty masks with NumPy 2; its areas, in surfels.tsv, are held against it by a test.

surfels.tsv: the elements of each neighbourhood, as the sizes of their normals' three parts in
eighths of a voxel's face, from surface_distance/lookup_tables.py, Copyright 2018 Google Inc.,
Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0); gathered by kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from cordstudy.base.tables import read_table
from cordstudy.pipeline.judging.masks import Mask, bounding_box

Floats = npt.NDArray[np.float64]
SLACK_VOXELS = 0.01
"""What a distance may be over the tolerance and count as within: this share of the smallest side of
a voxel, so that a distance equal to the tolerance is within, whatever the noise of its spacing."""
SLACK_SHARE = 1e-9
"""What a share of the surface may lack of 95 %: rounding of a sum of areas."""
NORMALS = Path(__file__).with_name("surfels.tsv")
INSIDE = 255
"""The code of eight voxels that are all inside."""


@dataclass(frozen=True)
class SurfaceDistances:
    """Of each surface element of two masks its distance to the other surface, and its area.

    The arrays of a mask without a voxel are empty; the distances of the other are then infinite.
    """

    to_ref_mm: Floats
    """From the elements of the prediction."""
    pred_mm2: Floats
    to_pred_mm: Floats
    """From the elements of the reference."""
    ref_mm2: Floats

    @property
    def of_both(self) -> bool:
        """Whether both masks have a surface."""
        return len(self.pred_mm2) > 0 and len(self.ref_mm2) > 0

    @property
    def of_none(self) -> bool:
        """Whether both masks are empty."""
        return len(self.pred_mm2) == len(self.ref_mm2) == 0


def surface_distances(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> SurfaceDistances:
    """The distances between the surfaces of a prediction and its reference, both ways.

    What lies outside an image counts as outside a mask.
    """
    points_pred, pred_mm2 = _surfels(pred, spacing_mm)
    points_ref, ref_mm2 = _surfels(ref, spacing_mm)
    to_ref_mm = _nearest(points_pred, points_ref)
    to_pred_mm = _nearest(points_ref, points_pred)
    return SurfaceDistances(to_ref_mm, pred_mm2, to_pred_mm, ref_mm2)


def _nearest(points: Floats, others: Floats) -> Floats:
    """The distance of each point to the nearest of others; infinite where there are none."""
    if not len(others) or not len(points):
        return np.full(len(points), np.inf)
    # A tree that is neither balanced nor compact is faster for this few points.
    tree = cKDTree(others, balanced_tree=False, compact_nodes=False)
    return np.asarray(tree.query(points)[0])


def _surfels(mask: Mask, spacing_mm: Sequence[float]) -> tuple[Floats, Floats]:
    """The surface elements of a mask: their places in mm, a row each, and their areas in mm²."""
    box = bounding_box(mask)
    if not mask[box].size:
        return np.empty((0, 3)), np.empty(0)
    codes = neighbourhoods(mask[box])
    at_surface = (codes != 0) & (codes != INSIDE)
    first = [edge.start for edge in box]
    points_mm = (np.argwhere(at_surface) + first) * np.asarray(spacing_mm)
    areas_mm2 = surfel_areas(*map(float, spacing_mm))[codes[at_surface]]
    return points_mm, areas_mm2


def neighbourhoods(mask: Mask) -> npt.NDArray[np.uint8]:
    """Of each corner of voxels which of the eight about it are in a mask, a bit each: 128 for the
    one before it along every axis, 1 for the one after. One longer than the mask along each axis.
    """
    codes = np.pad(mask, 1).astype(np.uint8)
    codes = 2 * codes[:, :, :-1] + codes[:, :, 1:]
    codes = 4 * codes[:, :-1] + codes[:, 1:]
    return 16 * codes[:-1] + codes[1:]


@cache
def surfel_areas(x_mm: float, y_mm: float, z_mm: float) -> Floats:
    """The area in mm² of the surface in each of the 256 neighbourhoods of such voxels, by code."""
    faces_mm2 = np.array([y_mm * z_mm, x_mm * z_mm, x_mm * y_mm])
    areas = np.zeros(INSIDE + 1)
    for row in read_table(NORMALS, "normals", "codes"):
        normals = [[int(eighths) / 8 for eighths in normal] for normal in row["normals"].split()]
        area = np.linalg.norm(normals * faces_mm2, axis=1).sum()
        areas[[int(code) for code in row["codes"].split()]] = area
    return areas


def nsd(distances: SurfaceDistances, tolerance_mm: float) -> float:
    """Normalised surface Dice: the share of both surfaces' area within a tolerance of the other.

    Two empty masks: 1; one: 0. Source: Nikolov 2018, arXiv:1809.04430; surface-distance's
    compute_surface_dice_at_tolerance.
    """
    if not distances.of_both:
        return float(distances.of_none)
    near_pred_mm2 = distances.pred_mm2[distances.to_ref_mm <= tolerance_mm].sum()
    near_ref_mm2 = distances.ref_mm2[distances.to_pred_mm <= tolerance_mm].sum()
    all_mm2 = distances.pred_mm2.sum() + distances.ref_mm2.sum()
    return float((near_pred_mm2 + near_ref_mm2) / all_mm2)


def with_slack(tolerance_mm: float, spacing_mm: Sequence[float]) -> float:
    """The distance up to which a surface element counts as within a tolerance."""
    return tolerance_mm + SLACK_VOXELS * min(spacing_mm)


def hd95(distances: SurfaceDistances, worst_mm: float) -> float:
    """The larger of the two directions' 95th percentiles, by area: the least distance within which
    95 % of a surface lie.

    Two empty masks: 0; one: `worst_mm`. Source: surface-distance's compute_robust_hausdorff; the
    larger of two percentiles is Metrics Reloaded's definition.
    """
    if not distances.of_both:
        return 0.0 if distances.of_none else worst_mm
    of_pred_mm = _percentile_95(distances.to_ref_mm, distances.pred_mm2)
    of_ref_mm = _percentile_95(distances.to_pred_mm, distances.ref_mm2)
    return max(of_pred_mm, of_ref_mm)


def _percentile_95(values: Floats, weights: Floats) -> float:
    share = 0.95 - SLACK_SHARE
    return float(np.quantile(values, share, weights=weights, method="inverted_cdf"))


def assd(distances: SurfaceDistances, worst_mm: float) -> float:
    """Average symmetric surface distance: the mean over both surfaces together, by area.

    Two empty masks: 0; one: `worst_mm`. Source: Metrics Reloaded's ASSD (its MASD is the mean of
    the two directions' means), over the elements of surface-distance's
    compute_average_surface_distance.
    """
    if not distances.of_both:
        return 0.0 if distances.of_none else worst_mm
    sum_pred = (distances.to_ref_mm * distances.pred_mm2).sum()
    sum_ref = (distances.to_pred_mm * distances.ref_mm2).sum()
    return float((sum_pred + sum_ref) / (distances.pred_mm2.sum() + distances.ref_mm2.sum()))
