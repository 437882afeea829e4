"""Masks as truth values, cut to what holds them.

Owns: what a mask is to whoever measures it, the box about one, and the size of its voxels.
Does not own: reading one (`reading`), or what is measured of masks (`measures`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


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


def steady_spacing(spacing_mm: Sequence[float]) -> tuple[float, ...]:
    """Sizes of voxels to a ten-thousandth of a mm: headers hold them, or the axes that they come
    from, as rounded numbers, 1.0000006 for 1."""
    return tuple(round(float(size), 4) for size in spacing_mm)
