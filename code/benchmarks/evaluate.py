"""All measures of a case against what others need for theirs, and of many cases on one and more cores.

A cord in an image of 64 x 320 x 320 voxels of 0.8 mm, the prediction a little thinner and off. Ours are
all of `Measures`; DeepMind's surface-distance computes its surface distances, and from them robust
Hausdorff, surface Dice and average distance; MedPy its hd95 and assd. Arrays are in memory, in turns.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import surface_distance
from medpy.metric import binary

from cordstudy.pipeline.judging.evaluate import Pair, score
from cordstudy.pipeline.judging.measures import measure

SHAPE, SPACING_MM, TOLERANCE_MM = (64, 320, 320), (0.8, 0.8, 0.8), 1.0


def cord(*, off_mm: float, radius_mm: float) -> np.ndarray:
    """An elliptic cord that winds along the third axis."""
    x, y, z = np.meshgrid(*(np.arange(n) * mm for n, mm in zip(SHAPE, SPACING_MM)), indexing="ij")
    centre = SHAPE[1] * SPACING_MM[1] / 2 + 10 * np.sin(z / 40) + off_mm
    return np.asfortranarray(
        ((x - SHAPE[0] * SPACING_MM[0] / 2) / 1.3) ** 2 + (y - centre) ** 2 <= radius_mm**2
    )


def ours(pred: np.ndarray, ref: np.ndarray) -> dict[str, float]:
    found = measure(pred, ref, SPACING_MM, nsd_tolerance_mm=TOLERANCE_MM)
    return {"Dice": found.dice, "HD95": found.hd95_mm, "ASSD": found.assd_mm, "NSD": found.nsd}


def deepmind(pred: np.ndarray, ref: np.ndarray) -> dict[str, float]:
    found = surface_distance.compute_surface_distances(ref, pred, SPACING_MM)
    return {
        "HD95": surface_distance.compute_robust_hausdorff(found, 95),
        "ASSD": float(np.mean(surface_distance.compute_average_surface_distance(found))),
        "NSD": surface_distance.compute_surface_dice_at_tolerance(found, TOLERANCE_MM),
    }


def medpy(pred: np.ndarray, ref: np.ndarray) -> dict[str, float]:
    return {"HD95": binary.hd95(pred, ref, SPACING_MM), "ASSD": binary.assd(pred, ref, SPACING_MM)}


IMPLEMENTATIONS: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, float]]] = {
    "ours, all measures": ours,
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
    base = statistics.median(times["ours, all measures"])
    columns = list(values["ours, all measures"])
    click.echo(
        f"{'one case':28}{'ms':>9}{'to ours':>9}" + "".join(f"{name:>9}" for name in columns)
    )
    for name, taken in times.items():
        middle = statistics.median(taken)
        cells = (f"{values[name][m]:9.4f}" if m in values[name] else f"{'':9}" for m in columns)
        click.echo(f"{name:28}{middle:9.1f}{middle / base:9.2f}" + "".join(cells))


def compare_many(counts: tuple[int, ...]) -> None:
    """The table of many cases from files, as the `evaluate` step judges them."""
    row = {
        name: ""
        for name in (
            "dataset",
            "case_id",
            "participant_id",
            "session",
            "contrast",
            "vendor",
            "pathology",
            "label_origin",
        )
    }
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "ref.nii.gz"), Path(folder, "pred.nii.gz")
        for path, one in zip(
            paths, (cord(off_mm=0.0, radius_mm=6.0), cord(off_mm=0.7, radius_mm=5.5))
        ):
            nib.Nifti1Image(one.astype(np.uint8), np.diag([*SPACING_MM, 1])).to_filename(path)
        pair = Pair("model", 1, row, *paths, TOLERANCE_MM)
        click.echo(f"\n{'cases from files':>16}{'cores':>7}{'s':>9}{'ms a case':>11}")
        for workers in sorted({1, cores}):
            with ProcessPoolExecutor(workers) as pool:
                list(pool.map(score, [pair] * workers))
                for count in counts:
                    started = time.perf_counter()
                    list(pool.map(score, [pair] * count, chunksize=8))
                    seconds = time.perf_counter() - started
                    click.echo(f"{count:16}{workers:7}{seconds:9.2f}{1000 * seconds / count:11.1f}")


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
