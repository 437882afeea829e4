"""Masks read from their files, on the grid of the image that they are of.

Owns: refusing a mask that is of another image.
Does not own: what a file must be (`raw.volumes`), what values make a mask (`raw.mask_values`),
grids (`raw.grids`), or what is measured (`measures`).
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.masks import Mask
from cordstudy.pipeline.raw.grids import described, on_grid_of, voxels_on
from cordstudy.pipeline.raw.mask_values import cut
from cordstudy.pipeline.raw.volumes import read_volume, scaled


def read_mask(path: Path, image: nib.Nifti1Image, *, of: Path) -> Mask:
    """A mask voxel by voxel on the grid of an image, whichever way its file stores it; `of` is the
    image's file.

    Raises StudyError for what cannot be read (`raw.volumes`), is no mask (`raw.mask_values`), or is
    on another grid.
    """
    mask = read_volume(path)
    voxels = voxels_on(on_grid_of(cut(scaled(mask), path), mask), image)
    if voxels is None:
        raise StudyError(
            f"{path}: not on the grid of {of}: {described(mask)}, there {described(image)}",
            hint="have it made from that image",
        )
    return np.asarray(voxels > 0)
