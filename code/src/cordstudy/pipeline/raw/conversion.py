"""One case of a BIDS source made an image and a mask of an nnU-Net raw dataset.

Owns: images in RPI, binary masks on the image's grid.
Does not own: which cases (`convert`), what an image must be (`volumes`), or what values make a mask
(`mask_values`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from nibabel.processing import resample_from_to
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.raw.grids import (
    RPI,
    apart,
    axes_of,
    described,
    on_grid_of,
    to_orientation,
    voxels_on,
)
from cordstudy.pipeline.raw.mask_values import check_reference, cut
from cordstudy.pipeline.raw.volumes import (
    check_contrast,
    check_square,
    read,
    read_volume,
    scaled,
    volume_bytes,
)
from cordstudy.pipeline.sources.cases import Case

LARGEST_OUTSIDE = 0.05
"""Of a mask that may lie beyond the borders of its image where it is resampled."""


@dataclass(frozen=True)
class Job:
    """One case to convert, where its two files go, and whether its mask may be resampled."""

    case: Case
    image: Path
    mask: Path
    resample: bool


class Digests(NamedTuple):
    """SHA-256 of what a case is converted to: of its two files, and of their voxels alone, which
    stay when a file is compressed anew or its header is written by another program."""

    image: str
    mask: str
    image_voxels: str
    mask_voxels: str


def convert_case(job: Job) -> Digests:
    """Convert one image and its mask.

    Raises StudyError naming file and fault.
    """
    source = Path(job.case.image)
    volume = read(source)
    check_square(volume, source)
    check_contrast(volume, source)
    image = to_orientation(volume.image, RPI)
    mask = to_orientation(on_grid_of(mask_on_grid(volume.image, job), volume.image), RPI)
    packed = volume.packed if image is volume.image else b""  # as it is: the same annex key
    packed = packed or volume_bytes(image)
    packed_mask = volume_bytes(mask)
    write_file(job.image, packed)
    write_file(job.mask, packed_mask)
    return Digests(
        hashlib.sha256(packed).hexdigest(),
        hashlib.sha256(packed_mask).hexdigest(),
        voxels_sha256(image),
        voxels_sha256(mask),
    )


def voxels_sha256(image: nib.Nifti1Image) -> str:
    """The digest of the shape and values of an image that is in RPI, whatever data type it has them
    in.

    Its affine is no part of it: programs that write an image anew round it.
    """
    values = np.asarray(scaled(image), np.float32) + np.float32(0)  # no -0
    digest = hashlib.sha256(str(values.shape).encode())
    digest.update(values.tobytes(order="F"))
    return digest.hexdigest()


def mask_on_grid(image: nib.Nifti1Image, job: Job) -> NDArray[np.uint8]:
    """The binary mask (at 0.5), voxel by voxel that of `image`.

    Raises StudyError for what is no mask (`mask_values`), and for another grid that the study does
    not allow to be resampled.
    """
    source = Path(job.case.mask)
    stored = read_volume(source)
    mask = on_grid_of(cut(scaled(stored), source), stored)
    voxels = voxels_on(mask, image)
    if voxels is None:
        _check_not_mirrored(image, mask, job)
        if not job.resample:
            raise _other_grid(image, mask, job)
        _check_within(mask, image, job)
        resampled = resample_from_to(mask, (image.shape, image.affine), order=0)
        voxels = np.asarray(resampled.dataobj)
    check_reference(voxels, source)
    return voxels.astype(np.uint8)


def _check_within(mask: nib.Nifti1Image, image: nib.Nifti1Image, job: Job) -> None:
    """Raise StudyError for a mask that lies outside its image, more than a little."""
    inside = np.argwhere(np.asarray(mask.dataobj))
    places = apply_affine(np.linalg.inv(image.affine) @ mask.affine, inside)
    outside = ((places < -0.5) | (places > np.array(image.shape) - 0.5)).any(axis=1)
    if len(inside) and outside.mean() > LARGEST_OUTSIDE:
        raise StudyError(
            f"{job.case.mask}: {outside.mean():.0%} of the mask lies outside the image "
            f"{job.case.image}",
            hint="exclude the image, with a reason",
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
    away = apart(to_orientation(image, RPI).affine, to_orientation(mask, RPI).affine, image.shape)
    if image_axes[lateral] != mask_axes[lateral] and away > 1:
        raise StudyError(
            f"{job.case.mask}: left and right are exchanged: its axes are {mask_axes}, "
            f"those of the image {job.case.image} {image_axes}, at other places",
            hint="have the source corrected, or exclude the image, with a reason",
        )


def _lateral(axes: str) -> int:
    """Which axis runs from left to right or from right to left."""
    return max(axes.find("L"), axes.find("R"))


def _other_grid(image: nib.Nifti1Image, mask: nib.Nifti1Image, job: Job) -> StudyError:
    """What to say of a mask that is not on the image's grid."""
    image, mask = to_orientation(image, RPI), to_orientation(mask, RPI)
    return StudyError(
        f"{job.case.mask}: not on the image's grid: {described(mask)}, "
        f"the image {job.case.image} {described(image)} (in RPI)",
        hint="exclude the image, with a reason, or set "
        f"datasets.{job.case.dataset}.resample_masks = true",
    )
