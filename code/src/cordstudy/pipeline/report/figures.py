"""The figures of the report: the same bytes each time.

Owns: how a table or a case becomes a picture: SVG for plots, PNG and GIF for images.
Does not own: the page that they stand on (`report`), or the interactive viewer (`viewer`).

Colours are Okabe and Ito's, told apart with any colour vision; shapes and line styles say the same again.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

matplotlib.rcdefaults()  # none of a user's own settings, nor those of a file in the working folder
matplotlib.use("agg")
from matplotlib import pyplot as plt  # noqa: E402

matplotlib.rcParams.update(
    {
        "svg.hashsalt": "cordstudy",
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "grid.linewidth": 0.6,
    }
)
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#f0e442")
MARKERS = "osD^vP*X"
OUTLINES = {
    "reference": ("#f0e442", "-"),
    "general": ("#56b4e9", "-"),
    "specific": ("#d55e00", "--"),
}
"""Colour and line of the outline of each mask."""
WIDTH_IN = 4.2
"""Of a plot: what a phone shows without shrinking its letters."""
WINDOW_MM = 60.0
FRAMES, FRAME_PIXELS, GREYS = 20, 160, 32


def svg(figure) -> str:
    """A figure as an SVG element. No date or version is stored in it."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a URI that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _rows(count: int, *, extra: float = 0.75):
    """An empty plot for so many lines of names."""
    figure, axes = plt.subplots(figsize=(WIDTH_IN, 0.36 * count + extra), layout="constrained")
    axes.grid(axis="y", visible=False)
    axes.set_ylim(max(count, 1) - 0.5, -0.5)
    return figure, axes


def forest(rows: pd.DataFrame, unseen: Sequence[str], margin: float) -> str:
    """Differences with their intervals, one line a row (`testset`, `specific`, `difference`, `low`,
    `high`, `subjects`); filled where the test set is seen by no model. The band is the margin."""
    figure, axes = _rows(len(rows))
    for n, row in enumerate(rows.itertuples()):
        colour = COLOURS[0]
        if not np.isnan(row.low):
            axes.plot([row.low, row.high], [n, n], color=colour, lw=2, solid_capstyle="butt")
        axes.plot(
            row.difference,
            n,
            "o",
            ms=7,
            mec=colour,
            mfc=colour if row.testset in unseen else "white",
            mew=2,
        )
    axes.axvline(0, color="black", lw=1)
    axes.axvspan(-margin, margin, color="#999999", alpha=0.25, lw=0)
    names = [f"{row.testset} (n={row.subjects})" for row in rows.itertuples()]
    axes.set(yticks=range(len(rows)), yticklabels=names, xlabel="difference of mean Dice")
    return svg(figure)


def dice_by_model(means: pd.DataFrame) -> str:
    """Mean Dice of each subject (rows) by model (columns), and the mean over subjects as a bar."""
    figure, axes = _rows(means.shape[1])
    for n, model in enumerate(means.columns):
        values = np.sort(means[model].to_numpy())
        axes.plot(
            values,
            n + _spread(len(values)),
            MARKERS[n % len(MARKERS)],
            ms=5,
            alpha=0.6,
            color=COLOURS[n % len(COLOURS)],
            mec="none",
        )
        axes.plot([values.mean()] * 2, [n - 0.36, n + 0.36], color="black", lw=2)
        axes.annotate(
            f"{values.mean():.3f}",
            (1.02, n),
            xycoords=("axes fraction", "data"),
            fontsize=9,
            va="center",
        )
    axes.set(yticks=range(means.shape[1]), yticklabels=means.columns, xlim=(-0.03, 1.03))
    axes.set_xlabel("Dice of a participant")
    return svg(figure)


def paired(means: pd.DataFrame, rows: pd.DataFrame, general: str, margin: float) -> str:
    """Difference of each subject (rows of `means`), general minus each specific model of `rows`, whose
    mean difference and interval are drawn over it. The band is the margin."""
    figure, axes = _rows(len(rows))
    for n, row in enumerate(rows.itertuples()):
        values = np.sort((means[general] - means[row.specific]).to_numpy())
        axes.plot(
            values, n + _spread(len(values)), "o", ms=4.5, alpha=0.5, color=COLOURS[0], mec="none"
        )
        if not np.isnan(row.low):
            axes.plot([row.low, row.high], [n, n], color="black", lw=2, solid_capstyle="butt")
        axes.plot(row.difference, n, "|", ms=14, mew=2.5, color="black")
    axes.axvline(0, color="black", lw=1)
    axes.axvspan(-margin, margin, color="#999999", alpha=0.25, lw=0)
    axes.set(yticks=range(len(rows)), yticklabels=rows["specific"])
    axes.set_xlabel(f"{general} minus model, Dice of a participant")
    return svg(figure)


def _spread(count: int) -> np.ndarray:
    """Places of points about a line, so that equal values do not hide each other."""
    return 0.22 * np.sin(np.arange(count) * 2.4) if count > 1 else np.zeros(count)


@dataclass(frozen=True)
class Case:
    """An image with masks by what they are (reference, general, specific), on one grid in RPI."""

    image: nib.Nifti1Image
    voxels: np.ndarray
    masks: Mapping[str, np.ndarray]

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Of the voxels."""
        return tuple(map(float, self.image.header.get_zooms()[:3]))


def read_case(image: Path, masks: Mapping[str, Path]) -> Case:
    """Read an image and its masks; a mask that is missing is empty."""
    read = nib.load(image)
    voxels = np.asanyarray(read.dataobj)
    found = {
        name: np.asanyarray(nib.load(path).dataobj) > 0
        if path.exists()
        else np.zeros(voxels.shape, bool)
        for name, path in masks.items()
    }
    return Case(read, voxels, found)


def overlay(case: Case) -> str:
    """Axial slices with the outline of each mask, at a quarter, half and three quarters of the cord's extent."""
    slices = _slices(case)
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6), layout="constrained")
    spacing = case.spacing_mm
    for place, k in zip(axes, (slices[len(slices) * quarter // 4] for quarter in (1, 2, 3))):
        box = _window(case, k)
        shown = case.voxels[box][:, :, k].astype(float)
        place.imshow(
            shown.T,
            cmap="gray",
            origin="lower",
            aspect=spacing[1] / spacing[0],
            vmin=np.percentile(shown, 1),
            vmax=np.percentile(shown, 99.5),
        )
        for name, mask in case.masks.items():
            colour, style = OUTLINES[name]
            if mask[box][:, :, k].any():
                place.contour(
                    mask[box][:, :, k].T,
                    levels=[0.5],
                    colors=[colour],
                    linewidths=1.6,
                    linestyles=style,
                )
        place.set(xticks=[], yticks=[], title=f"slice {k}")
        place.spines[:].set_visible(False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    plt.close(figure)
    return data_uri(stream.getvalue(), "image/png")


def slice_through(case: Case) -> str:
    """An animated GIF that goes through the cord's slices upwards, with the outline of each mask."""
    slices = _slices(case)
    shown = slices[np.linspace(0, len(slices) - 1, min(FRAMES, len(slices))).round().astype(int)]
    low, high = np.percentile(case.voxels[:, :, slices], (1, 99.5))
    palette = np.repeat(np.linspace(0, 255, GREYS).astype(np.uint8), 3).tolist()
    for colour, _ in OUTLINES.values():
        palette += bytes.fromhex(colour[1:])
    frames = []
    for k in shown:
        box = _window(case, k)
        grey = np.clip(
            (case.voxels[box][:, :, k].astype(float) - low) / max(high - low, 1e-9), 0, 1
        ) * (GREYS - 1)
        frame = _enlarged(grey, case).round().astype(np.uint8)
        for n, mask in enumerate(case.masks.values()):
            large = _enlarged(mask[box][:, :, k].astype(float), case) >= 0.5
            frame[large & ~ndimage.binary_erosion(large)] = GREYS + n
        picture = Image.fromarray(np.ascontiguousarray(frame.T[::-1]), "P")
        picture.putpalette(palette)
        frames.append(picture)
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


def _enlarged(plane: np.ndarray, case: Case) -> np.ndarray:
    """A slice at the pixels of a frame, the same millimetres along both axes, linearly interpolated."""
    return ndimage.zoom(
        plane, [mm * FRAME_PIXELS / WINDOW_MM for mm in case.spacing_mm[:2]], order=1
    )


def _slices(case: Case) -> np.ndarray:
    """The slices with cord in the reference, else in any mask, else all."""
    for mask in (case.masks["reference"], np.any(list(case.masks.values()), axis=0)):
        if len(found := np.flatnonzero(mask.any(axis=(0, 1)))):
            return found
    return np.arange(case.voxels.shape[2])


def _window(case: Case, k: int) -> tuple[slice, slice]:
    """A window of `WINDOW_MM` about the reference in one slice, or about all of it where that slice has none;
    it is moved into the image where it would leave it."""
    reference = case.masks["reference"]
    plane = reference[:, :, k] if reference[:, :, k].any() else reference.any(axis=2)
    shape = reference.shape[:2]
    centre = np.argwhere(plane).mean(axis=0) if plane.any() else np.array(shape) / 2
    window = []
    for c, size, mm in zip(centre, shape, case.spacing_mm):
        width = min(size, int(WINDOW_MM / mm) + 1)
        start = int(np.clip(round(c - width / 2), 0, size - width))
        window.append(slice(start, start + width))
    return tuple(window)
