"""One case of a BIDS source made an image and a mask of an nnU-Net raw dataset.

Owns: images in one orientation, binary masks on the image's grid.
Does not own: which cases (`convert`), what an image must be (`volumes`), or what values make a mask
(`mask_values`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
from cordstudy.pipeline.raw.digests import mask_voxels_sha256, voxels_sha256
from cordstudy.pipeline.raw.grids import (
    RPI,
    axcodes,
    axes_of,
    described,
    on_grid_of,
    to_orientation,
    voxels_on,
)
from cordstudy.pipeline.raw.mask_values import check_reference, cut
from cordstudy.pipeline.raw.volumes import (
    check_contrast,
    check_placed,
    read,
    read_volume,
    scaled,
    volume_bytes,
)
from cordstudy.pipeline.sources.cases import Case
from cordstudy.pipeline.sources.rules import Imaged

LARGEST_BESIDE = 0.05
"""Of a mask that may lie beside its image, left, right, before or behind, where it is resampled."""


@dataclass(frozen=True)
class Job:
    """One case to convert, where its two files go, whether its mask may be resampled, and what is
    segmented."""

    case: Case
    image: Path
    mask: Path
    resample: bool
    task: Imaged


class Digests(NamedTuple):
    """SHA-256 of what a case is converted to: of its two files, and of what they show (`digests`);
    and how large the voxels are."""

    image: str
    mask: str
    image_voxels: str
    mask_voxels: str
    voxel_size_mm: str
    """Of the image."""


def convert_case(job: Job) -> Digests:
    """Convert one image and its mask.

    Raises StudyError naming file and fault.
    """
    source = Path(job.case.image)
    volume = read(source)
    check_placed(volume, source)
    check_contrast(volume, source)
    codes = axcodes(job.task.orientation)
    image = to_orientation(volume.image, codes)
    mask = to_orientation(on_grid_of(mask_on_grid(volume.image, job), volume.image), codes)
    packed = volume.packed if image is volume.image else b""  # as it is: the same annex key
    packed = packed or volume_bytes(image)
    packed_mask = volume_bytes(mask)
    write_file(job.image, packed)
    write_file(job.mask, packed_mask)
    return Digests(
        hashlib.sha256(packed).hexdigest(),
        hashlib.sha256(packed_mask).hexdigest(),
        voxels_sha256(to_orientation(image, RPI)),
        mask_voxels_sha256(to_orientation(mask, RPI)),
        voxel_size(to_orientation(image, RPI)),
    )


def voxel_size(image: nib.Nifti1Image) -> str:
    """The size of the voxels of an image in RPI, mm, to two decimals: right-left x
    anterior-posterior x inferior-superior."""
    return "x".join(f"{round(float(size), 2):g}" for size in image.header.get_zooms()[:3])


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
    check_reference(voxels, source, job.task.largest_share)
    return voxels.astype(np.uint8)


def _check_within(mask: nib.Nifti1Image, image: nib.Nifti1Image, job: Job) -> None:
    """Raise StudyError for a mask that lies beside its image, more than a little, and for one that
    ends with its own field of view, where what is masked and the image go on. A mask may be
    longer than its image."""
    mask, image = to_orientation(mask, RPI), to_orientation(image, RPI)
    inside = np.argwhere(np.asarray(mask.dataobj))
    places = apply_affine(np.linalg.inv(image.affine) @ mask.affine, inside)
    beside = ~_are_within(places[:, :2], image.shape[:2])
    if len(inside) and beside.mean() > LARGEST_BESIDE:
        raise StudyError(
            f"{job.case.mask}: {beside.mean():.0%} of the mask lies outside the image "
            f"{job.case.image}",
            hint="exclude the image, with a reason",
        )
    for slice_at, step in ((0, -1), (mask.shape[2] - 1, 1)):
        beyond = inside[inside[:, 2] == slice_at] + [0, 0, step]
        places = apply_affine(np.linalg.inv(image.affine) @ mask.affine, beyond)
        if _are_within(places, image.shape).any():
            raise StudyError(
                f"{job.case.mask}: the mask ends with its own field of view, within the image "
                f"{job.case.image}: what lies beyond would be background",
                hint="exclude the image, with a reason, or have the whole of it segmented",
            )


def _are_within(places: NDArray[np.floating], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Which places, in indices of voxels, a row each, lie within a grid."""
    within = (places >= -0.5) & (places <= np.array(shape) - 0.5)
    return np.asarray(within.all(axis=1))


def _check_not_mirrored(image: nib.Nifti1Image, mask: nib.Nifti1Image, job: Job) -> None:
    """Raise StudyError for a mask that is on the image's grid once left and right are exchanged: in
    the world, or in the order of its voxels."""
    lateral = _lateral(axes_of(mask))
    mirrored, reversed_axis = mask.affine.copy(), mask.affine.copy()
    mirrored[0] *= -1
    reversed_axis[:, lateral] *= -1
    for affine in (mirrored, reversed_axis):
        if voxels_on(nib.Nifti1Image(np.asarray(mask.dataobj), affine), image) is not None:
            raise StudyError(
                f"{job.case.mask}: left and right are exchanged: its axes are {axes_of(mask)}, "
                f"those of the image {job.case.image} {axes_of(image)}, at other places",
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
