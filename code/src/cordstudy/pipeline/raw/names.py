"""What nnU-Net calls the folders and files of a raw dataset.

Owns: every such name, to make it and to read it.
Does not own: what is in the files (`layout`, `volumes`), or nnU-Net's names beyond raw datasets
(`learning.nnunet`).

It imports nothing, so that a training or a prediction which needs a name does not go stale with
the columns of a table.
"""

from __future__ import annotations

from pathlib import Path

TRAIN = "train"
TEST = "test"
PARTS = (TRAIN, TEST)
MASK_ENDING = ".nii.gz"
IMAGE_ENDING = f"_0000{MASK_ENDING}"
"""How the file of an image ends: with the number of its only channel."""
CASES = "cases.tsv"
LEFT_OUT = "left_out.tsv"
DATASET = "dataset.json"


def images_folder(part: str) -> str:
    """The folder of a part's images: `imagesTr` of `train`, `imagesTs` of `test`."""
    return "imagesTr" if part == TRAIN else "imagesTs"


def labels_folder(part: str) -> str:
    """The folder of a part's masks: `labelsTr` of `train`, `labelsTs` of `test`."""
    return "labelsTr" if part == TRAIN else "labelsTs"


def image_file(case_id: str) -> str:
    """The file name of a case's image."""
    return f"{case_id}{IMAGE_ENDING}"


def mask_file(case_id: str) -> str:
    """The file name of a case's mask, be it the reference or a prediction."""
    return f"{case_id}{MASK_ENDING}"


def image_path(part: str, case_id: str) -> str:
    """Where a case's image lies in a raw dataset."""
    return f"{images_folder(part)}/{image_file(case_id)}"


def mask_path(part: str, case_id: str) -> str:
    """Where a case's reference mask lies in a raw dataset."""
    return f"{labels_folder(part)}/{mask_file(case_id)}"


def case_of_image(image: Path) -> str:
    """The case that an image is of, by the name of its file."""
    return image.name.removesuffix(IMAGE_ENDING)


def images_to_test(raw: Path) -> list[Path]:
    """The images of a raw dataset's test part, sorted; none where it has no such part."""
    return sorted((raw / images_folder(TEST)).glob(f"*{IMAGE_ENDING}"))


def name_without_number(folder: str) -> str:
    """What a raw dataset is called, from the name of its folder: `x` of `Dataset501_x`.

    Empty for a folder that is not named as nnU-Net has it.
    """
    return folder.partition("_")[2]
