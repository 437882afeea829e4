"""A source of empty files, and rules for it: for what is found by names alone."""

from pathlib import Path

from cordstudy.pipeline.sources.rules import Rules

PLACE = "inputs/x"
PARTICIPANTS = "participant_id\nsub-a1\nsub-b2\n"


def write_files(root: Path, files: list[str], participants: str = PARTICIPANTS) -> None:
    """A source of these files, whose paths are relative to it."""
    for path in files:
        place = root / PLACE / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    (root / PLACE).mkdir(parents=True, exist_ok=True)
    (root / PLACE / "participants.tsv").write_text(participants)


def rules(**changes: object) -> Rules:
    """The rules of that source."""
    values = {
        "name": "x",
        "path": PLACE,
        "role": "test",
        "images": ["anat/T2w"],
        "labels": "derivatives/labels",
        "mask": "{stem}_seg-manual",
    }
    return Rules.model_validate(values | changes)


def pair(stem: str, *, ending: str = ".nii.gz", mask_ending: str = ".nii.gz") -> list[str]:
    """An image `sub-x[_ses-y]_…` of anat and its mask, in the folders that it names."""
    parts = stem.split("_")
    folder = "/".join(part for part in parts if part.startswith(("sub-", "ses-")))
    image = f"{folder}/anat/{stem}{ending}"
    return [image, f"derivatives/labels/{folder}/anat/{stem}_seg-manual{mask_ending}"]
