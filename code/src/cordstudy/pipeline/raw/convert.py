"""From a BIDS source to an nnU-Net raw dataset.

Owns: images in RPI, binary masks at 0.5 on the image's grid, what a mask must be, the table
from case id to BIDS path.
Does not own: which images (`bids`), which part (`splits`), what an image must be (`volumes`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import click
import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import progress, workers
from cordstudy.base.tables import write_file, write_table
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, replacing_raw, write_dataset_json
from cordstudy.pipeline.raw.volumes import (
    RPI,
    check_forms,
    on_grid_of,
    read_volume,
    same_grid,
    scaled,
    to_orientation,
    volume_bytes,
)
from cordstudy.pipeline.sources.cases import LEFT_OUT_COLUMNS, Case
from cordstudy.pipeline.sources.finding import find_cases, model_made
from cordstudy.pipeline.sources.parts import read_split
from cordstudy.pipeline.sources.rules import read_rules

SHOWN_FAULTS = 10


@dataclass(frozen=True)
class Job:
    """One case to convert, where its two files go, and whether its mask may be resampled."""

    case: Case
    image: Path
    mask: Path
    resample: bool


def convert(rules_path: Path, split_path: Path, out: Path) -> None:
    """Write one nnU-Net raw dataset to `out`, replacing what is there once all is well.

    imagesTr, labelsTr: the training part; imagesTs, labelsTs: the test part; dataset.json;
    cases.tsv: one row a case; left_out.tsv: one row for each image that is not used.
    """
    rules = read_rules(rules_path)
    parts = read_split(split_path)
    cases, left_out = find_cases(Path(), rules)
    if warning := model_made(cases):
        click.echo(f"warning: {warning}", err=True)
    with replacing_raw(out) as made:
        jobs = [
            _job(case, _part(case, parts, split_path)[0], made, rules.resample_masks)
            for case in cases
        ]
        digests = _convert_all(jobs, what=f"convert {rules.name}")
        rows = [
            (*astuple(case), *parts[case.participant_id], *pair)
            for case, pair in zip(cases, digests)
        ]
        write_table(made / "cases.tsv", CASE_COLUMNS, rows)
        write_table(made / "left_out.tsv", LEFT_OUT_COLUMNS, [astuple(item) for item in left_out])
        trained = sum(parts[case.participant_id][0] == "train" for case in cases)
        write_dataset_json(made, name=rules.name, trained=trained)


def _part(case: Case, parts: dict[str, tuple[str, str]], split_path: Path) -> tuple[str, str]:
    if case.participant_id not in parts:
        raise StudyError(
            f"{split_path}: no row for {case.participant_id}", hint="code/study run split"
        )
    return parts[case.participant_id]


def _job(case: Case, part: str, out: Path, resample: bool) -> Job:
    where = "Tr" if part == "train" else "Ts"
    image = out / f"images{where}" / f"{case.case_id}_0000.nii.gz"
    return Job(case, image, out / f"labels{where}" / f"{case.case_id}.nii.gz", resample)


def _convert_all(jobs: Sequence[Job], *, what: str) -> list[tuple[str, str]]:
    """The digests of every case's two files. Raises StudyError that tells all faults at once."""
    for folder in {path.parent for job in jobs for path in (job.image, job.mask)}:
        folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers()) as pool:
        done = list(progress(pool.map(_try, jobs, chunksize=4), total=len(jobs), what=what))
    faults = [item for item in done if isinstance(item, StudyError)]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults[:SHOWN_FAULTS])
        more = f"\n  and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        raise StudyError(
            f"{len(faults)} cases cannot be converted:{listed}{more}", hint=faults[0].hint
        )
    return done


def _try(job: Job) -> tuple[str, str] | StudyError:
    try:
        return convert_case(job)
    except StudyError as error:
        return error


def convert_case(job: Job) -> tuple[str, str]:
    """Convert one image and its mask; the SHA-256 of both files.

    Raises StudyError naming file and fault.
    """
    original = read_volume(Path(job.case.image))
    check_forms(original, Path(job.case.image))
    image = to_orientation(original, RPI)
    mask = mask_on_grid(original, image, job)
    turned = image is not original  # else the same bytes, so the same annex key
    digests = []
    for path, content in (
        (job.image, volume_bytes(image) if turned else Path(job.case.image).read_bytes()),
        (job.mask, volume_bytes(on_grid_of(mask, image))),
    ):
        write_file(path, content)
        digests.append(hashlib.sha256(content).hexdigest())
    return digests[0], digests[1]


def mask_on_grid(original: nib.Nifti1Image, image: nib.Nifti1Image, job: Job) -> np.ndarray:
    """The binary mask (uint8, at 0.5) on the grid of `image`, which is `original` in RPI.

    Raises StudyError for a mask with more than one label, none, or another grid that the
    study does not allow to be resampled.
    """
    stored = read_volume(Path(job.case.mask))
    check_forms(stored, Path(job.case.mask))
    values = scaled(stored)
    if values.max() > 1 and len(found := np.unique(values)) > 2:
        raise StudyError(
            f"{job.case.mask}: {len(found)} different values up to {values.max():g}: a map of labels, not a mask",
            hint="correct the name of the mask in the study's TOML",
        )
    mask = to_orientation(on_grid_of((values >= 0.5).astype(np.uint8), stored), RPI)
    if not same_grid(image, mask):
        _check_not_mirrored(original, stored, job)
        if not job.resample:
            raise _other_grid(image, mask, job)
        mask = resample_from_to(mask, (image.shape, image.affine), order=0)
    voxels = np.asarray(mask.dataobj).astype(np.uint8)
    if not voxels.any():
        raise StudyError(
            f"{job.case.mask}: the mask is empty at 0.5", hint="exclude the image, with a reason"
        )
    return voxels


def _check_not_mirrored(image: nib.Nifti1Image, mask: nib.Nifti1Image, job: Job) -> None:
    """Voxel axes of one size that run left to right in one file and right to left in the other."""
    axes = [nib.aff2axcodes(one.affine) for one in (image, mask)]
    lateral = [next(n for n, code in enumerate(codes) if code in "LR") for codes in axes]
    alike = np.allclose(np.abs(image.affine[:3, :3]), np.abs(mask.affine[:3, :3]), atol=1e-3)
    if (
        image.shape == mask.shape
        and alike
        and lateral[0] == lateral[1]
        and axes[0][lateral[0]] != axes[1][lateral[0]]
    ):
        raise StudyError(
            f"{job.case.mask}: left and right are exchanged: its axes are {''.join(axes[1])}, those of the image "
            f"{job.case.image} {''.join(axes[0])}, at other places",
            hint="have the source corrected, or exclude the image, with a reason",
        )


def _other_grid(image: nib.Nifti1Image, mask: nib.Nifti1Image, job: Job) -> StudyError:
    """What to say of a mask that is not on the image's grid, both in RPI."""
    numbers = [
        f"{one.shape} voxels of {_mm(one.header.get_zooms())} mm from {_mm(one.affine[:3, 3])} mm"
        for one in (mask, image)
    ]
    return StudyError(
        f"{job.case.mask}: not on the image's grid: {numbers[0]}, the image {job.case.image} {numbers[1]} (in RPI)",
        hint=f"exclude the image, with a reason, or set datasets.{job.case.dataset}.resample_masks = true",
    )


def _mm(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"


@click.command("convert")
@click.argument("rules", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--split", required=True, type=click.Path(path_type=Path, exists=True), help="Table of parts."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="nnU-Net raw dataset to write."
)
def command(rules: Path, split: Path, out: Path) -> None:
    """Convert the BIDS source that the RULES file describes to an nnU-Net raw dataset."""
    convert(rules, split, out)
