"""The `predict` step: every test set of a study by one model.

Owns: which image becomes which mask, and what of an earlier run is removed.
Does not own: inference (`predictor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.outputs import check_own, remove_own

IMAGE_SUFFIX = ".nii.gz"
CHANNEL_SUFFIX = "_0000.nii.gz"
"""How the name of a case's only channel ends."""


@dataclass(frozen=True)
class Masks:
    """The names of the masks of a test set, whichever cases it had when they were made."""

    testset: str

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or "/" in name:
            return False
        return name.startswith(f"{self.testset}_") and name.endswith(IMAGE_SUFFIX)


def testset_of(dataset: Path) -> str:
    """The name of a raw dataset's test set. Raises StudyError for a folder that is not named as
    nnU-Net has it."""
    testset = dataset.resolve().name.partition("_")[2]
    if not testset:
        raise StudyError(
            f"{dataset}: no raw dataset",
            hint="its folder is named as nnU-Net has it: Dataset501_name",
        )
    return testset


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the masks, one folder a test set.",
)
@click.option(
    "--fold",
    "folds",
    multiple=True,
    required=True,
    type=int,
    help="A fold to average over; repeatable.",
)
@click.option(
    "--mirror",
    "mirror_axes",
    multiple=True,
    type=int,
    help="Axis (0, 1, 2: z, y, x) to mirror; repeatable.",
)
@click.option(
    "--tile-step", required=True, type=float, help="Distance of tiles as a share of the patch."
)
@click.option(
    "--identical",
    required=True,
    type=click.Choice(["here", "anywhere"]),
    help="The same bytes on this kind of processor, or on any with AVX2.",
)
def command(
    model: Path,
    datasets: tuple[Path, ...],
    out: Path,
    folds: tuple[int, ...],
    mirror_axes: tuple[int, ...],
    tile_step: float,
    identical: str,
) -> None:
    """Segment the test images of nnU-Net raw DATASETS with the trained MODEL.

    `--identical` is heeded before this module is imported (`determinism`).
    """
    from cordstudy.pipeline.learning.predictor import predict_files  # nnU-Net: 5 s to import

    for dataset in datasets:  # all of them before anything is removed
        check_own(out / testset_of(dataset), Masks(testset_of(dataset)))
    images, masks = [], []
    for dataset in datasets:
        testset = testset_of(dataset)
        remove_own(out / testset, Masks(testset))
        for image in sorted((dataset / "imagesTs").glob(f"*{CHANNEL_SUFFIX}")):
            case = image.name.removesuffix(CHANNEL_SUFFIX)
            images.append(image)
            masks.append([out / testset / f"{case}{IMAGE_SUFFIX}"])
    predict_files([model], images, masks, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
