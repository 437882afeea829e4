"""Where the masks that a model makes of test sets go: a folder a test set, a file a case.

Owns: the option that names the folder, which image becomes which mask, and what of an earlier run
is removed.
Does not own: making a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.outputs import check_own, remove_own
from cordstudy.pipeline.raw.components import OTHERS, TABLE
from cordstudy.pipeline.raw.names import (
    MASK_ENDING,
    case_of_image,
    images_to_test,
    mask_file,
    name_without_number,
)

masks_option = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the masks, one folder a test set.",
)


@dataclass(frozen=True)
class Masks:
    """The names of the masks of a test set, whichever cases it had when they were made."""

    testset: str

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or "/" in name:
            return False
        return name.startswith(f"{self.testset}_") and name.endswith(MASK_ENDING)


class Rest:
    """The names in the folder of components that are not kept."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or "/" in name:
            return False
        return name == TABLE or name.endswith(MASK_ENDING)


def testset_of(dataset: Path) -> str:
    """The name of a raw dataset's test set. Raises StudyError for a folder that is not named as
    nnU-Net has it."""
    testset = name_without_number(dataset.resolve().name)
    if not testset:
        raise StudyError(
            f"{dataset}: no raw dataset",
            hint="its folder is named as nnU-Net has it: Dataset501_name",
        )
    return testset


def room_for_masks(datasets: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """The images of test sets with the mask to make of each, once those of an earlier run are gone.

    Raises StudyError, before anything is removed, where a folder holds another file.
    """
    for dataset in datasets:
        check_own(out / testset_of(dataset), Masks(testset_of(dataset)))
    remove_own(out / OTHERS, Rest())
    jobs = []
    for dataset in datasets:
        folder = out / testset_of(dataset)
        remove_own(folder, Masks(testset_of(dataset)))
        for image in images_to_test(dataset):
            jobs.append((image, folder / mask_file(case_of_image(image))))
    return jobs
