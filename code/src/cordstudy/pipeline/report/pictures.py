"""Pictures of a case with the outlines of its masks: the same bytes each time.

Owns: reading what is shown of a case, and how it becomes a PNG or a GIF.
Does not own: which cases are shown (`gallery`), or the interactive viewer (`viewer`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from PIL import Image
from scipy import ndimage

from cordstudy.pipeline.judging.masks import Mask
from cordstudy.pipeline.judging.reading import read_mask
from cordstudy.pipeline.raw.volumes import read_volume, scaled
from cordstudy.pipeline.report.figures import data_uri, png, three_panels

Plane = npt.NDArray[np.float64]
OUTLINES = {
    "reference": ("#f0e442", "-"),
    "general": ("#56b4e9", "-"),
    "specific": ("#d55e00", "--"),
}
"""Colour and line of the outline of each mask."""
WIDTHS = dict.fromkeys(OUTLINES, 1.6)
"""Of the outlines, in points."""
WINDOW_MM = 60.0
FRAMES, FRAME_PIXELS, GREYS = 20, 160, 32


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
    slices = _slices(picture)
    return [int(slices[len(slices) * quarter // 4]) for quarter in (1, 2, 3)]


def draw_slice(
    axes: Axes,
    picture: Picture,
    k: int,
    *,
    window_mm: float = WINDOW_MM,
    widths: Mapping[str, float] = WIDTHS,
) -> set[str]:
    """Draw a window of one slice, grey, and the outlines in it; the masks that have one there."""
    window = _window(picture, k, window_mm)
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
    for name, mask in picture.masks.items():
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
    axes.set(xticks=[], yticks=[], title=f"slice {k}")
    axes.spines[:].set_visible(False)
    return drawn


def slice_through(picture: Picture) -> str:
    """An animated GIF that goes through the structure's slices upwards, with the outline of each
    mask."""
    slices = _slices(picture)
    places = np.linspace(0, len(slices) - 1, min(FRAMES, len(slices))).round().astype(int)
    low, high = np.percentile(picture.voxels[:, :, slices], (1, 99.5))
    palette = _palette()
    frames = []
    for k in slices[places]:
        pixels = _frame(picture, int(k), float(low), float(high))
        frame = Image.fromarray(np.ascontiguousarray(pixels.T[::-1]), "P")
        frame.putpalette(palette)
        frames.append(frame)
    stream = io.BytesIO()
    frames[0].save(
        stream,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=250,
        loop=0,
        optimize=False,
    )
    return data_uri(stream.getvalue(), "image/gif")


def _palette() -> list[int]:
    """Red, green and blue of each number of a frame: greys, then the outlines' colours."""
    greys = np.linspace(0, 255, GREYS).astype(np.uint8)
    palette: list[int] = np.repeat(greys, 3).tolist()
    for colour, _ in OUTLINES.values():
        palette += bytes.fromhex(colour[1:])
    return palette


def _frame(picture: Picture, k: int, low: float, high: float) -> npt.NDArray[np.uint8]:
    """One slice as numbers of the palette: greys from `low` to `high`, outlines over them."""
    window = _window(picture, k)
    shown = picture.voxels[window][:, :, k].astype(float)
    grey = np.clip((shown - low) / max(high - low, 1e-9), 0, 1) * (GREYS - 1)
    frame = _enlarged(grey, picture).round().astype(np.uint8)
    for n, mask in enumerate(picture.masks.values()):
        large = _enlarged(mask[window][:, :, k].astype(float), picture) >= 0.5
        outline = large & ~ndimage.binary_erosion(large)
        frame[outline] = GREYS + n
    return frame


def _enlarged(plane: Plane, picture: Picture) -> Plane:
    """A slice at the pixels of a frame, the same millimetres along both axes, linearly
    interpolated."""
    factors = [mm * FRAME_PIXELS / WINDOW_MM for mm in picture.spacing_mm[:2]]
    return np.asarray(ndimage.zoom(plane, factors, order=1))


def _slices(picture: Picture) -> npt.NDArray[np.intp]:
    """The slices with the structure in the reference, else in any mask, else all."""
    for mask in (picture.masks["reference"], picture.any_mask):
        held = np.flatnonzero(mask.any(axis=(0, 1)))
        if len(held):
            return held
    return np.arange(picture.voxels.shape[2])


def _window(picture: Picture, k: int, window_mm: float = WINDOW_MM) -> tuple[slice, ...]:
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
