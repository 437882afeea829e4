"""Measures of one predicted mask against its reference, and the one table of them.

Owns: one definition of each measure, what it is called, and what each is for empty masks.
Does not own: which cases (`evaluate`), or statistics over them (`scores`, `comparisons`).

Masks are boolean arrays of one shape, their third axis from inferior to superior (RPI); spacing
is in mm, in the order of the axes. The border of a mask are its voxels with one of the six
neighbours outside it; distances run from border to border between centres of voxels, as in MedPy
and panoptica. Where other implementations differ: code/docs/judging.md.

Two empty masks agree: every overlap is 1, every distance 0. One empty mask is the worst there can
be: overlaps 0, distances the diagonal of the image. So is a prediction that is missing, whatever
its reference.

A new measure is a function and a row of `MEASURES`: tables, page and notebook take it from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from cordstudy.pipeline.judging.masks import Mask, bounding_box

Floats = npt.NDArray[np.float64]
SMOOTHED_MM = 5.0
"""Standard deviation by which a centreline is smoothed before its angle is taken."""


@dataclass(frozen=True)
class Compared:
    """A prediction and its reference, cut to what holds them, and what several measures share."""

    pred: Mask
    ref: Mask
    tolerance_mm: float
    """Of the normalised surface Dice."""
    diagonal_mm: float
    """Of the image: the worst distance."""
    to_ref_mm: Floats
    """Of each border voxel of the prediction to the reference's border."""
    to_pred_mm: Floats
    area_pred_mm2: float
    area_ref_mm2: float


@dataclass(frozen=True)
class Measure:
    """A column of measures, and how it is told."""

    name: str
    """Of the column."""
    of: Callable[[Compared], float]
    title: str
    """In tables for people; `{tolerance_mm}` stands for the tolerance of the surface Dice."""
    unit: str = ""
    better: Literal["higher", "lower", "nearer to 0", ""] = ""
    missing: float | Literal["diagonal"] | None = None
    """Of a prediction that is missing: a number, or the image's diagonal; None: as of an empty
    one."""
    summarised: bool = True
    """Whether its mean over participants is told."""
    form: str = ".3f"
    """Of its mean on the page."""

    def heading(self, tolerance_mm: float) -> str:
        """Title and unit."""
        title = self.title.format(tolerance_mm=tolerance_mm)
        return f"{title}, {self.unit}" if self.unit else title


MEASURES = (
    Measure("dice", lambda c: dice(c.pred, c.ref), "Dice", better="higher", missing=0.0),
    Measure("iou", lambda c: iou(c.pred, c.ref), "IoU", better="higher", missing=0.0),
    Measure(
        "nsd",
        lambda c: nsd(c.to_ref_mm, c.to_pred_mm, c.tolerance_mm),
        "surface Dice at {tolerance_mm} mm",
        better="higher",
        missing=0.0,
    ),
    Measure(
        "hd95_mm",
        lambda c: hd95(c.to_ref_mm, c.to_pred_mm, c.diagonal_mm),
        "HD95",
        "mm",
        better="lower",
        missing="diagonal",
        form=".2f",
    ),
    Measure(
        "assd_mm",
        lambda c: assd(c.to_ref_mm, c.to_pred_mm, c.diagonal_mm),
        "ASSD",
        "mm",
        better="lower",
        missing="diagonal",
        form=".2f",
    ),
    Measure(
        "relative_volume_error",
        lambda c: relative_volume_error(c.pred, c.ref),
        "volume error",
        better="nearer to 0",
        missing=-1.0,
        form="+.3f",
    ),
    Measure("csa_pred_mm2", lambda c: c.area_pred_mm2, "CSA", "mm²", summarised=False),
    Measure("csa_ref_mm2", lambda c: c.area_ref_mm2, "CSA, reference", "mm²", summarised=False),
    Measure(
        "csa_error_mm2",
        lambda c: c.area_pred_mm2 - c.area_ref_mm2,
        "CSA error",
        "mm²",
        better="nearer to 0",
        form="+.1f",
    ),
    Measure("components", lambda c: components(c.pred), "components", summarised=False),
)
"""Every measure of a case, in the order of its columns in cases.tsv."""
NAMES = tuple(kind.name for kind in MEASURES)
SUMMARISED = tuple(kind for kind in MEASURES if kind.summarised)
PRIMARY = "dice"
"""The measure of every hypothesis."""


def measure(
    pred: Mask, ref: Mask, spacing_mm: Sequence[float], *, nsd_tolerance_mm: float
) -> dict[str, float]:
    """All measures of a prediction (pred) against its reference (ref), by name."""
    compared = _compared(pred, ref, spacing_mm, nsd_tolerance_mm)
    return {kind.name: kind.of(compared) for kind in MEASURES}


def measure_missing(ref: Mask, spacing_mm: Sequence[float]) -> dict[str, float]:
    """All measures of a prediction that is not there: the worst of each, also where the reference
    is empty."""
    compared = _compared(np.zeros_like(ref), ref, spacing_mm, 0.0)
    values: dict[str, float] = {}
    for kind in MEASURES:
        if kind.missing is None:
            values[kind.name] = kind.of(compared)
        elif kind.missing == "diagonal":
            values[kind.name] = compared.diagonal_mm
        else:
            values[kind.name] = kind.missing
    return values


def _compared(pred: Mask, ref: Mask, spacing_mm: Sequence[float], tolerance_mm: float) -> Compared:
    diagonal_mm = math.dist((0, 0, 0), np.multiply(ref.shape, spacing_mm))
    box = bounding_box(pred | ref)
    pred, ref = pred[box], ref[box]
    to_ref_mm, to_pred_mm = border_distances(pred, ref, spacing_mm)
    area_pred_mm2, area_ref_mm2 = cross_sectional_areas(pred, ref, spacing_mm)
    return Compared(
        pred=pred,
        ref=ref,
        tolerance_mm=tolerance_mm,
        diagonal_mm=diagonal_mm,
        to_ref_mm=to_ref_mm,
        to_pred_mm=to_pred_mm,
        area_pred_mm2=area_pred_mm2,
        area_ref_mm2=area_ref_mm2,
    )


def dice(pred: Mask, ref: Mask) -> float:
    """Dice similarity coefficient: 2|A∩B| / (|A|+|B|). Source: Dice 1945, doi:10.2307/1932409."""
    total = int(pred.sum()) + int(ref.sum())
    return 1.0 if total == 0 else 2.0 * int((pred & ref).sum()) / total


def iou(pred: Mask, ref: Mask) -> float:
    """Intersection over union, |A∩B| / |A∪B|.

    Source: Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x.
    """
    union = int((pred | ref).sum())
    return 1.0 if union == 0 else int((pred & ref).sum()) / union


def relative_volume_error(pred: Mask, ref: Mask) -> float:
    """(|A| - |B|) / |B|; above 0 the prediction is too large.

    An empty reference: 0 if the prediction is empty too, else infinity.
    """
    size_pred, size_ref = int(pred.sum()), int(ref.sum())
    if size_ref == 0:
        return 0.0 if size_pred == 0 else math.inf
    return (size_pred - size_ref) / size_ref


def components(pred: Mask) -> int:
    """Number of 26-connected components of a prediction."""
    found = cc3d.connected_components(pred, connectivity=26, return_N=True, binary_image=True)
    return int(found[1])


def border_distances(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> tuple[Floats, Floats]:
    """Distances in mm from each border voxel of pred to the border of ref, and the other way.

    Empty arrays where a mask is empty: with both empty, or with one, as the lengths tell.
    """
    points_pred = _border_points(pred, spacing_mm)
    points_ref = _border_points(ref, spacing_mm)
    if not len(points_pred) or not len(points_ref):
        return np.zeros(min(len(points_pred), 1)), np.zeros(min(len(points_ref), 1))
    # A tree that is neither balanced nor compact is faster for this few points.
    tree_pred = cKDTree(points_pred, balanced_tree=False, compact_nodes=False)
    tree_ref = cKDTree(points_ref, balanced_tree=False, compact_nodes=False)
    to_ref_mm, _ = tree_ref.query(points_pred)
    to_pred_mm, _ = tree_pred.query(points_ref)
    return to_ref_mm, to_pred_mm


def _border_points(mask: Mask, spacing_mm: Sequence[float]) -> Floats:
    """Centres of a mask's border voxels in mm, a row each."""
    return np.asarray(np.argwhere(_border(mask)) * np.asarray(spacing_mm))


def _border(mask: Mask) -> Mask:
    """The voxels of a mask with a neighbour (of six) outside it or the image."""
    box = bounding_box(mask)
    border = np.zeros_like(mask)
    if not mask[box].size:
        return border
    padded = np.pad(mask[box], 1)
    core = ndimage.binary_erosion(padded)[1:-1, 1:-1, 1:-1]
    border[box] = mask[box] & ~core
    return border


def nsd(to_ref_mm: Floats, to_pred_mm: Floats, tolerance_mm: float) -> float:
    """Normalised surface Dice: the share of both borders' voxels within a tolerance of the other.

    Source: Nikolov 2018, arXiv:1809.04430, there of surface elements by area, here of border
    voxels.
    """
    if not len(to_ref_mm) or not len(to_pred_mm):
        return float(len(to_ref_mm) == len(to_pred_mm))
    near = int((to_ref_mm <= tolerance_mm).sum()) + int((to_pred_mm <= tolerance_mm).sum())
    return near / (len(to_ref_mm) + len(to_pred_mm))


def hd95(to_ref_mm: Floats, to_pred_mm: Floats, worst_mm: float) -> float:
    """95th percentile of all border distances of both directions together. Source: MedPy's hd95."""
    if not len(to_ref_mm) or not len(to_pred_mm):
        return 0.0 if len(to_ref_mm) == len(to_pred_mm) else worst_mm
    return float(np.percentile(np.concatenate((to_ref_mm, to_pred_mm)), 95))


def assd(to_ref_mm: Floats, to_pred_mm: Floats, worst_mm: float) -> float:
    """Average symmetric surface distance: mean of the two directions' means.

    Source: panoptica's, and the mean of MedPy's two asd; MedPy's assd pools both directions.
    """
    if not len(to_ref_mm) or not len(to_pred_mm):
        return 0.0 if len(to_ref_mm) == len(to_pred_mm) else worst_mm
    return float((to_ref_mm.mean() + to_pred_mm.mean()) / 2)


def cross_sectional_areas(
    pred: Mask, ref: Mask, spacing_mm: Sequence[float]
) -> tuple[float, float]:
    """Mean cross-sectional area in mm² of prediction and reference, over the reference's slices.

    The area of each axial slice times the cosine of the angle between the slice's normal and the
    reference's centreline: the area perpendicular to the cord. Source: the Spinal Cord Toolbox's
    sct_process_segmentation. An empty reference: 0 and 0 if the prediction is empty, else
    infinity and 0.
    """
    slices = np.flatnonzero(ref.any(axis=(0, 1)))
    if not len(slices):
        return (math.inf if pred.any() else 0.0), 0.0
    cosines = _cosines(ref, slices, spacing_mm)
    pixel_mm2 = spacing_mm[0] * spacing_mm[1]
    areas_pred = pred[:, :, slices].sum(axis=(0, 1)) * pixel_mm2 * cosines
    areas_ref = ref[:, :, slices].sum(axis=(0, 1)) * pixel_mm2 * cosines
    return float(areas_pred.mean()), float(areas_ref.mean())


def _cosines(ref: Mask, slices: npt.NDArray[np.intp], spacing_mm: Sequence[float]) -> Floats:
    """The cosine of the cord's angle to the axial plane's normal in each slice; 1 with fewer than
    three."""
    if len(slices) < 3:
        return np.ones(len(slices))
    cord = ref[:, :, slices]
    sizes = cord.sum(axis=(0, 1))
    centres = np.empty((len(slices), 2))
    for axis in (0, 1):
        counts = cord.sum(axis=1 - axis)  # voxels of each slice, by row or by column
        centres[:, axis] = np.arange(len(counts)) @ counts / sizes * spacing_mm[axis]
    smoothed = SMOOTHED_MM / spacing_mm[2]
    smooth = ndimage.gaussian_filter1d(centres, smoothed, axis=0, mode="nearest")
    tilt = np.gradient(smooth, slices * spacing_mm[2], axis=0)
    return np.asarray(1 / np.sqrt(1 + (tilt**2).sum(axis=1)))
