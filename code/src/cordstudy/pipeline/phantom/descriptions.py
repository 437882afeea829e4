"""The texts of a phantom source: what it is, who is in it, how its images and masks were made.

Owns: dataset_description.json, README, participants.tsv, exclude.yml, .bidsignore, the content of
sidecars; telling a phantom's texts from others'.
Does not own: the table that these are told from (`originals`), or images (`phantom`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.phantom.anatomy import generator
from cordstudy.pipeline.phantom.originals import LEAVE_OUT, Image, Original, Person
from cordstudy.pipeline.phantom.scanner import Acquisition

DESCRIPTION = "dataset_description.json"
OWNER = "cordstudy phantom"
STANDS_IN = "Synthetic; stands in for a {}"
GENERATED_BY = {
    "manual": [
        {"Name": "Manual", "Author": "phantom", "Description": STANDS_IN.format("manual mask")}
    ],
    "corrected": [
        {"Name": "sct_deepseg_sc", "Version": "phantom", "Description": "Synthetic"},
        {"Name": "Manual", "Author": "phantom", "Description": STANDS_IN.format("corrected mask")},
    ],
    "model": [
        {
            "Name": "contrast-agnostic",
            "Version": "phantom",
            "Description": STANDS_IN.format("model's mask"),
        },
    ],
}
MODELS = {"Siemens": "Prisma_fit", "GE": "Discovery_MR750", "Philips": "Ingenia"}
TIMES_S = {
    "T1w": (2.0, 0.00298),
    "T2w": (1.5, 0.12),
    "T2star": (0.6, 0.018),
    "MTon": (0.035, 0.0031),
    "MToff": (0.015, 0.0031),
    "DWI": (5.0, 0.075),
    "UNIT1": (5.0, 0.0029),
    "EPI": (2.3, 0.04),
}
"""Repetition and echo time of each contrast, s."""
COLUMNS = {
    "sex": "M or F",
    "age": "years",
    "manufacturer": "of the scanner",
    "pathology": "HC: healthy control; DCM, CSM: degenerative cervical myelopathy; SCI: spinal "
    "cord injury; MS: multiple sclerosis; FM: fibromyalgia; MildCompression: no symptoms",
}
"""Of participants.tsv after the first, with what each says."""


def dump(content: Mapping[str, object], path: Path) -> None:
    """Write a JSON file of the source."""
    write_file(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def image_sidecar(person: Person, acquisition: Acquisition) -> dict[str, object]:
    """What an image's sidecar says of how it was acquired, beside what it inherits."""
    return {
        "Manufacturer": person.vendor,
        "ManufacturersModelName": MODELS[person.vendor],
        "SliceThickness": max(acquisition.spacing_mm),
    }


def _inherited(image: Image) -> dict[str, object]:
    """What a sidecar in the source's root says of all images of one kind."""
    repetition_s, echo_s = TIMES_S[image.acquisition.contrast]
    fields: dict[str, object] = {
        "BodyPartExamined": "SPINE",
        "MagneticFieldStrength": 3,
        "RepetitionTime": repetition_s,
        "EchoTime": echo_s,
    }
    if image.datatype == "func":
        fields["TaskName"] = "rest"
    if image.entities.endswith("MTS"):
        fields["RepetitionTimeExcitation"] = repetition_s
        fields["FlipAngle"] = 9 if "flip-1" in image.entities else 15
        fields["MTState"] = "mt-on" in image.entities
    return fields


def mask_sidecar(image: Image) -> dict[str, object]:
    """What a mask's sidecar says of who made it."""
    return {"GeneratedBy": GENERATED_BY[image.origin], "SpatialReference": "orig"}


def check_texts(folder: Path) -> None:
    """Raise StudyError for a folder that holds texts that no phantom has."""
    description = folder / DESCRIPTION
    if description.is_file() and OWNER in description.read_text("utf-8", errors="replace"):
        return
    for name in (DESCRIPTION, "README.md", "participants.tsv"):
        if (folder / name).exists():
            raise StudyError(
                f"{folder}: its {name} is not a phantom's, and would be replaced",
                hint="name another",
            )


def write_texts(name: str, original: Original, folder: Path, seed: int) -> None:
    """Everything of a source but its images."""
    folder.mkdir(parents=True, exist_ok=True)
    dump(_description(name, seed), folder / DESCRIPTION)
    dump(_labels_description(name), folder / original.labels / DESCRIPTION)
    write_file(folder / "README.md", _readme(name, original))
    write_file(folder / "participants.tsv", "".join(_participant_rows(name, original, seed)))
    for image in original.images:
        dump(_inherited(image), folder / f"{image.entities}.json")
    columns = {column: {"Description": text} for column, text in COLUMNS.items()}
    dump(columns, folder / "participants.json")
    write_file(folder / "exclude.yml", _exclusions(original))
    write_file(folder / ".bidsignore", "\n".join(("exclude.yml", *original.ignored, "")))


def _description(name: str, seed: int) -> dict[str, object]:
    return {
        "Name": f"Phantom of {name}: synthetic spinal cord MRI",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": [OWNER],
        "GeneratedBy": [{"Name": OWNER, "Description": f"seed {seed}"}],
    }


def _labels_description(name: str) -> dict[str, object]:
    how = "The cord's share of each voxel, thresholded at 0.5"
    return {
        "Name": f"Spinal cord masks of the phantom of {name}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": OWNER, "Description": how}],
    }


def _readme(name: str, original: Original) -> str:
    return (
        f"# Phantom of {name}\n\n"
        f"Synthetic images and spinal cord masks in the layout of\n{original.url}.\n"
        "No person was imaged. Made by `code/study phantom` of the study that this data set\n"
        "belongs to: `datalad rerun` there makes it again. Licence: CC0.\n"
    )


def _participant_rows(name: str, original: Original, seed: int) -> Iterator[str]:
    """The lines of participants.tsv."""
    yield "\t".join(("participant_id", *COLUMNS)) + "\n"
    for person in original.participants:
        rng = generator(seed, name, person.name, "participants.tsv")
        sex_and_age = [str(rng.choice(["F", "M"])), str(rng.integers(20, 70))]
        if original.swap_sex_and_age:
            sex_and_age.reverse()
        cells = (f"sub-{person.name}", *sex_and_age, person.vendor, person.pathology)
        yield "\t".join(cells) + "\n"


def _exclusions(original: Original) -> str:
    """exclude.yml: the participants whose images motion has spoilt."""
    lines = ["# participants to leave out, by reason\n", "motion:\n"]
    for person in original.participants:
        if person.trouble == LEAVE_OUT:
            lines.append(f"  - sub-{person.name}\n")
    return "".join(lines)
