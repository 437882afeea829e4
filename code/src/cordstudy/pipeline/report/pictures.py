"""Pictures of a case with the outlines of its masks: the same bytes each time.

Owns: reading what is shown of a case, how a slice of it becomes a PNG, and what of a mask lies
outside the part that is shown.
Does not own: which cases are shown (`gallery`), the strip of all slices (`strips`), or the
interactive viewer (`viewer`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from cordstudy.pipeline.judging.masks import Mask
from cordstudy.pipeline.judging.reading import read_mask
from cordstudy.pipeline.raw.volumes import read_volume, scaled
from cordstudy.pipeline.report.figures import data_uri, png, three_panels

OUTLINES = {
    "reference": ("#f0e442", "-"),
    "general": ("#56b4e9", "-"),
    "specific": ("#d55e00", "--"),
}
"""Colour and line of the outline of each mask."""
WIDTHS = dict.fromkeys(OUTLINES, 1.6)
"""Of the outlines, in points."""
Window = tuple[slice, ...]
"""A part of a slice, along both its axes."""
WINDOW_MM = 60.0


@dataclass(frozen=True)
class Picture:
    """An image with masks by what they are (reference, general, specific), on one grid in RPI."""

    image: nib.Nifti1Image
    voxels: npt.NDArray[Any]
    masks: Mapping[str, Mask]

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Of the voxels."""
        return tuple(float(mm) for mm in self.image.header.get_zooms()[:3])

    @property
    def any_mask(self) -> Mask:
        """What is inside at least one of the masks."""
        return np.asarray(np.any(list(self.masks.values()), axis=0))


def read_picture(image: Path, masks: Mapping[str, Path]) -> Picture:
    """Read an image and its masks; a mask that is missing is empty."""
    loaded = read_volume(image)
    voxels = scaled(loaded)
    read: dict[str, Mask] = {}
    for name, path in masks.items():
        read[name] = np.zeros(voxels.shape, bool)
        if path.exists():
            read[name] = read_mask(path, loaded, of=image)
    return Picture(loaded, voxels, read)


def overlay(picture: Picture) -> str:
    """Axial slices with the outline of each mask, at a quarter, half and three quarters of the
    structure's extent."""
    figure, panels = three_panels()
    for k, axes in zip(quarters(picture), panels, strict=True):
        draw_slice(axes, picture, k)
    return data_uri(png(figure, dpi=90), "image/png")


def quarters(picture: Picture) -> list[int]:
    """The slices at a quarter, half and three quarters of the structure's extent."""
    slices = slices_of(picture)
    return [int(slices[len(slices) * quarter // 4]) for quarter in (1, 2, 3)]


def draw_slice(
    axes: Axes,
    picture: Picture,
    k: int,
    *,
    window_mm: float = WINDOW_MM,
    widths: Mapping[str, float] = WIDTHS,
) -> set[str]:
    """Draw a window of one slice, grey, the outlines in it, and an arrow to a mask that lies
    outside it; the masks that have an outline there."""
    window = window_of(picture, k, window_mm)
    spacing_mm = picture.spacing_mm
    shown = picture.voxels[window][:, :, k].astype(float)
    axes.imshow(
        shown.T,
        cmap="gray",
        origin="lower",
        aspect=spacing_mm[1] / spacing_mm[0],
        vmin=np.percentile(shown, 1),
        vmax=np.percentile(shown, 99.5),
    )
    drawn = set()
    for n, (name, mask) in enumerate(picture.masks.items()):
        colour, style = OUTLINES[name]
        plane = mask[window][:, :, k]
        if plane.any():
            drawn.add(name)
            axes.contour(
                plane.T,
                levels=[0.5],
                colors=[colour],
                linewidths=widths[name],
                linestyles=style,
            )
        outside = outside_of(picture, name, k, window)
        if outside:
            _point_outside(axes, outside, colour, n)
    axes.set(xticks=[], yticks=[], title=f"slice {k}")
    axes.spines[:].set_visible(False)
    return drawn


@dataclass(frozen=True)
class Outside:
    """What of a mask lies in a slice, but outside the part that is shown."""

    direction: tuple[float, float]
    """From the middle of that part: right and up in the picture, of length 1."""
    distance_mm: float
    """From there to the middle of what lies outside."""


def outside_of(picture: Picture, name: str, k: int, window: Window) -> Outside | None:
    """What of a mask lies in slice `k` outside a part of it; None where nothing does."""
    hidden = picture.masks[name][:, :, k].copy()
    hidden[window] = False
    if not hidden.any():
        return None
    middle = [(part.start + part.stop - 1) / 2 for part in window]
    away_mm = (np.argwhere(hidden).mean(axis=0) - middle) * picture.spacing_mm[:2]
    distance_mm = float(np.hypot(*away_mm))
    right, up = (float(mm) / max(distance_mm, 1e-9) for mm in away_mm)
    return Outside((right, up), distance_mm)


def _point_outside(axes: Axes, outside: Outside, colour: str, n: int) -> None:
    """An arrow to what lies outside the picture and its distance; the `n`-th of several is moved
    aside."""
    right, up = outside.direction
    reach = 0.46 / max(abs(right), abs(up))
    tip = (0.5 + reach * right - 0.08 * n * up, 0.5 + reach * up + 0.08 * n * right)
    tail = (tip[0] - 0.16 * right, tip[1] - 0.16 * up)
    axes.annotate(
        f"{outside.distance_mm:.0f} mm",
        tip,
        tail,
        xycoords="axes fraction",
        textcoords="axes fraction",
        color=colour,
        fontsize=8,
        ha="center",
        va="center",
        bbox={"facecolor": "black", "edgecolor": "none", "pad": 1.0},
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.8, "mutation_scale": 12},
    )


def slices_of(picture: Picture) -> npt.NDArray[np.intp]:
    """The slices with the structure in the reference, else in any mask, else all."""
    for mask in (picture.masks["reference"], picture.any_mask):
        held = np.flatnonzero(mask.any(axis=(0, 1)))
        if len(held):
            return held
    return np.arange(picture.voxels.shape[2])


def window_of(picture: Picture, k: int, window_mm: float = WINDOW_MM) -> Window:
    """A window of so many millimetres about the reference in one slice, or about all of it where
    that slice has none; it is moved into the image where it would leave it."""
    reference = picture.masks["reference"]
    plane = reference[:, :, k] if reference[:, :, k].any() else reference.any(axis=2)
    shape = reference.shape[:2]
    centre = np.argwhere(plane).mean(axis=0) if plane.any() else np.array(shape) / 2
    window = []
    for middle, size, mm in zip(centre, shape, picture.spacing_mm):
        width = min(size, int(window_mm / mm) + 1)
        start = int(np.clip(round(middle - width / 2), 0, size - width))
        window.append(slice(start, start + width))
    return tuple(window)
