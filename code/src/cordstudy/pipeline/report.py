"""The page that people read: tables, a figure a test set, overlays.

Owns: figures and their place on one self-contained HTML page, the same bytes each time.
Does not own: any number on it (`evaluate`).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import jinja2
import matplotlib
import nibabel as nib
import numpy as np
import pandas as pd

from cordstudy.pipeline.leakage import read_comparisons, verdicts

matplotlib.use("agg")
from matplotlib import pyplot as plt

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito's palette, told apart with any colour vision."""
REFERENCE, GENERAL, SPECIFIC = "#ffffff", "#0072b2", "#e69f00"


@dataclass(frozen=True)
class TestSet:
    """One test set on the page."""

    name: str
    seen: bool
    participants: int
    cases: int
    best_specific: str
    figure: str
    overlay: str
    overlay_case: str


def matrix(summary: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice by model (rows) and test set (columns), in the order of the table."""
    table = summary.pivot(index="model", columns="testset", values="dice")
    return table.loc[list(dict.fromkeys(summary["model"])), list(dict.fromkeys(summary["testset"]))]


def best_specific(means: pd.Series, general: str) -> str:
    """The specific model with the highest mean Dice on one test set; empty where there is none."""
    specific = means.drop(general)
    return str(specific.idxmax()) if len(specific) else ""


def write_report(
    cases: Path,
    summary: Path,
    datasets: Sequence[Path],
    predictions: Sequence[Path],
    *,
    comparisons: Path,
    margin: float,
    leakage: Path,
    general: str,
    title: str,
    out: Path,
) -> None:
    """Write the page to `out`; `general` is the model that the others are compared with."""
    scores, means = pd.read_csv(cases, sep="\t"), pd.read_csv(summary, sep="\t")
    scores = scores[scores["replicate"] == 1]
    table = matrix(means)
    masks = {folder.name: folder for folder in predictions}
    raw = {folder.name.partition("_")[2]: folder for folder in datasets}
    sets = []
    for name in table.columns:
        rows = scores[scores["testset"] == name]
        best = best_specific(table[name], general)
        shown = _median_case(rows[rows["model"] == general])
        compared = {"reference": raw[name] / "labelsTs", general: masks[general] / name}
        if best:
            compared[best] = masks[best] / name
        counts = means[(means["testset"] == name) & (means["model"] == general)].iloc[0]
        sets.append(TestSet(
            name=name, seen=name in table.index, participants=int(counts["participants"]), cases=int(counts["cases"]),
            best_specific=best, figure=_dice_figure(rows, list(table.index)),
            overlay=_overlay(raw[name] / "imagesTs", compared, shown), overlay_case=shown,
        ))  # fmt: skip
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        title=title,
        table=table,
        sets=sets,
        general=general,
        leakage=verdicts(read_comparisons(leakage)),
        comparisons=list(pd.read_csv(comparisons, sep="\t").itertuples()),
        margin=margin,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page)


def _median_case(rows: pd.DataFrame) -> str:
    """The case whose Dice lies in the middle: neither the best nor the worst to show."""
    ordered = rows.sort_values(["dice", "case_id"])
    return str(ordered["case_id"].iloc[len(ordered) // 2])


def _png(figure) -> str:
    """A figure as a data URI. No date or version is stored in it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=80, metadata={"Software": None})
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _dice_figure(rows: pd.DataFrame, models: Sequence[str]) -> str:
    """Dice of every case, one column a model, the mean over participants as a bar."""
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for n, model in enumerate(models):
        own = rows[rows["model"] == model].sort_values("case_id")
        spread = np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else np.zeros(1)
        axes.plot(n + spread, own["dice"], "o", ms=4, alpha=0.7, color=COLOURS[n % len(COLOURS)], mec="none")
        mean = own.groupby("participant_id")["dice"].mean().mean()
        axes.plot([n - 0.32, n + 0.32], [mean, mean], color="black", lw=2)
        axes.annotate(f"{mean:.2f}", (n + 0.34, mean), fontsize=8, va="center")
    axes.set(
        xticks=range(len(models)), xticklabels=models, ylim=(-0.03, 1.03), ylabel="Dice", xlim=(-0.6, len(models) - 0.3)
    )
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def _overlay(images: Path, masks: dict[str, Path], case: str) -> str:
    """Axial slices of one case with the outline of each mask, at a quarter, half and three
    quarters of the cord's extent."""
    image = nib.load(images / f"{case}_0000.nii.gz")
    voxels = np.asanyarray(image.dataobj)
    found = {name: np.asanyarray(nib.load(folder / f"{case}.nii.gz").dataobj) > 0 for name, folder in masks.items()}
    reference = found["reference"]
    slices = np.flatnonzero(reference.any(axis=(0, 1)))
    shown = [slices[len(slices) * quarter // 4] for quarter in (1, 2, 3)]
    zooms = image.header.get_zooms()
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
    for place, k in zip(axes, shown):
        box = _box(reference[:, :, k], zooms)
        window = voxels[box][:, :, k].astype(float)
        place.imshow(window.T, cmap="gray", origin="lower", aspect=zooms[1] / zooms[0],
                     vmin=np.percentile(window, 1), vmax=np.percentile(window, 99.5))  # fmt: skip
        for (_, mask), colour, style in zip(found.items(), (REFERENCE, GENERAL, SPECIFIC), ("-", "-", "--")):
            if mask[box][:, :, k].any():
                place.contour(mask[box][:, :, k].T, levels=[0.5], colors=[colour], linewidths=1.6, linestyles=style)
        place.set(xticks=[], yticks=[], title=f"slice {k}")
    return _png(figure)


def _box(reference: np.ndarray, zooms: Sequence[float]) -> tuple[slice, slice]:
    """A window of 60 mm about the cord in one slice."""
    centre = np.argwhere(reference).mean(axis=0)
    half = [30 / zoom for zoom in zooms[:2]]
    return tuple(
        slice(max(0, int(c - h)), min(size, int(c + h) + 1)) for c, h, size in zip(centre, half, reference.shape)
    )


@click.command("report")
@click.argument("cases", type=click.Path(path_type=Path, exists=True))
@click.argument("summary", type=click.Path(path_type=Path, exists=True))
@click.option("--dataset", "datasets", multiple=True, required=True, type=click.Path(path_type=Path, exists=True),
              help="nnU-Net raw dataset with a test part; repeatable.")  # fmt: skip
@click.option("--predictions", multiple=True, required=True, type=click.Path(path_type=Path, exists=True),
              help="Folder of one model's masks; repeatable.")  # fmt: skip
@click.option(
    "--comparisons", required=True, type=click.Path(path_type=Path, exists=True), help="Table of differences."
)
@click.option("--margin", required=True, type=float, help="Margin of equivalence that the table was made with.")
@click.option("--leakage", required=True, type=click.Path(path_type=Path, exists=True), help="Table of comparisons.")
@click.option("--general", required=True, help="The model that the others are compared with.")
@click.option("--title", required=True, help="Title of the page.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Page to write.")
def command(cases, summary, datasets, predictions, comparisons, margin, leakage, general, title, out) -> None:
    """Write the page about the tables CASES and SUMMARY."""
    write_report(
        cases, summary, datasets, predictions, comparisons=comparisons, margin=margin, leakage=leakage, general=general,
        title=title, out=out,
    )  # fmt: skip
