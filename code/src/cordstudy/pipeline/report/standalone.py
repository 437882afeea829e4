"""Two pictures that are understood without the page: for a README, a talk, a message.

Owns: what stands on the forest plot and on the segmentation, as PNG on white: the same bytes each
time.
Does not own: how a difference or a slice is drawn (`figures`, `pictures`), or which comparisons
the answer rests on (`judging.answer`).
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cordstudy.pipeline.judging.answer import deciding
from cordstudy.pipeline.judging.comparisons import Comparison
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.report.figures import (
    COLOURS,
    RETRAINED,
    SEEN_PT,
    draw_differences,
    lines_plot,
    png,
    rows_of_panels,
)
from cordstudy.pipeline.report.gallery import Gallery, Shown
from cordstudy.pipeline.report.pictures import OUTLINES, Picture, draw_slice, quarters

WIDTH_IN, DPI = 8.0, 150
"""Twice as many pixels as a git host's page shows."""
WARNING = "#b00020"
"""The colour of what must not be overlooked, as on the page."""
WINDOW_MM = 36.0
WIDTHS = {"reference": 4.5, "general": 2.2, "specific": 2.2}
"""Of outlines, in points: that of the reference is seen below the others."""
CASES = 3
"""The most cases that the segmentation shows, each of another test set."""
KEY: dict[str, Any] = {"fontsize": 9, "ncols": 2, "frameon": False, "columnspacing": 1.4}
"""How the key below a picture looks."""


def forest_picture(
    comparisons: Sequence[Comparison], settings: Settings, *, warning: str = ""
) -> bytes:
    """The differences that the answer rests on, the primary ones first. A `warning` of a few words
    stands in place of the title."""
    rows = deciding(comparisons)
    figure, axes = lines_plot(len(rows), width_in=WIDTH_IN, height_in=0.45 * len(rows) + 1.9)
    draw_differences(axes, rows, settings.margin)
    names = []
    for row in rows:
        names.append(f"on {row.testset}, n = {row.subjects}\nminus {row.specific}’s model")
    axes.set(yticks=range(len(rows)), yticklabels=names)
    axes.set_xlabel(f"difference of mean Dice (right of 0, {settings.general} is better)")
    for n, row in enumerate(rows):
        _tell_beside(axes, (1.02, n), _numbers(row))
    if rows:
        _tell_beside(axes, (1.02, -0.8), "difference,\ninterval of the test", weight="bold")
    title, colour = _forest_title(settings), "black"
    if warning:
        title, colour = f"{warning}:\nthese differences cannot be trusted", WARNING
    figure.suptitle(title, fontsize=11, fontweight="bold", color=colour)
    figure.legend(handles=_forest_key(settings), loc="outside lower center", **KEY)
    return png(figure, dpi=DPI)


def _forest_title(settings: Settings) -> str:
    if not settings.specifics:
        return f"{_study(settings)}: no specific model to compare with"
    return (
        f"Does training on several datasets help? {_study(settings)}\n"
        f"Dice of {settings.general} minus that of a model trained on a single dataset"
    )


def _study(settings: Settings) -> str:
    synthetic = any(dataset.phantom for dataset in settings.datasets)
    study = f"{settings.study.capitalize()} study"
    return f"{study} (synthetic images)" if synthetic else study


def _numbers(row: Comparison) -> str:
    """A difference and the interval of its test."""
    interval = "n too small"
    if not math.isnan(row.low_seen):
        interval = f"{row.low_seen:+.3f} to {row.high_seen:+.3f}"
    return f"{row.difference:+.3f}\n{interval}".replace("-", "−")


def _tell_beside(
    axes: Axes, place: tuple[float, float], words: str, *, weight: str = "normal"
) -> None:
    """Words right of a plot, at a line of it."""
    axes.annotate(
        words,
        place,
        xycoords=("axes fraction", "data"),
        fontsize=9,
        fontweight=weight,
        va="center",
        annotation_clip=False,
    )


def _forest_key(settings: Settings) -> list[Line2D]:
    return [
        _point(COLOURS[0], "primary: seen by no model; minus the best specific"),
        _point("white", "secondary: own ground; minus the model trained there"),
        Line2D([], [], **RETRAINED, label="range when both are trained again: over 0, not shown"),
        Line2D([], [], color=COLOURS[0], lw=SEEN_PT, label="interval of the test"),
        Line2D([], [], color=COLOURS[0], lw=0.8, label="with failures too rare to be seen"),
        Line2D([], [], color="#cccccc", lw=8, label=f"±{settings.margin}: called equivalent"),
    ]


def _point(fill: str, label: str) -> Line2D:
    edge = COLOURS[0]
    return Line2D([], [], ls="", marker="d", ms=9, mec=edge, mfc=fill, mew=1.2, label=label)


def segmentation_picture(gallery: Gallery) -> bytes:
    """Slices of the middle case of each unseen test set (of any, where none is unseen), with the
    outlines of the reference and of two models."""
    return _outlines(gallery, _unseen_cases(gallery), which="median")


def worst_picture(gallery: Gallery) -> bytes:
    """Likewise of the case with the lowest Dice of the general model of all."""
    return _outlines(gallery, [gallery.shown(gallery.worst_names()[0])], which="lowest")


def _outlines(gallery: Gallery, cases: Sequence[Shown], *, which: str) -> bytes:
    """Slices of some cases, with outlines; `which` Dice they have among those of their test set."""
    figure, parts = rows_of_panels(len(cases), width_in=WIDTH_IN, row_in=3.0)
    for case, part in zip(cases, parts, strict=True):
        _draw_case(part, case, gallery.picture(case), which)
    figure.suptitle(_segmentation_title(gallery.settings), fontsize=11, fontweight="bold")
    figure.legend(handles=_outline_key(cases[0]), loc="outside lower center", **KEY)
    return png(figure, dpi=DPI)


def _unseen_cases(gallery: Gallery) -> list[Shown]:
    cases = [gallery.shown(name) for name in gallery.middle_names()]
    unseen = [case for case in cases if case.testset in gallery.settings.unseen]
    return (unseen or cases)[:CASES]


def _segmentation_title(settings: Settings) -> str:
    return (
        f"{_study(settings)}: the {settings.task.structure} as models outline it, in axial slices"
    )


def _draw_case(part: Figure, case: Shown, picture: Picture, which: str) -> None:
    """Three slices beside each other, and what they are of."""
    drawn = set()
    panels: list[Axes] = list(part.subplots(1, 3))
    for k, axes in zip(quarters(picture), panels, strict=True):
        drawn |= draw_slice(axes, picture, k, window_mm=WINDOW_MM, widths=WIDTHS)
        axes.set_title(f"slice {k}", fontsize=8)
    part.suptitle(_case_title(case, drawn, which), fontsize=10)


def _case_title(case: Shown, drawn: Container[str], which: str) -> str:
    """Which case it is, and its Dice; said where a model's mask is not in view."""
    dice = f"Dice of {case.general} {case.dice[case.general]:.3f}{_unseen(drawn, 'general')}"
    if case.specific:
        dice += f", of the best specific model ({case.specific}) {case.dice[case.specific]:.3f}"
        dice += _unseen(drawn, "specific")
    return f"{case.testset}, the case with the {which} Dice of {case.general}\n{dice}"


def _unseen(drawn: Container[str], name: str) -> str:
    return "" if name in drawn else ", not in view"


def _outline_key(case: Shown) -> list[Line2D]:
    words = {"reference": "reference", "general": case.general}
    if case.specific:
        words["specific"] = "best specific model of the test set"
    key = []
    for name, label in words.items():
        colour, style = OUTLINES[name]
        key.append(Line2D([], [], color=colour, ls=style, lw=3, label=label))
    return key
