"""Measures of one predicted mask against its reference, and the one table of them.

Owns: which measures there are, what each is called, and what each is for empty masks; overlaps.
Does not own: surfaces (`surfaces`), cross-sectional areas (`areas`), which cases (`evaluate`), or
statistics over them (`scores`, `comparisons`).

Masks are boolean arrays of one shape, their third axis from inferior to superior (RPI); spacing
is in mm, in the order of the axes. Where other implementations differ: code/docs/judging.md.

Two empty masks agree: every overlap is 1, every distance 0. One empty mask is the worst there can
be: overlaps 0, distances the diagonal of the image. So is a prediction that is missing, whatever
its reference. The area of a mask without a voxel is not known: nan.

A new measure is a function and a row of `MEASURES`: tables, page and notebook take it from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cc3d
import numpy as np

from cordstudy.pipeline.judging.areas import (
    Sections,
    area_error,
    mean_area,
    sections,
    slices_found,
)
from cordstudy.pipeline.judging.masks import Mask, bounding_box, steady_spacing
from cordstudy.pipeline.judging.surfaces import (
    SurfaceDistances,
    assd,
    hd95,
    nsd,
    surface_distances,
    with_slack,
)


@dataclass(frozen=True)
class Compared:
    """A prediction and its reference, cut to what holds them, and what several measures share."""

    pred: Mask
    ref: Mask
    spacing_mm: tuple[float, ...]
    tolerance_mm: float
    """Of the normalised surface Dice."""
    diagonal_mm: float
    """Of the image: the worst distance."""
    surfaces: SurfaceDistances

    @cached_property
    def sections(self) -> Sections:
        """Both slice by slice."""
        return sections(self.pred, self.ref, self.spacing_mm)


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
    of_sections: bool = False
    """Whether it is one of cross-sections along the body, which not every structure has."""

    def heading(self, tolerance_mm: float) -> str:
        """Title and unit."""
        title = self.title.format(tolerance_mm=tolerance_mm)
        return f"{title}, {self.unit}" if self.unit else title


MEASURES = (
    Measure("dice", lambda c: dice(c.pred, c.ref), "Dice", better="higher", missing=0.0),
    Measure("iou", lambda c: iou(c.pred, c.ref), "IoU", better="higher", missing=0.0),
    Measure(
        "nsd",
        lambda c: nsd(c.surfaces, with_slack(c.tolerance_mm, c.spacing_mm)),
        "surface Dice at {tolerance_mm} mm",
        better="higher",
        missing=0.0,
    ),
    Measure(
        "hd95_mm",
        lambda c: hd95(c.surfaces, c.diagonal_mm),
        "HD95",
        "mm",
        better="lower",
        missing="diagonal",
        form=".2f",
    ),
    Measure(
        "assd_mm",
        lambda c: assd(c.surfaces, c.diagonal_mm),
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
    Measure(
        "slices_found",
        lambda c: slices_found(c.sections),
        "slices found",
        better="higher",
        missing=0.0,
        of_sections=True,
    ),
    Measure(
        "csa_pred_mm2",
        lambda c: mean_area(c.sections.pred_mm2),
        "CSA",
        "mm²",
        summarised=False,
        of_sections=True,
    ),
    Measure(
        "csa_ref_mm2",
        lambda c: mean_area(c.sections.ref_mm2),
        "CSA, reference",
        "mm²",
        summarised=False,
        of_sections=True,
    ),
    Measure(
        "csa_error_mm2",
        lambda c: area_error(c.sections),
        "CSA error where found",
        "mm²",
        better="nearer to 0",
        form="+.1f",
        of_sections=True,
    ),
    Measure("components", lambda c: components(c.pred), "components", summarised=False),
)
"""Every measure of a case, in the order of its columns in cases.tsv."""
NAMES = tuple(kind.name for kind in MEASURES)
SUMMARISED = tuple(kind for kind in MEASURES if kind.summarised)
PRIMARY = "dice"
"""The measure of every hypothesis."""


def kinds(*, areas: bool) -> list[Measure]:
    """The measures of a study: without areas, none of cross-sections."""
    return [kind for kind in MEASURES if areas or not kind.of_sections]


def measure(
    pred: Mask,
    ref: Mask,
    spacing_mm: Sequence[float],
    *,
    nsd_tolerance_mm: float,
    areas: bool = True,
) -> dict[str, float]:
    """The measures (`kinds`) of a prediction (pred) against its reference (ref), by name."""
    compared = _compared(pred, ref, spacing_mm, nsd_tolerance_mm)
    return {kind.name: kind.of(compared) for kind in kinds(areas=areas)}


def measure_missing(
    ref: Mask, spacing_mm: Sequence[float], *, areas: bool = True
) -> dict[str, float]:
    """The measures (`kinds`) of a prediction that is not there: the worst of each, also where the
    reference is empty."""
    compared = _compared(np.zeros_like(ref), ref, spacing_mm, 0.0)
    values: dict[str, float] = {}
    for kind in kinds(areas=areas):
        if kind.missing is None:
            values[kind.name] = kind.of(compared)
        elif kind.missing == "diagonal":
            values[kind.name] = compared.diagonal_mm
        else:
            values[kind.name] = kind.missing
    return values


def _compared(pred: Mask, ref: Mask, spacing_mm: Sequence[float], tolerance_mm: float) -> Compared:
    spacing_mm = steady_spacing(spacing_mm)
    diagonal_mm = math.dist((0, 0, 0), np.multiply(ref.shape, spacing_mm))
    box = bounding_box(pred | ref)
    pred, ref = pred[box], ref[box]
    return Compared(
        pred=pred,
        ref=ref,
        spacing_mm=spacing_mm,
        tolerance_mm=tolerance_mm,
        diagonal_mm=diagonal_mm,
        surfaces=surface_distances(pred, ref, spacing_mm),
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
