"""Masks as they lie in a study: read as truth values, cut to what holds them.

Owns: what counts as inside a mask, and the box about one.
Does not own: what is measured of masks (`measures`), or writing any (`raw.volumes`).
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import SpatialImage

from cordstudy.base.errors import StudyError

Mask = npt.NDArray[np.bool_]


def load(path: Path) -> SpatialImage:
    """An image or mask whose voxels are not read yet. Raises StudyError for a file without any."""
    image = nib.load(path)
    if not isinstance(image, SpatialImage):
        raise StudyError(f"{path}: it holds no voxels", hint="`code/study verify` makes it again")
    return image


def inside(image: SpatialImage) -> Mask:
    """Which voxels of a mask are inside it: those above 0."""
    voxels = np.asanyarray(image.dataobj)
    return np.asarray(voxels > 0)


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box that holds a mask, as slices; of size 0 where it is empty.

    No measure changes by what lies outside it, and a cord fills a hundredth of its image.
    """
    axes = range(mask.ndim)
    box = [slice(None)] * mask.ndim
    for axis in sorted(axes, key=lambda n: -mask.strides[n]):  # the order in memory: faster
        others = tuple(other for other in axes if other != axis)
        held = np.flatnonzero(mask[tuple(box)].any(axis=others))
        box[axis] = slice(int(held[0]), int(held[-1]) + 1) if len(held) else slice(0)
    return tuple(box)
