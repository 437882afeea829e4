"""Time and peak memory of segmenting a whole volume, against stock nnU-Net and the bare network.

Takes a release (`datalad get models/phantom/general/release`). Two made volumes, of noise: a T2w
image of 64 × 320 × 320 voxels of 0.8 mm, and a head and neck of 192 × 256 × 256 of 1 mm. Ours is
`code/study segment`, the peer `nnUNetv2_predict_from_modelfolder` with one worker for reading and
one for writing; both start from a shell, on one thread of a CPU, once with one volume and once with
two: the difference is what a volume takes, the rest is the start. Bare are the passes of the
network alone: as many as there are tiles and mirrored copies, each as long as one takes.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import torch

CODE = Path(__file__).resolve().parents[1]
VOLUMES = {"T2w": ((64, 320, 320), 0.8), "head and neck": ((192, 256, 256), 1.0)}
"""Voxels (z, y, x) and their side in mm."""
MB = 1024
PASSES = 3
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
MEASURED = """\
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(json.loads(sys.argv[1]), capture_output=True, text=True)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, seconds, peak, done.stderr[-2000:]]))
"""


def measured(argv: list[str | Path]) -> tuple[float, float]:
    """Seconds and MB of a command, of its largest process; its failure ends the benchmark."""
    words = [sys.executable, "-P", "-c", MEASURED, json.dumps(list(map(str, argv)))]
    told = subprocess.run(
        words, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True
    )
    code, seconds, peak, complaint = json.loads(told.stdout)
    if code:
        raise click.ClickException(complaint)
    return seconds, peak / MB


def volume(path: Path, shape: tuple[int, int, int], side_mm: float) -> None:
    """Write an image of noise in RPI."""
    voxels = np.random.default_rng(1).integers(0, 1000, shape[::-1]).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([-side_mm, side_mm, side_mm, 1])), path)


def bare(weights: Path, shape: tuple[int, int, int], side_mm: float) -> float:
    """Seconds of the network's passes over a volume, tiles overlapping by half."""
    loader = runpy.run_path(str(weights.with_name("load.py")))  # of the release

    texts, checkpoints = loader["read"](weights)
    told = json.loads(texts["plans.json"])["configurations"]
    [(_, checkpoint)] = checkpoints.items()
    chosen = told[checkpoint["init_args"]["configuration"]]
    resampled = [round(n * side_mm / mm) for n, mm in zip(shape, chosen["spacing"])]
    tiles = 1
    for length, patch in zip(resampled, chosen["patch_size"]):
        tiles *= int(np.ceil(max(length - patch, 0) / (patch / 2))) + 1
    copies = 2 ** len(checkpoint["inference_allowed_mirroring_axes"] or ())
    torch.set_num_threads(1)
    model = loader["network"](weights).to(memory_format=torch.channels_last_3d)
    batch = torch.zeros(copies, 1, *chosen["patch_size"])
    with torch.inference_mode():
        model(batch)
        start = time.perf_counter()
        for _ in range(PASSES):
            model(batch)
    return tiles * (time.perf_counter() - start) / PASSES


Costs = tuple[float, float, float]
"""Seconds to start, seconds a volume, MB."""


def compared(
    release: Path, stock: Path, shape: tuple[int, int, int], side_mm: float
) -> tuple[Costs, Costs]:
    """What ours and the peer take."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        runs = []
        for count in (1, 2):
            images = folder / f"images{count}"
            images.mkdir()
            for number in range(count):
                volume(images / f"it{number}_0000.nii.gz", shape, side_mm)
            paths = sorted(images.iterdir())
            words = ["segment", "--model", release, "--out", folder / f"ours{count}", *paths]
            argv = ["nnUNetv2_predict_from_modelfolder", "-device", "cpu", "-f", "0", "-npp", "1"]
            argv += ["-nps", "1", "-i", images, "-o", folder / f"stock{count}", "-m", stock]
            runs.append((measured([CODE / "study", *words]), measured(argv)))
    one, two = runs
    costs = []
    for (seconds, _), (both, peak) in zip(one, two):
        costs.append((seconds - (both - seconds), both - seconds, peak))
    return costs[0], costs[1]


@click.command()
@click.option(
    "--release",
    default=CODE.parent / "models/phantom/general/release",
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a release whose content is here.",
)
def main(release: Path) -> None:
    """Print the table."""
    [weights] = release.glob("*.safetensors")
    [stock] = release.glob("*/nnUNetTrainer__*")
    heads = "".join(f"{head:>9}" for head in ("start s", "image s", "MB"))
    click.echo(f"{'':16}{'segment':>27}{'stock nnU-Net':>27}")
    click.echo(f"{'volume':16}{heads}{heads}{'bare s':>9}{'ratio':>9}")
    for name, (shape, side_mm) in VOLUMES.items():
        ours, peer = compared(release, stock, shape, side_mm)
        passes = bare(weights, shape, side_mm)
        cells = "".join(
            f"{start:9.1f}{image:9.1f}{peak:9.0f}" for start, image, peak in (ours, peer)
        )
        click.echo(f"{name:16}{cells}{passes:9.1f}{ours[1] / passes:9.2f}")


if __name__ == "__main__":
    main()
