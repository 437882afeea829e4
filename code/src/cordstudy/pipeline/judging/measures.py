"""Measures of one predicted mask against its reference.

Owns: one definition of each measure, and what each is for empty masks.
Does not own: which cases (`evaluate`), or statistics over them (`compare`).

Masks are boolean arrays of one shape, their third axis from inferior to superior (RPI); spacing is in
mm, in the order of the axes. The border of a mask are its voxels with one of the six neighbours
outside it; distances run from border to border between centres of voxels, as in MedPy and panoptica.
Where other implementations differ: code/docs/judging.md.

Two empty masks agree: every overlap is 1, every distance 0. One empty mask is the worst there can be:
overlaps 0, distances the diagonal of the image. So is a prediction that is missing, whatever its reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cc3d
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

SMOOTHED_MM = 5.0
"""Standard deviation by which a centreline is smoothed before its angle is taken."""


@dataclass(frozen=True)
class Measures:
    """All measures of one case."""

    dice: float
    iou: float
    nsd: float
    hd95_mm: float
    assd_mm: float
    relative_volume_error: float
    csa_pred_mm2: float
    csa_ref_mm2: float
    csa_error_mm2: float
    components: int


def measure(
    pred: np.ndarray, ref: np.ndarray, spacing_mm: Sequence[float], *, nsd_tolerance_mm: float
) -> Measures:
    """All measures of a prediction (pred) against its reference (ref)."""
    worst = _diagonal(ref, spacing_mm)
    box = bounding_box(pred | ref)
    pred, ref = pred[box], ref[box]
    to_ref, to_pred = border_distances(pred, ref, spacing_mm)
    area_pred, area_ref = cross_sectional_areas(pred, ref, spacing_mm)
    return Measures(
        dice=dice(pred, ref),
        iou=iou(pred, ref),
        nsd=nsd(to_ref, to_pred, nsd_tolerance_mm),
        hd95_mm=hd95(to_ref, to_pred, worst),
        assd_mm=assd(to_ref, to_pred, worst),
        relative_volume_error=relative_volume_error(pred, ref),
        csa_pred_mm2=area_pred,
        csa_ref_mm2=area_ref,
        csa_error_mm2=area_pred - area_ref,
        components=components(pred),
    )


def measure_missing(ref: np.ndarray, spacing_mm: Sequence[float]) -> Measures:
    """All measures of a prediction that is not there: the worst of each, also where the reference is empty."""
    empty = measure(np.zeros_like(ref), ref, spacing_mm, nsd_tolerance_mm=0.0)
    diagonal = _diagonal(ref, spacing_mm)
    return replace(
        empty,
        dice=0.0,
        iou=0.0,
        nsd=0.0,
        hd95_mm=diagonal,
        assd_mm=diagonal,
        relative_volume_error=-1.0,
    )


def _diagonal(ref: np.ndarray, spacing_mm: Sequence[float]) -> float:
    return math.dist((0, 0, 0), np.multiply(ref.shape, spacing_mm))


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds a mask, as slices; of size 0 where it is empty.

    No measure changes by what lies outside it, and a cord fills a hundredth of its image.
    """
    box = [slice(None)] * mask.ndim
    for axis in sorted(range(mask.ndim), key=lambda n: -mask.strides[n]):  # the order in memory
        held = np.flatnonzero(
            mask[tuple(box)].any(axis=tuple(n for n in range(mask.ndim) if n != axis))
        )
        box[axis] = slice(held[0], held[-1] + 1) if len(held) else slice(0)
    return tuple(box)


def dice(pred: np.ndarray, ref: np.ndarray) -> float:
    """Dice similarity coefficient: 2|A∩B| / (|A|+|B|). Source: Dice 1945, doi:10.2307/1932409."""
    total = int(pred.sum()) + int(ref.sum())
    return 1.0 if total == 0 else 2.0 * int((pred & ref).sum()) / total


def iou(pred: np.ndarray, ref: np.ndarray) -> float:
    """Intersection over union, |A∩B| / |A∪B|. Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x."""
    union = int((pred | ref).sum())
    return 1.0 if union == 0 else int((pred & ref).sum()) / union


def relative_volume_error(pred: np.ndarray, ref: np.ndarray) -> float:
    """(|A| - |B|) / |B|; above 0 the prediction is too large.

    An empty reference: 0 if the prediction is empty too, else infinity.
    """
    size_pred, size_ref = int(pred.sum()), int(ref.sum())
    if size_ref == 0:
        return 0.0 if size_pred == 0 else math.inf
    return (size_pred - size_ref) / size_ref


def components(pred: np.ndarray) -> int:
    """Number of 26-connected components of a prediction."""
    return int(
        cc3d.connected_components(pred, connectivity=26, return_N=True, binary_image=True)[1]
    )


def border_distances(
    pred: np.ndarray, ref: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distances in mm from each border voxel of pred to the border of ref, and the other way.

    Empty arrays where a mask is empty: with both empty, or with one, as the lengths tell.
    """
    points = [np.argwhere(_border(mask)) * np.asarray(spacing_mm) for mask in (pred, ref)]
    if not all(len(one) for one in points):
        return np.zeros(0 if not len(points[0]) else 1), np.zeros(0 if not len(points[1]) else 1)
    trees = [
        cKDTree(one, balanced_tree=False, compact_nodes=False) for one in points
    ]  # faster for this few points
    return trees[1].query(points[0])[0], trees[0].query(points[1])[0]


def _border(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask with a neighbour (of six) outside it or the image."""
    if not mask.any():
        return mask
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    border = np.zeros_like(mask)
    border[box] = mask[box] & ~ndimage.binary_erosion(np.pad(mask[box], 1))[1:-1, 1:-1, 1:-1]
    return border


def nsd(to_ref: np.ndarray, to_pred: np.ndarray, tolerance_mm: float) -> float:
    """Normalised surface Dice: the share of both borders' voxels within a tolerance of the other.

    Source: Nikolov 2018, arXiv:1809.04430, there of surface elements by area, here of border voxels.
    """
    if not len(to_ref) or not len(to_pred):
        return float(len(to_ref) == len(to_pred))
    near = int((to_ref <= tolerance_mm).sum()) + int((to_pred <= tolerance_mm).sum())
    return near / (len(to_ref) + len(to_pred))


def hd95(to_ref: np.ndarray, to_pred: np.ndarray, worst_mm: float) -> float:
    """95th percentile of all border distances of both directions together. Source: MedPy's hd95."""
    if not len(to_ref) or not len(to_pred):
        return 0.0 if len(to_ref) == len(to_pred) else worst_mm
    return float(np.percentile(np.concatenate((to_ref, to_pred)), 95))


def assd(to_ref: np.ndarray, to_pred: np.ndarray, worst_mm: float) -> float:
    """Average symmetric surface distance: mean of the two directions' means.

    Source: panoptica's, and the mean of MedPy's two asd; MedPy's assd pools both directions.
    """
    if not len(to_ref) or not len(to_pred):
        return 0.0 if len(to_ref) == len(to_pred) else worst_mm
    return float((to_ref.mean() + to_pred.mean()) / 2)


def cross_sectional_areas(
    pred: np.ndarray, ref: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[float, float]:
    """Mean cross-sectional area in mm² of prediction and reference, over the reference's slices.

    The area of each axial slice times the cosine of the angle between the slice's normal and the
    reference's centreline: the area perpendicular to the cord. Source: the Spinal Cord Toolbox's
    sct_process_segmentation. An empty reference: 0 and 0 if the prediction is empty, else infinity and 0.
    """
    slices = np.flatnonzero(ref.any(axis=(0, 1)))
    if not len(slices):
        return (math.inf if pred.any() else 0.0), 0.0
    cosines = _cosines(ref, slices, spacing_mm)
    pixel_mm2 = spacing_mm[0] * spacing_mm[1]
    areas = [mask[:, :, slices].sum(axis=(0, 1)) * pixel_mm2 * cosines for mask in (pred, ref)]
    return float(areas[0].mean()), float(areas[1].mean())


def _cosines(ref: np.ndarray, slices: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """The cosine of the cord's angle to the axial plane's normal in each slice; 1 with fewer than three."""
    if len(slices) < 3:
        return np.ones(len(slices))
    sizes = ref[:, :, slices].sum(axis=(0, 1))
    along = [
        ref[:, :, slices].sum(axis=1 - axis) for axis in (0, 1)
    ]  # voxels of each slice by row, by column
    centres = np.stack(
        [np.arange(len(one)) @ one / sizes * mm for one, mm in zip(along, spacing_mm)], axis=1
    )
    smooth = ndimage.gaussian_filter1d(centres, SMOOTHED_MM / spacing_mm[2], axis=0, mode="nearest")
    tilt = np.gradient(smooth, slices * spacing_mm[2], axis=0)
    return 1 / np.sqrt(1 + (tilt**2).sum(axis=1))
