"""Synthetic BIDS data sets that stand in for the six sources of the study.

Owns: drawing the participants of a source and writing its tree (images, masks, sidecars,
participants.tsv). Same seed, same bytes.
Does not own: anatomy (`anatomy`), image formation (`imaging`), the table of sources
(`phantom_sources`), nor the history that the tree is committed to (`provenance.sources`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import click
import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy import ndimage

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import progress, workers
from cordstudy.base.tables import write_file
from cordstudy.pipeline.phantom.anatomy import Anatomy, draw_anatomy
from cordstudy.pipeline.phantom.originals import (
    LEAVE_OUT,
    NO_IMAGES,
    NO_MASK,
    SOFT_MASK,
    SOURCES,
    Image,
    Participant,
    Source,
)
from cordstudy.pipeline.phantom.scanner import Acquisition, Scan, acquire

DESCRIPTION = "dataset_description.json"
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


def write_source(name: str, folder: Path, *, seed: int, participants: int | None = None) -> None:
    """Write one source as a BIDS tree into `folder`, which must be empty of data.

    `participants` keeps only so many that have everything, and one of each trouble.
    Raises StudyError for an unknown source, and for a folder with another dataset's texts.
    """
    if name not in SOURCES:
        raise StudyError(
            f"there is no phantom source {name!r}", hint=f"one of: {', '.join(SOURCES)}"
        )
    source = _shorten(SOURCES[name], participants)
    _check_own(folder)
    _write_texts(name, source, folder, seed)
    jobs = [p for p in source.participants if p.trouble != NO_IMAGES]
    with ProcessPoolExecutor(workers()) as pool:
        done = [pool.submit(_write_participant, name, source, p, folder, seed) for p in jobs]
        for job in progress(as_completed(done), total=len(done), what=f"phantom {name}"):
            job.result()


def _shorten(source: Source, participants: int | None) -> Source:
    whole = [p for p in source.participants if not p.trouble][:participants]
    troubled = [p for p in source.participants if p.trouble]
    return replace(source, participants=tuple(sorted(whole + troubled, key=lambda p: p.name)))


def _rng(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each participant and image: adding one changes no other."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _write_participant(
    name: str, source: Source, participant: Participant, folder: Path, seed: int
) -> None:
    anatomy = draw_anatomy(
        _rng(seed, name, participant.name),
        pathology=participant.pathology,
        cord_scale=source.cord_scale,
    )
    for image in source.images:
        rng = _rng(seed, name, participant.name, image.entities)
        _write_image(source, participant, image, anatomy, folder, rng)


def _write_image(
    source: Source,
    participant: Participant,
    image: Image,
    anatomy: Anatomy,
    folder: Path,
    rng: np.random.Generator,
) -> None:
    """One image with its sidecar and, unless the participant lacks it, its mask."""
    acquisition = _at_site(image.acquisition, rng)
    if participant.trouble == LEAVE_OUT:
        acquisition = replace(acquisition, noise=acquisition.noise * 8, ghost=0.5)
    scan = acquire(anatomy, acquisition, rng)
    prefix, below = _names(source, participant)
    stem = f"{prefix}_{image.entities}"
    place = folder / below / image.datatype
    _save(scan.image, scan, place / f"{stem}.nii.gz", acquisition.orientation, np.uint16)
    _dump(_sidecar(participant, image, acquisition), place / f"{stem}.json")
    if image.datatype == "dwi":
        write_file(place / f"{stem}.bval", "800\n")
        write_file(place / f"{stem}.bvec", "0\n0\n1\n")
    if participant.trouble != NO_MASK:
        _write_mask(source, participant, image, scan, folder)


def _at_site(acquisition: Acquisition, rng: np.random.Generator) -> Acquisition:
    """The protocol as one site runs it: fields of view and voxel sizes differ between sites."""
    thick = acquisition.spacing_mm[2] > 2
    lowest, highest = (0.45, 1.1) if thick else (0.6, 1.1)
    scale = (rng.uniform(0.85, 1.3), rng.uniform(0.85, 1.2), rng.uniform(lowest, highest))
    return replace(
        acquisition,
        shape=tuple(round(n * s) for n, s in zip(acquisition.shape, scale)),
        spacing_mm=tuple(round(mm * rng.uniform(0.92, 1.08), 2) for mm in acquisition.spacing_mm),
    )


def _names(source: Source, participant: Participant) -> tuple[str, str]:
    """The prefix of file names and the folder of a participant (with its session)."""
    parts = [f"sub-{participant.name}", *([f"ses-{source.session}"] if source.session else [])]
    return "_".join(parts), "/".join(parts)


def _write_mask(
    source: Source, participant: Participant, image: Image, scan: Scan, folder: Path
) -> None:
    prefix, below = _names(source, participant)
    whole_name = source.mask_suffix.startswith("_task")
    stem = (
        f"{prefix}{source.mask_suffix}"
        if whole_name
        else f"{prefix}_{image.entities}{source.mask_suffix}"
    )
    place = folder / source.labels / below / image.datatype
    orientation = image.acquisition.orientation
    if participant.trouble == SOFT_MASK:
        _save(
            np.round(_soft(scan.cord), 3), scan, place / f"{stem}.nii.gz", orientation, np.float32
        )
    else:
        _save(scan.cord >= 0.5, scan, place / f"{stem}.nii.gz", orientation, np.uint8)
    _dump(
        {"GeneratedBy": GENERATED_BY[image.origin], "SpatialReference": "orig"},
        place / f"{stem}.json",
    )


def _soft(cord: np.ndarray) -> np.ndarray:
    """A mask with a soft rim and the same voxels at 0.5 or more, where the cord's share of a
    voxel is all or nothing (thin voxels are sampled once)."""
    if ((cord > 0) & (cord < 1)).any():
        return cord
    return (cord + ndimage.gaussian_filter(cord, 0.6)) / 2


def _save(array: np.ndarray, scan: Scan, path: Path, orientation: str, dtype: type) -> None:
    """Store RAS voxels in the orientation (axis codes) of the original."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # where it is an annexed file, its link: never write through it
    turn = ornt_transform(io_orientation(scan.affine), axcodes2ornt(orientation))
    values = np.rint(array) if np.issubdtype(dtype, np.integer) else array
    turned = nib.Nifti1Image(values.astype(dtype), scan.affine).as_reoriented(turn)
    turned.header.set_xyzt_units("mm", "sec")
    turned.set_sform(turned.affine, code=1)
    turned.set_qform(turned.affine, code=1)
    nib.save(turned, path)


def _sidecar(participant: Participant, image: Image, acquisition: Acquisition) -> dict[str, object]:
    repetition_s, echo_s = TIMES_S[image.acquisition.contrast]
    fields: dict[str, object] = {
        "Manufacturer": participant.vendor,
        "ManufacturersModelName": MODELS[participant.vendor],
        "MagneticFieldStrength": 3,
        "RepetitionTime": repetition_s,
        "EchoTime": echo_s,
        "SliceThickness": max(acquisition.spacing_mm),
        "BodyPartExamined": "SPINE",
    }
    if image.datatype == "func":
        fields["TaskName"] = "rest"
    if image.entities.endswith("MTS"):
        fields |= {
            "RepetitionTimeExcitation": repetition_s,
            "FlipAngle": 9 if "flip-1" in image.entities else 15,
            "MTState": "mt-on" in image.entities,
        }
    return fields


def _check_own(folder: Path) -> None:
    """Raise StudyError for a folder that holds texts that no phantom has."""
    description = folder / DESCRIPTION
    own = description.is_file() and "cordstudy phantom" in description.read_text(
        "utf-8", errors="replace"
    )
    there = [
        name for name in (DESCRIPTION, "README.md", "participants.tsv") if (folder / name).exists()
    ]
    if there and not own:
        raise StudyError(
            f"{folder}: its {there[0]} is not a phantom's, and would be replaced",
            hint="name another",
        )


def _write_texts(name: str, source: Source, folder: Path, seed: int) -> None:
    """Everything of a source but its images."""
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "Name": f"Phantom of {name}: synthetic spinal cord MRI",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["cordstudy phantom"],
        "GeneratedBy": [{"Name": "cordstudy phantom", "Description": f"seed {seed}"}],
    }
    _dump(description, folder / DESCRIPTION)
    labels = folder / source.labels
    generated = [
        {
            "Name": "cordstudy phantom",
            "Description": "The cord's share of each voxel, thresholded at 0.5",
        }
    ]
    _dump(
        {
            "Name": f"Spinal cord masks of the phantom of {name}",
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": generated,
        },
        labels / DESCRIPTION,
    )
    write_file(
        folder / "README.md",
        f"# Phantom of {name}\n\nSynthetic images and spinal cord masks in the layout of\n{source.original}.\n"
        "No person was imaged. Made by `code/study phantom` of the study that this data set\n"
        "belongs to: `datalad rerun` there makes it again. Licence: CC0.\n",
    )
    write_file(folder / "participants.tsv", "".join(_participant_rows(name, source, seed)))
    _dump(
        {column: {"Description": text} for column, text in COLUMNS.items()},
        folder / "participants.json",
    )
    spoilt = [f"sub-{p.name}" for p in source.participants if p.trouble == LEAVE_OUT]
    listed = "".join(f"  - {p}\n" for p in spoilt)
    write_file(folder / "exclude.yml", f"# participants to leave out, by reason\nmotion:\n{listed}")
    write_file(folder / ".bidsignore", "\n".join(("exclude.yml", *source.ignored, "")))


COLUMNS = {
    "sex": "M or F",
    "age": "years",
    "manufacturer": "of the scanner",
    "pathology": "HC: healthy control; DCM, CSM: degenerative cervical myelopathy; SCI: spinal cord "
    "injury; MS: multiple sclerosis; FM: fibromyalgia; MildCompression: no symptoms",
}


def _participant_rows(name: str, source: Source, seed: int) -> Iterator[str]:
    yield "\t".join(("participant_id", *COLUMNS)) + "\n"
    for p in source.participants:
        rng = _rng(seed, name, p.name, "participants.tsv")
        who = [str(rng.choice(["F", "M"])), str(rng.integers(20, 70))]
        if source.swap_sex_and_age:
            who.reverse()
        yield "\t".join((f"sub-{p.name}", *who, p.vendor, p.pathology)) + "\n"


def _dump(content: dict, path: Path) -> None:
    write_file(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


@click.command("phantom")
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", required=True, type=int, help="Seed of every random choice.")
@click.option("--participants", type=int, help="Keep only so many complete participants.")
def command(source: str, folder: Path, seed: int, participants: int | None) -> None:
    """Write the synthetic stand-in of SOURCE as a BIDS tree into FOLDER."""
    write_source(source, folder, seed=seed, participants=participants)
