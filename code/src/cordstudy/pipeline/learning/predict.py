"""The `predict` step: every test set of a study by one model.

Owns: which image becomes which mask, what is told of the components that are not kept, and what
of an earlier run is removed.
Does not own: inference (`predictor`), or which components are kept (`postprocessing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.outputs import check_own, remove_own
from cordstudy.base.tables import write_table
from cordstudy.pipeline.learning.postprocessing import read_postprocessing
from cordstudy.pipeline.raw.components import OTHERS, components

TABLE = "components.tsv"
COLUMNS = ("testset", "case_id", "keep", "components", "voxels_kept", "voxels_other")
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


class OfOthers:
    """The names in the folder of what is not kept."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or "/" in name:
            return False
        return name == TABLE or name.endswith(IMAGE_SUFFIX)


@dataclass(frozen=True)
class Case:
    """A case of a test set, and its image."""

    testset: str
    name: str
    image: Path


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
    """Segment the test images of nnU-Net raw DATASETS with the trained and validated MODEL.

    `--identical` is heeded before this module is imported (`determinism`).
    """
    for dataset in datasets:  # all of them before anything is removed
        check_own(out / testset_of(dataset), Masks(testset_of(dataset)))
    check_own(out / OTHERS, OfOthers())
    remove_own(out / OTHERS, OfOthers())
    for dataset in datasets:
        remove_own(out / testset_of(dataset), Masks(testset_of(dataset)))
    cases = [case for dataset in datasets for case in _cases(dataset)]
    rows = _predict(model, cases, out, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
    write_table(out / OTHERS / TABLE, COLUMNS, rows)


def _cases(dataset: Path) -> list[Case]:
    """The cases of the test part of a raw dataset."""
    images = sorted((dataset / "imagesTs").glob(f"*{CHANNEL_SUFFIX}"))
    testset = testset_of(dataset)
    return [Case(testset, image.name.removesuffix(CHANNEL_SUFFIX), image) for image in images]


def _predict(
    model: Path,
    cases: Sequence[Case],
    out: Path,
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> list[tuple[object, ...]]:
    """Write the mask of each case, and beside them the components that are not kept; the rows of
    the table of components."""
    from cordstudy.pipeline.learning.predictor import predicted  # nnU-Net: 5 s to import

    rule = read_postprocessing(model)
    images = [case.image for case in cases]
    masks = predicted([model], images, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
    rows: list[tuple[object, ...]] = []
    for case, (grid, [mask]) in zip(cases, masks, strict=True):
        kept = rule.kept(mask)
        grid.write(kept, out / case.testset / f"{case.name}{IMAGE_SUFFIX}")
        others = mask - kept
        if others.any():
            grid.write(others, out / OTHERS / f"{case.name}{IMAGE_SUFFIX}")
        voxels = int(kept.sum()), int(others.sum())
        rows.append((case.testset, case.name, rule.keep, components(mask), *voxels))
    return rows
