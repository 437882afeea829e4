"""From a BIDS source to an nnU-Net raw dataset.

Owns: orientation (RPI, by flips and permutations of axes only), binary masks at 0.5 on the
image's grid, what an image must not be, the table from case id to BIDS path.
Does not own: which images (`bids`) or which part (`splits`).

RPI is the Spinal Cord Toolbox's name for voxel axes that run from right to left, posterior
to anterior and inferior to superior; nibabel calls the same LAS, after where they run to.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from cordstudy.errors import StudyError
from cordstudy.pipeline.bids import Case, find_cases, read_rules
from cordstudy.pipeline.machine import progress, workers
from cordstudy.pipeline.splits import read_split
from cordstudy.pipeline.tables import write_json, write_table

RPI = ("L", "A", "S")
CASE_COLUMNS = (
    "case_id", "dataset", "participant_id", "session", "contrast", "part", "fold",
    "vendor", "pathology", "mask_origin", "image", "mask",
)  # fmt: skip
GRID_TOLERANCE_MM = 1e-3


@dataclass(frozen=True)
class Job:
    """One case to convert, and where its two files go."""

    case: Case
    image: Path
    mask: Path


def convert(rules_path: Path, split_path: Path, out: Path) -> None:
    """Write one nnU-Net raw dataset into `out`, replacing what is there.

    imagesTr, labelsTr: the training part; imagesTs, labelsTs: the test part; dataset.json;
    cases.tsv: one row a case; left_out.tsv: one row for each image that is not used.
    """
    rules = read_rules(rules_path)
    parts = read_split(split_path)
    cases, left_out = find_cases(Path(), rules)
    shutil.rmtree(out, ignore_errors=True)
    jobs = [_job(case, parts[case.participant.name][0], out) for case in cases]
    with ProcessPoolExecutor(workers()) as pool:
        for _ in progress(pool.map(convert_case, jobs), total=len(jobs), what=f"convert {rules.name}"):
            pass
    trained = sum(parts[case.participant.name][0] == "train" for case in cases)
    write_dataset_json(out, name=rules.name, trained=trained)
    write_table(out / "cases.tsv", CASE_COLUMNS, [_row(case, *parts[case.participant.name]) for case in cases])
    rows = [(item.participant_id, item.contrast, item.reason) for item in left_out]
    write_table(out / "left_out.tsv", ("participant_id", "contrast", "reason"), rows)


def _job(case: Case, part: str, out: Path) -> Job:
    where = "Tr" if part == "train" else "Ts"
    image = out / f"images{where}" / f"{case.case_id}_0000.nii.gz"
    return Job(case, image, out / f"labels{where}" / f"{case.case_id}.nii.gz")


def _row(case: Case, part: str, fold: str) -> Sequence[str]:
    who = case.participant
    return (
        case.case_id, case.dataset, who.name, case.session, case.contrast, part, fold,
        who.vendor, who.pathology, case.mask_origin, case.image, case.mask,
    )  # fmt: skip


def write_dataset_json(out: Path, *, name: str, trained: int) -> None:
    """Write nnU-Net's dataset.json."""
    content = {
        "name": name,
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "spinal_cord": 1},
        "numTraining": trained,
        "file_ending": ".nii.gz",
    }
    write_json(out / "dataset.json", content)


def convert_case(job: Job) -> None:
    """Convert one image and its mask. Raises StudyError naming file and fault."""
    image = load_image(Path(job.case.image))
    mask = load_image(Path(job.case.mask))
    check_same_grid(image, mask, job.case.image, job.case.mask)
    job.image.parent.mkdir(parents=True, exist_ok=True)
    job.mask.parent.mkdir(parents=True, exist_ok=True)
    if nib.aff2axcodes(image.affine) == RPI:
        shutil.copyfile(job.case.image, job.image)  # the same bytes, so the same annex key
    else:
        nib.save(to_orientation(image, RPI), job.image)
    binary = (np.asanyarray(mask.dataobj) >= 0.5).astype(np.uint8)
    if not binary.any():
        raise StudyError(f"{job.case.mask}: the mask is empty at 0.5", hint="leave the participant out with a reason")
    turned = to_orientation(nib.Nifti1Image(binary, image.affine), RPI)
    nib.save(turned, job.mask)


def load_image(path: Path) -> nib.Nifti1Image:
    """Load a 3D image with finite voxels. Raises StudyError otherwise, naming the file."""
    try:
        image = nib.load(path)
        array = np.asanyarray(image.dataobj)
    except (ImageFileError, EOFError, OSError, ValueError, nib.spatialimages.HeaderDataError) as error:
        raise StudyError(
            f"{path}: cannot be read as NIfTI: {error}",
            hint="`git annex fsck` in the source tells a damaged copy from a damaged original",
        ) from error
    if array.ndim != 3:
        raise StudyError(f"{path}: {array.ndim} dimensions {array.shape}, needed are 3", hint="choose a 3D image")
    if array.dtype.kind not in "iuf":
        raise StudyError(f"{path}: voxels of type {array.dtype}, needed are integers or floats", hint="choose another")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise StudyError(f"{path}: {bad} voxels are NaN or infinite", hint="leave the participant out with a reason")
    return image


def check_same_grid(image: nib.Nifti1Image, mask: nib.Nifti1Image, image_path: str, mask_path: str) -> None:
    """Raise StudyError, with the numbers, unless image and mask have one grid."""
    if image.shape != mask.shape:
        said = f"{mask.shape} voxels, the image {image_path} {image.shape}"
    else:
        corners = np.array([(i, j, k, 1) for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * [*image.shape, 1]
        apart_mm = np.abs((image.affine - mask.affine) @ corners.T).max()
        if apart_mm <= GRID_TOLERANCE_MM * max(image.shape):
            return
        said = f"its corners lie up to {apart_mm:.3f} mm from those of the image {image_path}"
    raise StudyError(f"{mask_path}: not on the image's grid: {said}", hint="leave the participant out with a reason")


def to_orientation(image: nib.Nifti1Image, codes: Sequence[str]) -> nib.Nifti1Image:
    """The same image with its voxel axes flipped and permuted, without interpolation."""
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    return image.as_reoriented(turn)


@click.command("convert")
@click.argument("rules", type=click.Path(path_type=Path, exists=True))
@click.option("--split", required=True, type=click.Path(path_type=Path, exists=True), help="Table of parts.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="nnU-Net raw dataset to write.")
def command(rules: Path, split: Path, out: Path) -> None:
    """Convert the BIDS source that the RULES file describes to an nnU-Net raw dataset."""
    convert(rules, split, out)
