"""All measures of a case against what others need for theirs, and of many cases on several cores.

A cord in an image of 64 x 320 x 320 voxels of 0.8 mm, the prediction a little thinner and off. Ours
are all of `MEASURES`; DeepMind's surface-distance computes its surface distances, and from them
robust Hausdorff, surface Dice and average distance; MedPy its hd95 and assd. Arrays are in memory,
in turns.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import surface_distance
from medpy.metric import binary

from cordstudy.pipeline.judging.evaluate import Pair, score
from cordstudy.pipeline.judging.masks import Mask
from cordstudy.pipeline.judging.measures import measure
from cordstudy.pipeline.raw.layout import RawCase

SHAPE, SPACING_MM, TOLERANCE_MM = (64, 320, 320), (0.8, 0.8, 0.8), 1.0
OURS = "ours, all measures"


def cord(*, off_mm: float, radius_mm: float) -> Mask:
    """An elliptic cord that winds along the third axis."""
    axes = [np.arange(n) * mm for n, mm in zip(SHAPE, SPACING_MM)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    middle_x = SHAPE[0] * SPACING_MM[0] / 2
    middle_y = SHAPE[1] * SPACING_MM[1] / 2 + 10 * np.sin(z / 40) + off_mm
    inside = ((x - middle_x) / 1.3) ** 2 + (y - middle_y) ** 2 <= radius_mm**2
    return np.asfortranarray(inside)


def ours(pred: Mask, ref: Mask) -> dict[str, float]:
    values = measure(pred, ref, SPACING_MM, nsd_tolerance_mm=TOLERANCE_MM)
    named = {"Dice": "dice", "HD95": "hd95_mm", "ASSD": "assd_mm", "NSD": "nsd"}
    return {title: values[name] for title, name in named.items()}


def deepmind(pred: Mask, ref: Mask) -> dict[str, float]:
    distances = surface_distance.compute_surface_distances(ref, pred, SPACING_MM)
    averages = surface_distance.compute_average_surface_distance(distances)
    return {
        "HD95": surface_distance.compute_robust_hausdorff(distances, 95),
        "ASSD": float(np.mean(averages)),
        "NSD": surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
    }


def medpy(pred: Mask, ref: Mask) -> dict[str, float]:
    return {"HD95": binary.hd95(pred, ref, SPACING_MM), "ASSD": binary.assd(pred, ref, SPACING_MM)}


IMPLEMENTATIONS: dict[str, Callable[[Mask, Mask], dict[str, float]]] = {
    OURS: ours,
    "surface-distance, its own": deepmind,
    "MedPy, hd95 and assd": medpy,
}


def compare_one(rounds: int) -> None:
    """The table of one case: time and values of each implementation."""
    pred, ref = cord(off_mm=0.7, radius_mm=5.5), cord(off_mm=0.0, radius_mm=6.0)
    times: dict[str, list[float]] = {name: [] for name in IMPLEMENTATIONS}
    values = {name: function(pred, ref) for name, function in IMPLEMENTATIONS.items()}
    for _ in range(rounds):
        for name, function in IMPLEMENTATIONS.items():
            started = time.perf_counter()
            function(pred, ref)
            times[name].append(1000 * (time.perf_counter() - started))
    base = statistics.median(times[OURS])
    columns = list(values[OURS])
    titles = "".join(f"{title:>9}" for title in columns)
    click.echo(f"{'one case':28}{'ms':>9}{'to ours':>9}{titles}")
    for name, taken in times.items():
        middle = statistics.median(taken)
        cells = "".join(_cell(values[name].get(title)) for title in columns)
        click.echo(f"{name:28}{middle:9.1f}{middle / base:9.2f}{cells}")


def _cell(value: float | None) -> str:
    return " " * 9 if value is None else f"{value:9.4f}"


def compare_many(counts: Sequence[int]) -> None:
    """The table of many cases from files, as the `evaluate` step judges them."""
    case = RawCase(**{field.name: "" for field in fields(RawCase)})
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        reference = _write(Path(folder, "ref.nii.gz"), cord(off_mm=0.0, radius_mm=6.0))
        prediction = _write(Path(folder, "pred.nii.gz"), cord(off_mm=0.7, radius_mm=5.5))
        pair = Pair("model", 1, case, reference, prediction, TOLERANCE_MM)
        click.echo(f"\n{'cases from files':>16}{'cores':>7}{'s':>9}{'ms a case':>11}")
        for workers in sorted({1, cores}):
            with ProcessPoolExecutor(workers) as pool:
                list(pool.map(score, [pair] * workers))
                for count in counts:
                    started = time.perf_counter()
                    list(pool.map(score, [pair] * count, chunksize=8))
                    seconds = time.perf_counter() - started
                    click.echo(f"{count:16}{workers:7}{seconds:9.2f}{1000 * seconds / count:11.1f}")


def _write(path: Path, mask: Mask) -> Path:
    image = nib.Nifti1Image(mask.astype(np.uint8), np.diag([*SPACING_MM, 1]))
    image.to_filename(path)
    return path


@click.command()
@click.option(
    "--rounds", default=7, show_default=True, help="Turns of each implementation; medians count."
)
@click.option(
    "--cases",
    "counts",
    multiple=True,
    default=(50, 100, 200),
    show_default=True,
    help="Repeatable.",
)
def main(rounds: int, counts: tuple[int, ...]) -> None:
    """Print the tables."""
    compare_one(rounds)
    compare_many(counts)


if __name__ == "__main__":
    main()
