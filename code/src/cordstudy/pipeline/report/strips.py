"""A strip of a case's slices, to be moved through: the same bytes each time.

Owns: how the slices become one picture of frames below each other, each with the masks side by
side.
Does not own: what is read of a case, or which part of a slice is shown (`pictures`), or how the
strip moves (the page's style and script).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from cordstudy.pipeline.report.figures import data_uri
from cordstudy.pipeline.report.pictures import (
    OUTLINES,
    Picture,
    Window,
    outside_of,
    slices_of,
    window_of,
)

Plane = npt.NDArray[np.float64]
FRAMES, GREYS = 16, 24
PANEL_PX, GAP_PX, ARROW_PX = 128, 4, 14
WINDOW_MM = 40.0


@dataclass(frozen=True)
class Strip:
    """Frames below each other, from the lowest slice upwards; in each, a panel for each mask."""

    uri: str
    """A WebP."""
    slices: tuple[int, ...]
    """The number of the slice in each frame."""
    panels: tuple[str, ...]
    """The masks, as `Picture` names them, from left to right."""

    @property
    def width_px(self) -> int:
        """Of a frame."""
        return len(self.panels) * (PANEL_PX + GAP_PX) - GAP_PX

    @property
    def height_px(self) -> int:
        """Of a frame."""
        return PANEL_PX


def strip(picture: Picture) -> Strip:
    """The strip of a case: of the slices with the structure in its reference, if that has any."""
    held = slices_of(picture)
    places = np.linspace(0, len(held) - 1, min(FRAMES, len(held))).round().astype(int)
    shown = tuple(int(k) for k in held[places])
    panels = tuple(picture.masks)
    low, high = np.percentile(picture.voxels[:, :, held], (1, 99.5))
    width = len(panels) * (PANEL_PX + GAP_PX) - GAP_PX
    whole = Image.new("P", (width, PANEL_PX * len(shown)))
    whole.putpalette(_palette())
    for row, k in enumerate(shown):
        grey = _grey(picture, k, float(low), float(high))
        for column, name in enumerate(panels):
            panel = _panel(picture, k, name, grey)
            whole.paste(panel, (column * (PANEL_PX + GAP_PX), row * PANEL_PX))
    stream = io.BytesIO()
    whole.convert("RGB").save(stream, format="WEBP", lossless=True, quality=100, method=4)
    return Strip(data_uri(stream.getvalue(), "image/webp"), shown, panels)


def _palette() -> list[int]:
    """Red, green and blue of each number of a frame: greys, then the outlines' colours."""
    greys = np.linspace(0, 255, GREYS).astype(np.uint8)
    palette: list[int] = np.repeat(greys, 3).tolist()
    for colour, _ in OUTLINES.values():
        palette += bytes.fromhex(colour[1:])
    return palette


def _grey(picture: Picture, k: int, low: float, high: float) -> npt.NDArray[np.uint8]:
    """A window of one slice as numbers of the palette, from `low` to `high`."""
    window = window_of(picture, k, WINDOW_MM)
    shown = picture.voxels[window][:, :, k].astype(float)
    grey = np.clip((shown - low) / max(high - low, 1e-9), 0, 1) * (GREYS - 1)
    return np.asarray(_enlarged(grey, picture.spacing_mm).round(), np.uint8)


def _panel(picture: Picture, k: int, name: str, grey: npt.NDArray[np.uint8]) -> Image.Image:
    """A window of one slice with the outline of one mask, and an arrow to what of it lies
    outside."""
    window: Window = window_of(picture, k, WINDOW_MM)
    number = GREYS + list(OUTLINES).index(name)
    pixels = grey.copy()
    plane = picture.masks[name][window][:, :, k].astype(float)
    large = _enlarged(plane, picture.spacing_mm) >= 0.5
    pixels[large & ~ndimage.binary_erosion(large, iterations=2)] = number
    panel = Image.fromarray(np.ascontiguousarray(pixels.T[::-1]), "P")
    outside = outside_of(picture, name, k, window)
    if outside:
        ImageDraw.Draw(panel).polygon(_arrow(*outside.direction), fill=number)
    return panel


def _enlarged(plane: Plane, spacing_mm: Sequence[float]) -> Plane:
    """A window at the pixels of a panel, the same millimetres along both axes, linearly
    interpolated; in the middle of black where it is smaller."""
    factors = [mm * PANEL_PX / WINDOW_MM for mm in spacing_mm[:2]]
    large = ndimage.zoom(plane, factors, order=1)[:PANEL_PX, :PANEL_PX]
    panel = np.zeros((PANEL_PX, PANEL_PX))
    first = [(PANEL_PX - size) // 2 for size in large.shape]
    panel[first[0] : first[0] + large.shape[0], first[1] : first[1] + large.shape[1]] = large
    return panel


def _arrow(right: float, up: float) -> list[tuple[float, float]]:
    """The corners of an arrow head at the edge of a panel, in its pixels."""
    reach = (PANEL_PX / 2 - 3) / max(abs(right), abs(up))
    tip = PANEL_PX / 2 + reach * right, PANEL_PX / 2 - reach * up
    foot = tip[0] - ARROW_PX * right, tip[1] + ARROW_PX * up
    aside = ARROW_PX / 2 * up, ARROW_PX / 2 * right
    left = foot[0] - aside[0], foot[1] - aside[1]
    return [tip, left, (foot[0] + aside[0], foot[1] + aside[1])]
