"""What the header of a NIfTI volume must say: its forms, unit and sizes, and what is usual of them.

Owns: the faults of a header, its affine in mm, and whether every program reads it the same.
Does not own: reading a file (`volumes`), or making its header a usual one.
"""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.grids import TOLERANCE, Affine, apart

UNITS = {0: "not said, so mm", 1: "metre", 2: "mm", 3: "micron"}
MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""How many mm the unit of length of a header is, by its code."""
USUAL_UNITS = (0, 2)
LENGTH = 7
"""The bits of `xyzt_units` that say the unit of length."""
TIMES = (0, 8, 16, 24, 32, 40, 48)
"""What the others may be: a unit of time, of frequency, or none."""
SIZES_MM = (0.01, 50.0)
"""The smallest and largest side of a voxel that an image of a person has."""
FIELD_MM = (2.0, 2500.0)
"""Between which the longest side of such an image is."""
FORMS = range(6)
"""The codes that sform and qform may have; nibabel takes any other for none, ITK for some."""
SQUARE = 5e-5
"""How far the cosine of two axes may be from 0 for ITK to take them as at right angles, and half
of it for safety."""
FLAT = 1e-6
"""A voxel of less than such a share of the product of its sides is flat: no inverse."""
SAME_SIZE = 1e-3
"""By which share pixdim may differ from what the affine says."""
NO_IMAGE = (1004, 1005, 1006)
"""Intents of matrices and displacements, with which ITK refuses what is an image all the same."""
CORRECT = "have the file corrected, or leave it out, with a reason"


def check_forms(loaded: nib.Nifti1Image, stored: nib.Nifti1Header, path: Path) -> None:
    """Raise StudyError unless the affine follows from what is stored, and sform and qform agree
    where both are set: programs choose either."""
    affine, header = loaded.affine, loaded.header
    _check_codes(stored, path)
    if not header["sform_code"] and not (np.abs(stored["pixdim"][1:4]) > 0).all():
        raise StudyError(f"{path}: it does not say how large its voxels are", hint=CORRECT)
    volume = abs(np.linalg.det(affine[:3, :3])) if np.isfinite(affine).all() else 0
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not volume > FLAT * sizes.prod():
        raise StudyError(f"{path}: the affine cannot be inverted", hint=CORRECT)
    if not (header["sform_code"] and header["qform_code"]):
        return
    sform, qform = header.get_sform(), header.get_qform()
    if not apart(sform, qform, loaded.shape) <= TOLERANCE:
        raise StudyError(
            f"{path}: sform and qform disagree by up to "
            f"{apart(sform, qform, loaded.shape):.1f} voxels",
            hint=CORRECT,
        )


def _check_codes(stored: nib.Nifti1Header, path: Path) -> None:
    """Raise StudyError for codes that programs read in different ways."""
    for name in ("sform_code", "qform_code"):
        if int(stored[name]) not in FORMS:
            raise StudyError(
                f"{path}: its {name} is {int(stored[name])}, which is none", hint=CORRECT
            )
    turned = float(stored["pixdim"][0])
    if stored["qform_code"] and not (turned >= 0 or turned == -1):  # all but below 0 stand for 1
        raise StudyError(f"{path}: its qfac (pixdim[0]) is {turned:g}, not 1 or -1", hint=CORRECT)


def affine_mm(image: nib.Nifti1Image, path: Path) -> Affine:
    """The affine in mm. Raises StudyError for a unit that is none, and for voxels of a size that no
    image of a person has."""
    code = int(image.header["xyzt_units"]) & LENGTH
    if code not in MM:
        raise StudyError(
            f"{path}: its unit of length has the code {code}, which is none",
            hint="have the file corrected: xyzt_units",
        )
    affine = np.array(image.affine, np.float64)
    affine[:3] *= MM[code]
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if sizes.min() < SIZES_MM[0] or sizes.max() > SIZES_MM[1]:
        told = " × ".join(f"{size:.3g}" for size in sizes)
        raise StudyError(
            f"{path}: voxels of {told} mm, by its unit ({UNITS[code]})",
            hint="have the file corrected: xyzt_units, or the affine",
        )
    longest = float((sizes * image.shape[:3]).max())
    if not FIELD_MM[0] <= longest <= FIELD_MM[1]:
        raise StudyError(
            f"{path}: {longest:.3g} mm from end to end, by its unit ({UNITS[code]})",
            hint="have the file corrected: xyzt_units, or the affine",
        )
    return affine


def is_usual(image: nib.Nifti1Image, stored: nib.Nifti1Header, affine: Affine) -> bool:
    """Whether every program reads a header as it stands in the same way."""
    header = image.header
    if type(image) is not nib.Nifti1Image or not (header["sform_code"] or header["qform_code"]):
        return False
    unit = int(header["xyzt_units"])
    if int(header["intent_code"]) in NO_IMAGE or _has_lone_intercept(stored):
        return False
    if header["qform_code"] and stored["pixdim"][0] not in (-1, 1):
        return False
    if unit & LENGTH not in USUAL_UNITS or unit & ~LENGTH not in TIMES:
        return False
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / sizes
    is_square = np.abs(axes.T @ axes - np.eye(3)).max() <= SQUARE
    is_square = is_square or header["qform_code"]  # which always is: ITK takes it in that case
    return bool(is_square and np.allclose(stored["pixdim"][1:4], sizes, rtol=SAME_SIZE))


def _has_lone_intercept(stored: nib.Nifti1Header) -> bool:
    """Whether there is an intercept and no slope, which nibabel ignores and ITK adds."""
    slope, inter = float(stored["scl_slope"]), float(stored["scl_inter"])
    return (slope == 0 or math.isnan(slope)) and inter != 0 and not math.isnan(inter)
