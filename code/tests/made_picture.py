"""A made-up picture of a case."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.affines import from_matvec

from cordstudy.pipeline.report.pictures import Picture


def made_picture(
    shape: tuple[int, int, int] = (60, 50, 30),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 2.0),
) -> Picture:
    """A column of cord in noise, its prediction one voxel off, a specific one empty."""
    rng = np.random.default_rng(1)
    voxels = rng.integers(0, 400, shape).astype(np.int16)
    masks = {name: np.zeros(shape, bool) for name in ("reference", "general", "specific")}
    x, y = shape[0] // 2, shape[1] // 3
    masks["reference"][x - 3 : x + 3, y - 2 : y + 3, 2:-2] = True
    masks["general"][x - 2 : x + 4, y - 2 : y + 3, 2:-2] = True
    affine = from_matvec(np.diag([-spacing_mm[0], *spacing_mm[1:]]), (10.0, -20.0, 5.0))
    return Picture(nib.Nifti1Image(voxels, affine), voxels, masks)


def emptied(picture: Picture) -> Picture:
    """The same without anything in its masks."""
    masks = {name: np.zeros_like(mask) for name, mask in picture.masks.items()}
    return Picture(picture.image, picture.voxels, masks)
