"""Five models on six test sets in one process against thirty `nnUNetv2_predict` calls, and whether the masks agree.

Takes a finished phantom study (`make -C code demo`): its general and specific models and the first images of
each test set. Ours reads and preprocesses an image once for all models whose plans agree; nnU-Net's runs with
its usual workers and threads. Both start from a shell, on the CPU, mirror along the same axes and average.
nnU-Net keeps every component of a mask, ours the largest: theirs is reduced to it before masks are compared.
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


def models_of(study: Path) -> dict[str, Path]:
    """The folder of each model that the study's TOML names."""
    from cordstudy.study.loading import load_study

    value = load_study(study, "phantom")
    return {name: study / value.model(name) for name in value.models}


def images_of(study: Path, count: int, folder: Path) -> dict[str, Path]:
    """A folder with the first images of each test set."""
    found = {}
    for raw in sorted((study / "derivatives/phantom/nnunet-raw").glob("Dataset*")):
        images = sorted((raw / "imagesTs").glob("*_0000.nii.gz"))[:count]
        if images:
            name = raw.name.partition("_")[2]
            found[name] = folder / name
            found[name].mkdir(parents=True)
            for image in images:
                shutil.copyfile(image, found[name] / image.name)
    return found


def ours(
    models: dict[str, Path], testsets: dict[str, Path], out: Path, axes: tuple[int, ...]
) -> float:
    """Seconds of one process for everything."""
    images = [image for folder in testsets.values() for image in sorted(folder.iterdir())]
    masks = [
        [out / model / image.parent.name / image.name.replace("_0000", "") for model in models]
        for image in images
    ]
    script = (
        "import json, sys; from pathlib import Path; from cordstudy.pipeline.learning.predictor import predict_files\n"
        "models, images, masks, axes = map(json.loads, sys.argv[1:])\n"
        "predict_files([Path(p) for p in models], [Path(p) for p in images], [[Path(p) for p in m] for m in masks],\n"
        "              folds=[0], mirror_axes=axes, tile_step=0.5)\n"
    )
    words = (
        json.dumps(value, default=str) for value in (list(models.values()), images, masks, axes)
    )
    from cordstudy.base.determinism import CAPS, THREADS

    return timed([sys.executable, "-P", "-c", script, *words], CAPS | THREADS)


def theirs(
    models: dict[str, Path], testsets: dict[str, Path], out: Path, axes: tuple[int, ...]
) -> float:
    """Seconds of a call of `nnUNetv2_predict` for each model and test set."""
    seconds, tool = 0.0, str(Path(sys.executable).with_name("nnUNetv2_predict"))
    calls = [(model, testset) for model in models for testset in testsets]
    for number, (model, testset) in enumerate(calls, start=1):
        folder = models[model]
        dataset, trainer = folder.parent.name, folder.name.partition("__")[0]
        argv = [
            tool,
            "-i",
            str(testsets[testset]),
            "-o",
            str(out / model / testset),
            "-d",
            dataset[7:10],
            "-c",
            CONFIGURATION,
            "-tr",
            trainer,
            "-f",
            "0",
            "-device",
            "cpu",
            *(() if axes else ("--disable_tta",)),
        ]
        env = {
            f"nnUNet_{name}": str(folder.parents[1]) for name in ("raw", "preprocessed", "results")
        }
        taken = timed(argv, env)
        seconds += taken
        click.echo(f"nnUNetv2_predict {number} of {len(calls)}: {taken:.1f} s", err=True)
    return seconds


def timed(argv: list[str], env: dict[str, str]) -> float:
    """Seconds of a command; its failure ends the benchmark."""
    started = time.perf_counter()
    done = subprocess.run(argv, env=os.environ | env, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    return time.perf_counter() - started


def disagreeing(one: Path, other: Path) -> tuple[int, int, int]:
    """Masks in all, those that differ, and the voxels in which they do."""
    from cordstudy.pipeline.learning.predictor import largest_component

    paths = sorted(one.rglob("*.nii.gz"))
    voxels = []
    for path in paths:
        pair = [np.asanyarray(nib.load(p).dataobj) for p in (path, other / path.relative_to(one))]
        voxels.append(int((largest_component(pair[0] > 0) != largest_component(pair[1] > 0)).sum()))
    return len(paths), sum(n > 0 for n in voxels), sum(voxels)


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
        models, testsets = models_of(study), images_of(study, cases, folder / "images")
        own = ours(models, testsets, folder / "ours", axes)
        peer = theirs(models, testsets, folder / "theirs", axes)
        masks, differ, voxels = disagreeing(folder / "ours", folder / "theirs")
    calls = len(models) * len(testsets)
    click.echo(f"{'':44}{'s':>9}{'to ours':>9}")
    click.echo(
        f"{f'one process, {len(models)} models, {len(testsets)} test sets':44}{own:9.1f}{1:9.2f}"
    )
    click.echo(f"{f'{calls} calls of nnUNetv2_predict':44}{peer:9.1f}{peer / own:9.2f}")
    click.echo(
        f"{masks} masks, {'mirrored' if mirror else 'not mirrored'}: {differ} differ, in {voxels} voxels"
    )


if __name__ == "__main__":
    main()
