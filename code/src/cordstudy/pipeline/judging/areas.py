"""Cross-sectional area of the cord in a mask, and how much of the cord a prediction found.

Owns: the area perpendicular to the cord, slice by slice, along a mask's own centreline; in which
slices a prediction found the cord.
Does not own: the distances of surfaces (`surfaces`), or the table of measures (`measures`).

The area of each axial slice times the cosine of the angle between the slice's normal and the
centreline, as the Spinal Cord Toolbox's sct_process_segmentation does. A slice without a voxel has
no area: that is not known, and not 0. A voxel astray in a slice of its own is no cord: it has
next to no weight in the centreline, and its slice none in the mean of a mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import make_smoothing_spline

from cordstudy.pipeline.judging.masks import Mask

Floats = npt.NDArray[np.float64]
SMOOTHED_MM = 5.0
"""How far a centreline is smoothed: a wave of 2π times this length keeps half its height, a
straight line stays what it is."""
FRAGMENT = 0.1
"""What share of the typical slice's area one has at least to be a section of the cord."""
FEWEST_OF_SPLINE = 5
"""Slices from which a centreline is a spline, and below which it is a straight line."""
STEADIED_MM2 = 0.25
"""How far such a line is held upright: the variance of centres (0.15 mm, squared) to that of tilts
(0.3, squared). Two slices of 5 mm have 98 % of their tilt, two of 0.8 mm 56 %, one has none."""


@dataclass(frozen=True)
class Sections:
    """A prediction and its reference slice by slice."""

    pred_mm2: Floats
    """Area perpendicular to the cord in each slice; nan in one without a voxel."""
    ref_mm2: Floats
    found: Mask
    """In which slices the prediction found the cord: those in which it overlaps the reference."""


def sections(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Sections:
    """The areas of a prediction and its reference, each along its own centreline."""
    return Sections(
        pred_mm2=perpendicular_areas(pred, spacing_mm),
        ref_mm2=perpendicular_areas(ref, spacing_mm),
        found=np.asarray((pred & ref).any(axis=(0, 1))),
    )


def perpendicular_areas(mask: Mask, spacing_mm: Sequence[float]) -> Floats:
    """The area in mm² perpendicular to the cord in each slice; nan in one without a voxel."""
    voxels = mask.sum(axis=(0, 1))
    slices = np.flatnonzero(voxels)
    areas_mm2 = np.full(mask.shape[2], np.nan)
    if len(slices):
        heights_mm = slices.astype(np.float64) * spacing_mm[2]
        weights = _weights(voxels[slices].astype(np.float64))
        cosines = _cosines(mask[:, :, slices], heights_mm, weights, spacing_mm)
        areas_mm2[slices] = voxels[slices] * spacing_mm[0] * spacing_mm[1] * cosines
    return areas_mm2


def _typical(sizes: Floats) -> float:
    """The size of the slice that the median voxel is in, which no number of small slices moves
    far."""
    ordered = np.sort(sizes)
    shares = np.cumsum(ordered) / ordered.sum()
    return float(ordered[np.searchsorted(shares, 0.5)])


def _weights(voxels: Floats) -> Floats:
    """What each slice counts in the centreline: as any other from the typical size on, below that
    by the square of its share of it, so that what is small and aside does not tilt it."""
    return np.asarray(np.minimum(1.0, voxels / _typical(voxels)) ** 2)


def _cosines(
    cord: Mask, heights_mm: Floats, weights: Floats, spacing_mm: Sequence[float]
) -> Floats:
    """The cosine of the angle of a centreline to the slices' normal, in each slice of a mask that
    has voxels in all of them."""
    centres_mm = np.empty((len(heights_mm), 2))
    for axis in (0, 1):
        voxels = cord.sum(axis=1 - axis)  # of each slice, by row or by column
        centres = np.arange(len(voxels)) @ voxels / voxels.sum(axis=0)
        centres_mm[:, axis] = centres * spacing_mm[axis]
    tilts = _tilts(heights_mm, centres_mm, weights, spacing_mm[2])
    return np.asarray(1 / np.sqrt(1 + (tilts**2).sum(axis=1)))


def _tilts(heights_mm: Floats, centres_mm: Floats, weights: Floats, step_mm: float) -> Floats:
    """How far a smoothed centreline moves along both axes a mm upwards, at each height."""
    if len(heights_mm) < FEWEST_OF_SPLINE:
        up_mm = heights_mm - np.average(heights_mm, weights=weights)
        weighed_mm = weights * up_mm
        slopes = weighed_mm @ centres_mm / (weighed_mm @ up_mm + STEADIED_MM2)
        return np.tile(slopes, (len(heights_mm), 1))
    stiffness = SMOOTHED_MM**4 / step_mm
    spline = make_smoothing_spline(heights_mm, centres_mm, w=weights, lam=stiffness)
    return np.asarray(spline(heights_mm, nu=1))


def mean_area(areas_mm2: Floats) -> float:
    """The mean over the slices of a mask that are sections of the cord (`FRAGMENT`); nan where it
    has none."""
    known = areas_mm2[~np.isnan(areas_mm2)]
    if not len(known):
        return math.nan
    return float(known[known >= FRAGMENT * _typical(known)].mean())


def area_error(both: Sections) -> float:
    """Mean area of the prediction less that of the reference, over the slices in which the
    prediction found the cord, however little of it; nan where it found none."""
    errors_mm2 = (both.pred_mm2 - both.ref_mm2)[both.found]
    return float(errors_mm2.mean()) if len(errors_mm2) else math.nan


def slices_found(both: Sections) -> float:
    """The share of the reference's slices in which the prediction overlaps it.

    Two empty masks: 1; an empty reference alone: 0.
    """
    slices = int((~np.isnan(both.ref_mm2)).sum())
    if slices == 0:
        return float(bool(np.isnan(both.pred_mm2).all()))
    return int(both.found.sum()) / slices
