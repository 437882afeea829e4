"""The digest of what an image or mask shows: the same for copies that only look like other files.

Owns: what of an image's voxels the digest holds, and which masks are too plain for one.
Does not own: the comparison of digests (`judging.leakage`), or digests of files (`conversion`).

It stays where a file is compressed anew, its header or affine written by another program, its
values stored in another type, or scaled by a slope and an offset, as long as no two become one; and
where a rim of the least value is put round it or cut off, so that a mask's is that of any crop of
its image. It does not stay where an image is cropped within what it shows, resampled or smoothed.
"""

from __future__ import annotations

import hashlib
import math
from typing import TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cordstudy.pipeline.raw.layout import PLAIN
from cordstudy.pipeline.raw.volumes import scaled

Value = TypeVar("Value", np.float32, np.bool_)
FEWEST = 100
"""Voxels of a mask below which it is plain."""
SAMPLED = 200_000
"""Voxels of an image whose order by value is in its digest: sorting all of a large one would take
longer than converting it."""


def voxels_sha256(image: nib.Nifti1Image) -> str:
    """The digest of the shape and the order of values of an image that is in RPI, without a rim of
    its least value."""
    values = _without_rim(np.asarray(scaled(image), np.float32))
    step = _step(values.shape)
    _, ranks = np.unique(values.ravel(order="F")[::step], return_inverse=True)
    digest = hashlib.sha256(str(values.shape).encode())
    digest.update(ranks.astype("<u4").tobytes())
    return digest.hexdigest()


def mask_voxels_sha256(image: nib.Nifti1Image) -> str:
    """The same of a mask, or `PLAIN`."""
    return PLAIN if is_plain(np.asarray(scaled(image)) > 0) else voxels_sha256(image)


def is_plain(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask may be that of unlike images by chance, so that finding it twice proves
    nothing: one of few voxels, one whose slices along an axis are all alike (a box, a straight
    tube), one that is the same when turned about its middle (a ball, an oblique tube).

    No two outlines of cords that persons drew or networks found are alike.
    """
    if mask.sum() < FEWEST:
        return True
    box = _without_rim(mask)
    if np.array_equal(box, box[::-1, ::-1, ::-1]):
        return True
    return any((box == box.take([0], axis=axis)).all() for axis in range(box.ndim))


def _without_rim(values: NDArray[Value]) -> NDArray[Value]:
    """The smallest box with every value but the least."""
    shown = values > values.min()
    box = []
    for axis in range(values.ndim):
        others = tuple(other for other in range(values.ndim) if other != axis)
        places = np.flatnonzero(shown.any(axis=others))
        box.append(slice(places[0], places[-1] + 1) if len(places) else slice(None))
    return values[tuple(box)]


def _step(shape: tuple[int, ...]) -> int:
    """From one voxel to the next that is sampled: never one that meets the same column of each
    row."""
    step = max(1, math.prod(shape) // SAMPLED)
    while any(math.gcd(step, size) > 1 for size in shape):
        step += 1
    return step
