"""All measures of a case against what other tools make of it: values, time, and many cases.

The values are of several shapes by every tool, a table in markdown for docs/judging.md. Times are
of a cord in an image of 64 x 320 x 320 voxels of 0.8 mm, the prediction a little thinner and off,
arrays in memory, in turns, seconds of the processor; ours are all of `MEASURES`. panoptica wants an
older NumPy: it is asked in an environment of its own, where there is one.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import SimpleITK
import surface_distance
import torch
from medpy.metric import binary
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from nnunetv2.evaluation.evaluate_predictions import compute_tp_fp_fn_tn

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.evaluate import Pair, score
from cordstudy.pipeline.judging.masks import Mask
from cordstudy.pipeline.judging.measures import measure
from cordstudy.pipeline.raw.layout import RawCase

SHAPE, SPACING_MM, TOLERANCE_MM = (64, 320, 320), (0.8, 0.8, 0.8), 1.0
OURS = "here"
TITLES = ("Dice", "HD95", "ASSD", "NSD")
Values = dict[str, float]
Tool = Callable[[Mask, Mask, Sequence[float]], Values]
"""Its values of a prediction, its reference and their spacing, by title."""


@dataclass(frozen=True)
class Shape:
    """A prediction and its reference."""

    name: str
    pred: Mask
    ref: Mask
    spacing_mm: tuple[float, float, float]


def cord(
    *,
    off_mm: float,
    radius_mm: float,
    shape: Sequence[int] = SHAPE,
    spacing_mm: Sequence[float] = SPACING_MM,
) -> Mask:
    """An elliptic cord that winds along the third axis."""
    x, y, z = (np.arange(n) * mm for n, mm in zip(shape, spacing_mm))
    middle_x = shape[0] * spacing_mm[0] / 2
    middle_y = shape[1] * spacing_mm[1] / 2 + 10 * np.sin(z / 40) + off_mm
    wide = ((x[:, None, None] - middle_x) / 1.3) ** 2
    inside = wide + (y[None, :, None] - middle_y[None, None, :]) ** 2 <= radius_mm**2
    return np.asfortranarray(inside)


def shapes() -> Iterator[Shape]:
    """What tools are compared on."""
    ref = cord(off_mm=0.0, radius_mm=6.0)
    yield Shape("0.8 mm, thinner and off", cord(off_mm=0.7, radius_mm=5.5), ref, SPACING_MM)
    yield Shape("the same, one voxel off", np.roll(ref, 1, axis=1), ref, SPACING_MM)
    half = ref.copy()
    half[:, :, 160:] = False
    yield Shape("the same, half found", half, ref, SPACING_MM)
    thick = {"shape": (100, 140, 16), "spacing_mm": (0.5, 0.5, 5.0)}
    ref = cord(off_mm=0.0, radius_mm=6.0, **thick)
    pred = cord(off_mm=0.7, radius_mm=5.5, **thick)
    yield Shape("0.5 × 0.5 × 5 mm, thinner and off", pred, ref, (0.5, 0.5, 5.0))
    short = ref.copy()
    short[:, :, :2] = False
    yield Shape("the same, two slices short", short, ref, (0.5, 0.5, 5.0))
    voxel = np.zeros((6, 6, 6), bool)
    voxel[2, 2, 2] = True
    yield Shape("1 mm, one voxel beside another", np.roll(voxel, 1, axis=0), voxel, (1.0, 1.0, 1.0))
    noisy = (1.0000006, 1.0000006, 1.0000006)
    yield Shape("the same of 1.0000006 mm", np.roll(voxel, 1, axis=0), voxel, noisy)
    yield Shape("an empty prediction", voxel & False, voxel, (1.0, 1.0, 1.0))
    yield Shape("both empty", voxel & False, voxel & False, (1.0, 1.0, 1.0))


def ours(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
    values = measure(pred, ref, spacing_mm, nsd_tolerance_mm=TOLERANCE_MM)
    named = zip(TITLES, ("dice", "hd95_mm", "assd_mm", "nsd"))
    return {title: values[name] for title, name in named}


def deepmind(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
    distances = surface_distance.compute_surface_distances(ref, pred, spacing_mm)
    averages = surface_distance.compute_average_surface_distance(distances)
    return {
        "Dice": surface_distance.compute_dice_coefficient(ref, pred),
        "HD95": surface_distance.compute_robust_hausdorff(distances, 95),
        "ASSD": float(np.mean(averages)),
        "NSD": surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM),
    }


def medpy(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
    values = {"Dice": binary.dc(pred, ref)}
    values["HD95"] = _or_nan(lambda: binary.hd95(pred, ref, spacing_mm))
    values["ASSD"] = _or_nan(lambda: binary.assd(pred, ref, spacing_mm))
    return values


def _or_nan(function: Callable[[], float]) -> float:
    """A value, or nan where there is an error instead: MedPy's for empty masks."""
    try:
        return float(function())
    except RuntimeError:
        return math.nan


def monai(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
    both = [torch.from_numpy(np.ascontiguousarray(one))[None, None].float() for one in (pred, ref)]
    options = {"include_background": True, "spacing": list(map(float, spacing_mm))}
    hd95 = compute_hausdorff_distance(*both, percentile=95, **options)
    assd = compute_average_surface_distance(*both, symmetric=True, **options)
    nsd = compute_surface_dice(*both, [TOLERANCE_MM], use_subvoxels=True, **options)
    return {"HD95": float(hd95), "ASSD": float(assd), "NSD": float(nsd)}


def simpleitk(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(SimpleITK.GetImageFromArray(one.astype(np.uint8)) for one in (ref, pred)))
    return {"Dice": overlap.GetDiceCoefficient()}


def nnunet(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
    tp, fp, fn, _ = compute_tp_fp_fn_tn(ref, pred)
    total = 2 * tp + fp + fn
    return {"Dice": 2 * tp / total if total else math.nan}


ASKED = """
import json, sys, warnings
import numpy as np
from panoptica.metrics import Metric
warnings.simplefilter("ignore")
held = np.load(sys.argv[1])
pred, ref, spacing = (held[name] for name in ("pred", "ref", "spacing_mm"))
pred, ref, spacing = pred.astype(np.uint8), ref.astype(np.uint8), tuple(map(float, spacing))
told = {"Dice": Metric.DSC(ref, pred)}
for title, metric in (("HD95", Metric.HD95), ("ASSD", Metric.ASSD)):
    told[title] = metric(ref, pred, voxelspacing=spacing)
told["NSD"] = Metric.NSD(ref, pred, voxelspacing=spacing, threshold=float(sys.argv[2]))
json.dump({title: float(value) for title, value in told.items()}, sys.stdout)
"""


def panoptica(python: Path) -> Tool:
    """panoptica as the Python of another environment has it."""

    def asked(pred: Mask, ref: Mask, spacing_mm: Sequence[float]) -> Values:
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, pred=pred, ref=ref, spacing_mm=spacing_mm)
            file.flush()
            command = [python, "-c", ASKED, file.name, str(TOLERANCE_MM)]
            return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))

    return asked


TOOLS: dict[str, Tool] = {
    OURS: ours,
    "surface-distance": deepmind,
    "MONAI": monai,
    "MedPy": medpy,
    "SimpleITK": simpleitk,
    "nnU-Net": nnunet,
}
TIMED = {OURS: "all measures", "surface-distance": "its own", "MedPy": "Dice, hd95, assd"}


def compare_values(tools: dict[str, Tool]) -> None:
    """The table of values of each shape by each tool; bold where other than ours."""
    click.echo("| | | " + " | ".join(TITLES) + " |")
    click.echo("|---" * (len(TITLES) + 2) + "|")
    for shape in shapes():
        own = ours(shape.pred, shape.ref, shape.spacing_mm)
        for name, tool in tools.items():
            cells = _cells(tool, shape, own)
            label = shape.name if name == OURS else ""
            click.echo(f"| {label} | {name} | {' | '.join(cells)} |")


def _cells(tool: Tool, shape: Shape, own: Values) -> list[str]:
    try:
        values = tool(shape.pred, shape.ref, shape.spacing_mm)
    except Exception:  # what a tool does with such masks is what the table is about
        return ["**error**"] * len(TITLES)
    cells = []
    for title in TITLES:
        if title not in values:
            cells.append("–")
            continue
        told = f"{values[title]:.4f}"
        same = math.isclose(values[title], own[title], rel_tol=1e-4, abs_tol=1e-4)
        cells.append(told if same else f"**{told}**")
    return cells


def compare_times(rounds: int) -> None:
    """The table of one case: the processor's time for each of the tools with distances."""
    shape = next(shapes())
    times: dict[str, list[float]] = {name: [] for name in TIMED}
    for _ in range(rounds + 1):  # the first is to warm up
        for name in TIMED:
            started = time.process_time()
            TOOLS[name](shape.pred, shape.ref, shape.spacing_mm)
            times[name].append(1000 * (time.process_time() - started))
    base = statistics.median(times[OURS][1:])
    click.echo("\n| one case | ms | to ours |\n|---|---|---|")
    for name, taken in times.items():
        middle = statistics.median(taken[1:])
        click.echo(f"| {name}, {TIMED[name]} | {middle:,.0f} | {middle / base:.1f} |")


def compare_many(counts: Sequence[int]) -> None:
    """The table of many cases from files, as the `evaluate` step judges them."""
    case = RawCase(**{field.name: "" for field in fields(RawCase)})
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        reference = _write(Path(folder, "ref.nii.gz"), cord(off_mm=0.0, radius_mm=6.0))
        prediction = _write(Path(folder, "pred.nii.gz"), cord(off_mm=0.7, radius_mm=5.5))
        pair = Pair(
            model="model",
            replicate=1,
            case=case,
            reference=reference,
            prediction=prediction,
            others=Path(folder, "none.nii.gz"),
            keep=MISSING,
            nsd_tolerance_mm=TOLERANCE_MM,
            areas=True,
        )
        click.echo("\n| cases from files | cores | s | ms a case |\n|---|---|---|---|")
        for workers in sorted({1, cores}):
            with ProcessPoolExecutor(workers) as pool:
                list(pool.map(score, [pair] * workers))
                for count in counts:
                    started = time.perf_counter()
                    list(pool.map(score, [pair] * count, chunksize=8))
                    seconds = time.perf_counter() - started
                    each = 1000 * seconds / count
                    click.echo(f"| {count} | {workers} | {seconds:.1f} | {each:.0f} |")


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
@click.option(
    "--panoptica",
    "python",
    type=click.Path(path_type=Path, exists=True),
    help="Python of an environment that has panoptica.",
)
@click.option("--values-only", is_flag=True, help="No times.")
def main(rounds: int, counts: tuple[int, ...], python: Path | None, values_only: bool) -> None:
    """Print the tables, in markdown."""
    warnings.simplefilter("ignore")
    compare_values({**TOOLS, "panoptica": panoptica(python)} if python else TOOLS)
    if not values_only:
        compare_times(rounds)
        compare_many(counts)


if __name__ == "__main__":
    main()
