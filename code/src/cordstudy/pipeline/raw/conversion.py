"""One case of a BIDS source made an image and a mask of an nnU-Net raw dataset.

Owns: images in RPI, binary masks at 0.5 on the image's grid, what a mask must be.
Does not own: which cases (`convert`), or what an image must be (`volumes`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.raw.volumes import (
    RPI,
    Voxels,
    axes_of,
    check_forms,
    on_grid_of,
    read_volume,
    same_grid,
    scaled,
    to_orientation,
    volume_bytes,
)
from cordstudy.pipeline.sources.cases import Case

THRESHOLD = 0.5
"""From where on a value of a mask is one of the cord."""


@dataclass(frozen=True)
class Job:
    """One case to convert, where its two files go, and whether its mask may be resampled."""

    case: Case
    image: Path
    mask: Path
    resample: bool


class Digests(NamedTuple):
    """The SHA-256 of the two files that a case is converted to."""

    image: str
    mask: str


def convert_case(job: Job) -> Digests:
    """Convert one image and its mask.

    Raises StudyError naming file and fault.
    """
    source = Path(job.case.image)
    original = read_volume(source)
    check_forms(original, source)
    image = to_orientation(original, RPI)
    voxels = mask_on_grid(original, image, job)
    turned = image is not original
    packed = volume_bytes(image) if turned else source.read_bytes()  # the same annex key
    packed_mask = volume_bytes(on_grid_of(voxels, image))
    write_file(job.image, packed)
    write_file(job.mask, packed_mask)
    return Digests(hashlib.sha256(packed).hexdigest(), hashlib.sha256(packed_mask).hexdigest())


def mask_on_grid(original: nib.Nifti1Image, image: nib.Nifti1Image, job: Job) -> NDArray[np.uint8]:
    """The binary mask (at 0.5) on the grid of `image`, which is `original` in RPI.

    Raises StudyError for a mask with more than one label, none, or another grid that the
    study does not allow to be resampled.
    """
    source = Path(job.case.mask)
    stored = read_volume(source)
    check_forms(stored, source)
    values = scaled(stored)
    _check_no_map_of_labels(values, job)
    binary = (values >= THRESHOLD).astype(np.uint8)
    mask = to_orientation(on_grid_of(binary, stored), RPI)
    if not same_grid(image, mask):
        _check_not_mirrored(original, stored, job)
        if not job.resample:
            raise _other_grid(image, mask, job)
        mask = resample_from_to(mask, (image.shape, image.affine), order=0)
    voxels = np.asarray(mask.dataobj).astype(np.uint8)
    if not voxels.any():
        raise StudyError(
            f"{job.case.mask}: the mask is empty at {THRESHOLD}",
            hint="exclude the image, with a reason",
        )
    return voxels


def _check_no_map_of_labels(values: Voxels, job: Job) -> None:
    largest = values.max()
    count = len(np.unique(values)) if largest > 1 else 0  # which takes its time
    if count > 2:
        raise StudyError(
            f"{job.case.mask}: {count} different values up to {largest:g}: "
            "a map of labels, not a mask",
            hint="correct the name of the mask in the study's TOML",
        )


def _check_not_mirrored(image: nib.Nifti1Image, mask: nib.Nifti1Image, job: Job) -> None:
    """Raise StudyError for voxel axes of one size that run left to right in one file and right to
    left in the other: the same voxels, stored with one another's orientation."""
    image_axes, mask_axes = axes_of(image), axes_of(mask)
    lateral = _lateral(image_axes)
    if image.shape != mask.shape or lateral != _lateral(mask_axes):
        return
    image_steps, mask_steps = np.abs(image.affine[:3, :3]), np.abs(mask.affine[:3, :3])
    if not np.allclose(image_steps, mask_steps, atol=1e-3):
        return
    if image_axes[lateral] != mask_axes[lateral]:
        raise StudyError(
            f"{job.case.mask}: left and right are exchanged: its axes are {mask_axes}, "
            f"those of the image {job.case.image} {image_axes}, at other places",
            hint="have the source corrected, or exclude the image, with a reason",
        )


def _lateral(axes: str) -> int:
    """Which axis runs from left to right or from right to left."""
    return max(axes.find("L"), axes.find("R"))


def _other_grid(image: nib.Nifti1Image, mask: nib.Nifti1Image, job: Job) -> StudyError:
    """What to say of a mask that is not on the image's grid, both in RPI."""
    return StudyError(
        f"{job.case.mask}: not on the image's grid: {_grid(mask)}, "
        f"the image {job.case.image} {_grid(image)} (in RPI)",
        hint="exclude the image, with a reason, or set "
        f"datasets.{job.case.dataset}.resample_masks = true",
    )


def _grid(volume: nib.Nifti1Image) -> str:
    """A grid in words: its size, its spacing and where it begins."""
    spacing, corner = _mm(volume.header.get_zooms()), _mm(volume.affine[:3, 3])
    return f"{volume.shape} voxels of {spacing} mm from {corner} mm"


def _mm(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"
