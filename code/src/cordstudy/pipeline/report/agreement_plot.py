"""The Bland-Altman plot of a test set.

Owns: how errors of cross-sectional area and their limits become a plot.
Does not own: the limits (`judging.agreement`), or settings and colours of plots (`figures`).
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from cordstudy.pipeline.judging.agreement import ERROR, Agreement
from cordstudy.pipeline.report.figures import COLOURS, empty_plot, svg

HEIGHT_IN = 2.7


def agreement_plot(cases: pd.DataFrame, row: Agreement, title: str) -> str:
    """Error of each image against the mean of both areas: a point is an image, the full line the
    bias, the dashed ones the limits, each with its interval as a band.

    The mean of both is the reference's area and half the error more: the error is of the slices in
    which the structure was found.
    """
    figure, axes = empty_plot(height_in=HEIGHT_IN)
    known = cases[cases[ERROR].notna()]
    means_mm2 = known["csa_ref_mm2"] + known[ERROR] / 2
    axes.plot(means_mm2, known[ERROR], "o", ms=5, alpha=0.6, color=COLOURS[0], mec="none")
    axes.axhline(0, color="black", lw=0.8)
    _line(axes, row.bias, row.bias_low, row.bias_high, "-")
    _line(axes, row.upper, row.upper_low, row.upper_high, "--")
    _line(axes, row.lower, row.lower_low, row.lower_high, "--")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("mean of both areas, mm²")
    axes.set_ylabel("prediction minus reference, mm²")
    return svg(figure, title)


def _line(axes: Axes, value: float, low: float, high: float, style: str) -> None:
    """A bias or a limit with its interval, where there is one."""
    if not math.isnan(value):
        axes.axhline(value, color=COLOURS[5], lw=1.5, ls=style)
    if not math.isnan(low):
        axes.axhspan(low, high, color=COLOURS[5], alpha=0.12, lw=0)
