"""Grids of voxels: where they lie, whether two are the same, turned without interpolation.

Owns: the tolerance of "the same place", the order of voxels, the codes that go with an affine.
Does not own: reading files, or what an image must be (`volumes`).

RPI is the Spinal Cord Toolbox's name for voxel axes that run from right to left, posterior
to anterior and inferior to superior; nibabel calls the same LAS, after where they run to.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt2axcodes,
    ornt_transform,
)
from numpy.typing import NDArray

Voxels = NDArray[Any]
"""Numbers on a grid, of whatever data type a file has them in."""
Affine = NDArray[np.floating]
"""4×4: from the indices of a voxel to a place in mm."""
TILT = np.array([[1, -3e-3, 2e-3], [3e-3, 1, -1e-3], [-2e-3, 1e-3, 1]])
"""A turn by about 0.2° about an axis that is none of the image's."""
TOWARDS = {"R": "L", "L": "R", "A": "P", "P": "A", "I": "S", "S": "I"}
"""The side opposite to one."""
TOLERANCE = 0.1
"""How far the corners of a grid may lie apart and be at the same place, as a share of a voxel: more
than rounding by any program leaves, less than anyone would see."""


def axcodes(orientation: str) -> tuple[str, ...]:
    """The Spinal Cord Toolbox's name of an orientation, where voxel axes come from, as nibabel has
    it, where they run to."""
    return tuple(TOWARDS[letter] for letter in orientation)


RPI = axcodes("RPI")


def apart(one: Affine, other: Affine, shape: Sequence[int]) -> float:
    """How far the corners of a grid of `shape` lie apart under two affines, along the axis where
    that is most, in voxels of the first."""
    moved = np.linalg.inv(one) @ (other - one) @ _corners(shape)
    return float(np.abs(moved).max())


def _corners(shape: Sequence[int]) -> NDArray[np.int64]:
    """The indices of the corners of a grid, a column each, with a 1 below."""
    unit = np.array([(*corner, 1) for corner in itertools.product((0, 1), repeat=3)])
    return (unit * [*shape[:3], 1]).T


def voxels_on(other: nib.Nifti1Image, image: nib.Nifti1Image) -> Voxels | None:
    """The voxels of an image in the order of another's, where both have theirs at the same places,
    whichever way each is stored; None where they have not."""
    between = np.linalg.inv(image.affine) @ other.affine  # from indices to indices
    order = np.rint(between[:3, :3])
    if not (np.abs(order).sum(axis=0) == 1).all() or not (np.abs(order).sum(axis=1) == 1).all():
        return None
    turn = np.stack([np.abs(order).argmax(axis=0), order.sum(axis=0)], axis=1)
    voxels: Voxels = apply_orientation(np.asarray(other.dataobj), turn)
    if voxels.shape != image.shape:
        return None
    turned = other.affine @ inv_ornt_aff(turn, other.shape)
    return voxels if apart(image.affine, turned, image.shape) <= TOLERANCE else None


def squared(affine: Affine) -> Affine:
    """The nearest affine whose axes are at right angles, with voxels of the same size and the first
    one at the same place. Source: nibabel's `set_qform`, which strips shears so."""
    steps = affine[:3, :3]
    sizes = np.linalg.norm(steps, axis=0)
    left, _, right = np.linalg.svd(steps / sizes)
    square = np.array(affine, np.float64)
    square[:3, :3] = left @ right * sizes
    return square


def axes_of(image: nib.Nifti1Image) -> str:
    """Where the voxel axes run to, a letter each: RPI is `LAS`."""
    return "".join(ornt2axcodes(_orientation(image.affine)))


def described(image: nib.Nifti1Image) -> str:
    """A grid in words: its size, its spacing and where it begins."""
    spacing, corner = _mm(image.header.get_zooms()), _mm(image.affine[:3, 3])
    return f"{image.shape} voxels of {spacing} mm from {corner} mm"


def _mm(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"


def to_orientation(image: nib.Nifti1Image, codes: Sequence[str]) -> nib.Nifti1Image:
    """The same image with its voxel axes flipped and permuted, without interpolation; the image
    itself where it runs so.

    Data type, scaling, oblique axes and the codes of sform and qform stay.
    """
    turn = ornt_transform(_orientation(image.affine), axcodes2ornt(codes))
    turned: nib.Nifti1Image = image.as_reoriented(turn)
    if turned is not image:
        turned.header.set_slope_inter(*image.header.get_slope_inter())
        place(turned, turned.affine, image.header)
    return turned


def from_orientation(voxels: Voxels, codes: Sequence[str], image: nib.Nifti1Image) -> Voxels:
    """Voxels of an image that was brought to an orientation (`to_orientation`), as it has them.

    By the affine of the image alone, so that the way back is the way there, also where its axes
    lie half between two."""
    back = ornt_transform(axcodes2ornt(codes), _orientation(image.affine))
    turned: Voxels = apply_orientation(voxels, back)
    return turned


def _orientation(affine: Affine) -> NDArray[np.floating]:
    """Which way each voxel axis runs, as nibabel's `io_orientation`.

    Asked of axes that are tilted a little, the same for all, so that axes half between two (45°)
    go one way whatever rounding has left of them, on any machine.
    """
    tilted = np.array(affine, np.float64)
    tilted[:3, :3] = TILT @ tilted[:3, :3]
    return np.asarray(io_orientation(tilted))


def on_grid_of(voxels: Voxels, image: nib.Nifti1Image) -> nib.Nifti1Image:
    """New voxels at the places of an image's."""
    made = nib.Nifti1Image(voxels, image.affine)
    made.header.set_xyzt_units(*image.header.get_xyzt_units())
    place(made, image.affine, image.header)
    return made


def place(image: nib.Nifti1Image, affine: Affine, like: nib.Nifti1Header) -> None:
    """Set sform and qform with the codes of another header; at least one of them is set."""
    sform, qform = int(like["sform_code"]), int(like["qform_code"])
    image.header.set_qform(affine, code=qform)
    image.header.set_sform(affine, code=sform if sform or qform else 1)
