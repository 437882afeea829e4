"""Five models on six test sets in one process against thirty calls of `nnUNetv2_predict`, and
whether the masks agree.

Takes a finished phantom study (`make -C code demo`): its general and specific models and the first
images of each test set. Ours reads and preprocesses an image once for all models whose plans agree;
nnU-Net's runs with its usual workers and threads. Both start from a shell, on the CPU, mirror along
the same axes and average. nnU-Net keeps every component of a mask, ours the largest: theirs is
reduced to it before masks are compared.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import nibabel as nib
import numpy as np

CODE = Path(__file__).resolve().parents[1]
CONFIGURATION = "3d_fullres"
FOLDERS = ("raw", "preprocessed", "results")
OURS = """\
import json, sys
from pathlib import Path
from cordstudy.pipeline.learning.predictor import predict_files
models, images, masks, axes = map(json.loads, sys.argv[1:])
predict_files(
    [Path(path) for path in models],
    [Path(path) for path in images],
    [[Path(path) for path in paths] for paths in masks],
    folds=[0],
    mirror_axes=axes,
    tile_step=0.5,
)
"""


def named_models(root: Path) -> dict[str, Path]:
    """The folder of each model that the study's TOML names."""
    from cordstudy.study.layout import Layout
    from cordstudy.study.loading import load_study
    from cordstudy.study.models import models_of

    study = load_study(root, "phantom")
    models = models_of(study)
    return {name: root / Layout(study).model(models[name]) for name in study.models}


def first_images(study: Path, count: int, folder: Path) -> dict[str, Path]:
    """A folder with the first images of each test set."""
    testsets = {}
    for raw in sorted((study / "derivatives/phantom/nnunet-raw").glob("Dataset*")):
        images = sorted((raw / "imagesTs").glob("*_0000.nii.gz"))[:count]
        if not images:
            continue
        name = raw.name.partition("_")[2]
        testsets[name] = folder / name
        testsets[name].mkdir(parents=True)
        for image in images:
            shutil.copyfile(image, testsets[name] / image.name)
    return testsets


def ours(
    models: dict[str, Path], testsets: dict[str, Path], out: Path, axes: tuple[int, ...]
) -> float:
    """Seconds of one process for everything."""
    from cordstudy.base.determinism import CAPS, THREADS

    images, masks = [], []
    for testset, folder in testsets.items():
        for image in sorted(folder.iterdir()):
            mask = image.name.replace("_0000", "")
            images.append(image)
            masks.append([out / model / testset / mask for model in models])
    argv = [sys.executable, "-P", "-c", OURS]
    for value in (list(models.values()), images, masks, axes):
        argv.append(json.dumps(value, default=str))
    return timed(argv, CAPS | THREADS)


def theirs(
    models: dict[str, Path], testsets: dict[str, Path], out: Path, axes: tuple[int, ...]
) -> float:
    """Seconds of a call of `nnUNetv2_predict` for each model and test set."""
    seconds, number, calls = 0.0, 0, len(models) * len(testsets)
    for model, folder in models.items():
        places = {f"nnUNet_{name}": str(folder.parents[1]) for name in FOLDERS}
        for testset, images in testsets.items():
            argv = nnunet_call(folder, images, out / model / testset, mirror=bool(axes))
            taken = timed(argv, places)
            seconds += taken
            number += 1
            click.echo(f"nnUNetv2_predict {number} of {calls}: {taken:.1f} s", err=True)
    return seconds


def nnunet_call(model: Path, images: Path, out: Path, *, mirror: bool) -> list[str]:
    """The command that predicts the images of a folder by one model."""
    trainer = model.name.partition("__")[0]
    number = model.parent.name.removeprefix("Dataset").partition("_")[0]
    argv = [str(Path(sys.executable).with_name("nnUNetv2_predict"))]
    argv += ["-i", str(images), "-o", str(out), "-d", number, "-c", CONFIGURATION]
    argv += ["-tr", trainer, "-f", "0", "-device", "cpu"]
    return argv if mirror else [*argv, "--disable_tta"]


def timed(argv: list[str], env: dict[str, str]) -> float:
    """Seconds of a command; its failure ends the benchmark."""
    started = time.perf_counter()
    done = subprocess.run(argv, env=os.environ | env, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    return time.perf_counter() - started


def disagreeing(one: Path, other: Path) -> tuple[int, int, int]:
    """Masks in all, those that differ, and the voxels in which they do."""
    from cordstudy.pipeline.raw.components import largest_component

    paths = sorted(one.rglob("*.nii.gz"))
    masks = voxels = 0
    for path in paths:
        mine = np.asanyarray(nib.load(path).dataobj)
        other_mask = np.asanyarray(nib.load(other / path.relative_to(one)).dataobj)
        apart = largest_component(mine > 0) != largest_component(other_mask > 0)
        masks += int(apart.any())
        voxels += int(apart.sum())
    return len(paths), masks, voxels


@click.command()
@click.option(
    "--study",
    default=CODE.parent / "demo",
    show_default=True,
    help="A finished phantom study.",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@click.option("--cases", default=2, show_default=True, help="Images of each test set.")
@click.option(
    "--mirror/--no-mirror", default=True, show_default=True, help="Average over mirrored copies."
)
def main(study: Path, cases: int, mirror: bool) -> None:
    """Print the table."""
    axes = (0, 1, 2) if mirror else ()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models, testsets = named_models(study), first_images(study, cases, folder / "images")
        own = ours(models, testsets, folder / "ours", axes)
        peer = theirs(models, testsets, folder / "theirs", axes)
        masks, differ, voxels = disagreeing(folder / "ours", folder / "theirs")
    process = f"one process, {len(models)} models, {len(testsets)} test sets"
    calls = f"{len(models) * len(testsets)} calls of nnUNetv2_predict"
    click.echo(f"{'':44}{'s':>9}{'to ours':>9}")
    click.echo(f"{process:44}{own:9.1f}{1:9.2f}")
    click.echo(f"{calls:44}{peer:9.1f}{peer / own:9.2f}")
    how = "mirrored" if mirror else "not mirrored"
    click.echo(f"{masks} masks, {how}: {differ} differ, in {voxels} voxels")


if __name__ == "__main__":
    main()
