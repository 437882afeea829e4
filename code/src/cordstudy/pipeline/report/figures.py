"""The plots of the report: the same bytes each time.

Owns: how numbers become a plot, an SVG element; matplotlib's settings.
Does not own: pictures of cases (`pictures`), or the page that they stand on (`page`).

Colours are Okabe and Ito's, told apart with any colour vision; shapes and line styles say the
same again.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
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
        "svg.fonttype": "none",  # text stays text: small, and in the page's own font
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "grid.linewidth": 0.6,
    }
)
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000", "#f0e442")
OTHER = "#8a8f94"
"""Of models that are neither the general one nor the best specific one."""
SEEN_PT = 6.0
"""How thick the interval of a test is."""
RETRAINED: dict[str, Any] = {"color": COLOURS[5], "marker": "|", "ms": 8, "mew": 1.5, "lw": 1.5}
"""How the range over trainings looks."""
USUAL = 3.0
"""How many times the median reach of the intervals of a forest plot it shows of any."""
WIDTH_IN = 4.2
"""Of a plot: what a phone shows without shrinking its letters."""


def svg(figure: Figure, title: str) -> str:
    """A figure as an SVG element with a role and a `title`, which no other of a page may have.
    Black is the page's ink and white its paper, light or dark. No date or version is stored."""
    stream = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Title": title}
    figure.savefig(stream, format="svg", transparent=True, metadata=metadata)
    plt.close(figure)
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace("<svg", '<svg role="img"', 1)
    for needless in (
        r"<metadata>.*?</metadata>",
        r"<defs>\s*<style.*?</defs>",
        "font-family: .*?;",
    ):
        text = re.sub(needless, "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    own = "f" + hashlib.sha256(title.encode()).hexdigest()[:8]
    text = re.sub(r'( id="|url\(#|xlink:href="#)', rf"\g<1>{own}-", text)
    text = text.replace("#000000", "currentColor").replace("#ffffff", "var(--paper)")
    return re.sub(r"\s+", " ", text).replace("> <", "><")


def png(figure: Figure, *, dpi: int) -> bytes:
    """A figure as a PNG. No version is stored in it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    plt.close(figure)
    return stream.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a URI that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def forest(rows: Sequence[Comparison], margin: float, title: str) -> str:
    """Differences with their intervals, one line a row; filled where it is a primary one. The band
    is the margin."""
    figure, axes = _rows(len(rows), extra=0.75 + 0.08 * len(rows))
    draw_differences(axes, rows, margin)
    names = [f"{row.testset} (n={row.subjects})" for row in rows]
    axes.set(yticks=range(len(rows)), yticklabels=names, xlabel="difference of mean Dice")
    return svg(figure, title)


def draw_differences(axes: Axes, rows: Sequence[Comparison], margin: float) -> None:
    """The lines of `forest`: thick the interval of the test, thin what allows for failures not
    seen; below them what training again gave. What leaves the plot ends in an arrow."""
    limits = _limits(rows, margin)
    colour = COLOURS[0]
    for n, row in enumerate(rows):
        _line(axes, (row.low, row.high), n, limits, color=colour, lw=0.8)
        _line(axes, (row.low_seen, row.high_seen), n, limits, color=colour, lw=SEEN_PT)
        fill, edge = (colour, "white") if row.role == PRIMARY else ("white", colour)
        axes.plot(row.difference, n, "d", ms=9, mec=edge, mfc=fill, mew=1.2, zorder=3)
        if not np.isnan(row.retraining_sd):
            below = n + 0.3
            ends = (row.trainings_low, row.trainings_high)
            _line(axes, ends, below, limits, **RETRAINED)
    _draw_margin(axes, margin)
    axes.set_xlim(limits)


def _line(
    axes: Axes, ends: tuple[float, float], at: float, limits: tuple[float, float], **style: Any
) -> None:
    """An interval, if there is one, with an arrow where it leaves the plot."""
    low, high = ends
    if np.isnan(low):
        return
    axes.plot([low, high], [at, at], solid_capstyle="butt", **style)
    arrow: dict[str, Any] = {
        "color": style["color"],
        "ms": 5,
        "mec": "none",
        "clip_on": False,
        "zorder": 4,
    }
    if low < limits[0]:
        axes.plot(limits[0], at, "<", **arrow)
    if high > limits[1]:
        axes.plot(limits[1], at, ">", **arrow)


def _limits(rows: Sequence[Comparison], margin: float) -> tuple[float, float]:
    """What holds all differences, the margin, and the intervals and ranges that are not much wider
    than most: one wide interval would make the others too small to be seen."""
    reaches = []
    for row in rows:
        ends = (row.low_seen, row.high_seen, row.trainings_low, row.trainings_high)
        known = [abs(end) for end in ends if not np.isnan(end)]
        reaches.append(max(known, default=0.0))
    usual = USUAL * float(np.median(reaches)) if reaches else 0.0
    values = [-margin, margin]
    for row in rows:
        values.append(row.difference)
        for end in (row.low_seen, row.high_seen, row.trainings_low, row.trainings_high):
            values += [] if np.isnan(end) else [min(max(end, -usual), usual)]
    room = 0.1 * (max(values) - min(values))
    return min(values) - room, max(values) + room


def dice_bars(means: pd.DataFrame, general: str, specific: str, title: str) -> str:
    """Mean Dice of each model (columns) as a bar, and over it a point for each subject (rows).
    Coloured are the general model and the best specific one, if there is one."""
    models = list(means.columns)
    figure, axes = _rows(len(models))
    colours = {general: COLOURS[0], specific: COLOURS[5]}
    for n, model in enumerate(models):
        values = np.sort(means[model].to_numpy())
        mean = values.mean()
        axes.barh(n, mean, height=0.72, color=colours.get(model, OTHER), alpha=0.55, lw=0)
        axes.plot(
            values, n + _spread(len(values)), "o", ms=2.6, color="black", alpha=0.5, mec="none"
        )
        right = ("axes fraction", "data")
        axes.annotate(f"{mean:.3f}", (1.02, n), xycoords=right, fontsize=9, va="center")
    axes.set(yticks=range(len(models)), yticklabels=models, xlim=(0, 1.01))
    axes.set_xlabel("Dice")
    return svg(figure, title)


def paired(
    means: pd.DataFrame, rows: Sequence[Comparison], general: str, margin: float, title: str
) -> str:
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
    return svg(figure, title)


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
