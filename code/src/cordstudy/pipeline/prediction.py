"""The `predict` step: every test set of a study by one model.

Owns: which image becomes which mask. Does not own: inference (`predictor`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the masks, one folder a test set."
)
@click.option("--fold", "folds", multiple=True, required=True, type=int, help="A fold to average over; repeatable.")
@click.option("--mirror", "mirror_axes", multiple=True, type=int, help="Axis (0, 1, 2: z, y, x) to mirror; repeatable.")
@click.option("--tile-step", required=True, type=float, help="Distance of tiles as a share of the patch.")
@click.option("--identical", required=True, type=click.Choice(["here", "anywhere"]),
              help="The same bytes on this kind of processor, or on any with AVX2.")  # fmt: skip
def command(
    model: Path, datasets: tuple[Path, ...], out: Path, folds, mirror_axes, tile_step: float, identical: str
) -> None:
    """Segment the test images of nnU-Net raw DATASETS with the trained MODEL.

    `--identical` is heeded before this module is imported (`determinism`).
    """
    from cordstudy.pipeline.predictor import predict_files  # nnU-Net: 5 s to import

    images, masks = [], []
    for dataset in datasets:
        testset = dataset.name.partition("_")[2]
        shutil.rmtree(out / testset, ignore_errors=True)
        for image in sorted((dataset / "imagesTs").glob("*_0000.nii.gz")):
            images.append(image)
            masks.append([out / testset / image.name.replace("_0000.nii.gz", ".nii.gz")])
    predict_files([model], images, masks, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
