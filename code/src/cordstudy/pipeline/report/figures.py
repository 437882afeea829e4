"""The plots of the report: the same bytes each time.

Owns: how numbers become a plot, an SVG element; matplotlib's settings.
Does not own: pictures of cases (`pictures`), or the page that they stand on (`page`).

Colours are Okabe and Ito's, told apart with any colour vision; shapes and line styles say the
same again.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pandas as pd

from cordstudy.pipeline.judging.comparisons import PRIMARY, Comparison

matplotlib.rcdefaults()  # none of a user's own settings, nor those of a file in the working folder
matplotlib.use("agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

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
SEEN_PT = 6.0
"""How thick the interval of a test is."""
RETRAINED: dict[str, Any] = {"color": COLOURS[5], "marker": "|", "ms": 8, "mew": 1.5, "lw": 1.5}
"""How the range over trainings looks."""
WIDTH_IN = 4.2
"""Of a plot: what a phone shows without shrinking its letters."""


def svg(figure: Figure) -> str:
    """A figure as an SVG element. No date or version is stored in it."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]


def png(figure: Figure, *, dpi: int) -> bytes:
    """A figure as a PNG. No version is stored in it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    return stream.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a URI that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def forest(rows: Sequence[Comparison], margin: float) -> str:
    """Differences with their intervals, one line a row; filled where it is a primary one. The band
    is the margin."""
    figure, axes = _rows(len(rows))
    draw_differences(axes, rows, margin)
    names = [f"{row.testset} (n={row.subjects})" for row in rows]
    axes.set(yticks=range(len(rows)), yticklabels=names, xlabel="difference of mean Dice")
    return svg(figure)


def draw_differences(axes: Axes, rows: Sequence[Comparison], margin: float) -> None:
    """The lines of `forest`: thick the interval of the test, thin what allows for failures not
    seen, which may leave the plot; below them what training again gave."""
    colour = COLOURS[0]
    for n, row in enumerate(rows):
        axes.plot([row.low, row.high], [n, n], color=colour, lw=0.8)
        if not np.isnan(row.low_seen):
            ends = [row.low_seen, row.high_seen]
            axes.plot(ends, [n, n], color=colour, lw=SEEN_PT, solid_capstyle="butt")
        fill, edge = (colour, "white") if row.role == PRIMARY else ("white", colour)
        axes.plot(row.difference, n, "o", ms=7, mec=edge, mfc=fill, mew=1.5, zorder=3)
        if not np.isnan(row.retraining_sd):
            below = n + 0.24
            axes.plot([row.trainings_low, row.trainings_high], [below, below], **RETRAINED)
    _draw_margin(axes, margin)
    axes.set_xlim(_limits(rows, margin))


def _limits(rows: Sequence[Comparison], margin: float) -> tuple[float, float]:
    """What holds all differences, the intervals of their tests and the margin, and some more."""
    values = [-margin, margin]
    for row in rows:
        values += [row.difference, row.low_seen, row.high_seen]
        if not np.isnan(row.retraining_sd):
            values += [row.trainings_low, row.trainings_high]
    room = 0.15 * (np.nanmax(values) - np.nanmin(values))
    return float(np.nanmin(values) - room), float(np.nanmax(values) + room)


def dice_by_model(means: pd.DataFrame) -> str:
    """Mean Dice of each subject (rows) by model (columns), and the mean over subjects as a bar."""
    models = list(means.columns)
    figure, axes = _rows(len(models))
    for n, model in enumerate(models):
        values = np.sort(means[model].to_numpy())
        marker, colour = MARKERS[n % len(MARKERS)], COLOURS[n % len(COLOURS)]
        heights = n + _spread(len(values))
        axes.plot(values, heights, marker, ms=5, alpha=0.6, color=colour, mec="none")
        mean = values.mean()
        axes.plot([mean, mean], [n - 0.36, n + 0.36], color="black", lw=2)
        right = ("axes fraction", "data")
        axes.annotate(f"{mean:.3f}", (1.02, n), xycoords=right, fontsize=9, va="center")
    axes.set(yticks=range(len(models)), yticklabels=models, xlim=(-0.03, 1.03))
    axes.set_xlabel("Dice of a participant")
    return svg(figure)


def paired(means: pd.DataFrame, rows: Sequence[Comparison], general: str, margin: float) -> str:
    """Difference of each subject (rows of `means`), general minus each specific model of `rows`,
    whose mean difference and interval are drawn over it. The band is the margin."""
    figure, axes = _rows(len(rows))
    for n, row in enumerate(rows):
        values = np.sort((means[general] - means[row.specific]).to_numpy())
        heights = n + _spread(len(values))
        axes.plot(values, heights, "o", ms=4.5, alpha=0.5, color=COLOURS[0], mec="none")
        if not np.isnan(row.low_seen):
            ends = [row.low_seen, row.high_seen]
            axes.plot(ends, [n, n], color="black", lw=2, solid_capstyle="butt")
        axes.plot(row.difference, n, "|", ms=14, mew=2.5, color="black")
    _draw_margin(axes, margin)
    axes.set(yticks=range(len(rows)), yticklabels=[row.specific for row in rows])
    axes.set_xlabel(f"{general} minus model, Dice of a participant")
    return svg(figure)


def three_panels() -> tuple[Figure, list[Axes]]:
    """Empty plots beside each other, for images."""
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6), layout="constrained")
    return figure, list(axes)


def rows_of_panels(count: int, *, width_in: float, row_in: float) -> tuple[Figure, list[Figure]]:
    """An empty figure, and parts of it below each other, each for a case."""
    figure = plt.figure(figsize=(width_in, row_in * count), layout="constrained")
    return figure, list(figure.subfigures(count, 1, squeeze=False)[:, 0])


def _rows(count: int, *, extra: float = 0.75) -> tuple[Figure, Axes]:
    """An empty plot for so many lines of names."""
    return lines_plot(count, width_in=WIDTH_IN, height_in=0.36 * count + extra)


def empty_plot(*, height_in: float) -> tuple[Figure, Axes]:
    """An empty plot of two numbers."""
    return plt.subplots(figsize=(WIDTH_IN, height_in), layout="constrained")


def lines_plot(count: int, *, width_in: float, height_in: float) -> tuple[Figure, Axes]:
    """An empty plot for so many lines of names, the first on top."""
    figure, axes = plt.subplots(figsize=(width_in, height_in), layout="constrained")
    axes.grid(axis="y", visible=False)
    axes.set_ylim(max(count, 1) - 0.5, -0.5)
    return figure, axes


def _draw_margin(axes: Axes, margin: float) -> None:
    """Where there is no difference, and where it is within the margin."""
    axes.axvline(0, color="black", lw=1)
    axes.axvspan(-margin, margin, color="#999999", alpha=0.25, lw=0)


def _spread(count: int) -> npt.NDArray[np.float64]:
    """Places of points about a line, so that equal values do not hide each other."""
    return 0.22 * np.sin(np.arange(count) * 2.4) if count > 1 else np.zeros(count)
