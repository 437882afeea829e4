"""NIfTI volumes: read whole, turned without interpolation, written the same way each time.

Owns: what a 3D image must be to be used, its orientation, its place in the world.
Does not own: which images (`sources.finding`), or where they go (`convert`).

nibabel reads and writes NIfTI. libdeflate, pinned by the lock, (de)compresses: three times
faster than the zlib of the machine's Python, whose bytes differ between machines.

RPI is the Spinal Cord Toolbox's name for voxel axes that run from right to left, posterior
to anterior and inferior to superior; nibabel calls the same LAS, after where they run to.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import deflate
import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.within import regular

Voxels = NDArray[Any]
"""Numbers on a grid, of whatever data type a file has them in."""
Affine = NDArray[np.floating]
"""4×4: from the indices of a voxel to a place in mm."""
RPI = ("L", "A", "S")
COMPRESSION = 1
GRID_TOLERANCE = 1e-3
"""How far corners may lie apart, in mm a voxel of the longest side: what float32 leaves open."""
FLAT = 1e-9
"""A voxel of less than so many mm³ has no inside: its affine cannot be inverted."""
DAMAGED = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    EOFError,
    OSError,
    ValueError,
    deflate.DeflateError,
)
"""What nibabel and the decompressors raise for a file that is not what it should be."""
NIFTI2_HEADER = (540).to_bytes(4, "little"), (540).to_bytes(4, "big")
GZIP = b"\x1f\x8b"
EXCLUDE = "exclude the image, with a reason"


def read_volume(path: Path) -> nib.Nifti1Image:
    """Read a 3D image, whole and checked: voxels as stored (not scaled), and its header.

    A fourth axis of length one is dropped. Raises StudyError, naming file and fault, for a
    file that is damaged or no NIfTI, more than one volume, complex or RGB voxels, and NaN or
    infinite ones.
    """
    content = regular(path).read_bytes()
    try:
        plain = _decompress(content) if content[:2] == GZIP else content
        kind: type[nib.Nifti1Image] = nib.Nifti1Image
        if plain[:4] in NIFTI2_HEADER:
            kind = nib.Nifti2Image
        loaded = kind.from_bytes(plain)
        stored = _stored(loaded)
        voxels = np.asarray(stored.get_unscaled())
    except DAMAGED as error:
        raise StudyError(
            f"{path}: cannot be read as NIfTI: {error}",
            hint="`git annex fsck` in the source tells a damaged copy from a damaged original",
        ) from error
    _check_voxels(voxels, path)
    image = kind(voxels.reshape(voxels.shape[:3]), loaded.affine, loaded.header)
    if (stored.slope, stored.inter) == (1, 0):
        image.header.set_slope_inter(None, None)
    else:  # afterwards: making an image clears them
        image.header.set_slope_inter(stored.slope, stored.inter)
    return image


def _decompress(packed: bytes) -> bytes:
    try:
        return bytes(deflate.gzip_decompress(packed))
    except deflate.DeflateError:  # several gzip members, which only Python's own reads; or damage
        return gzip.decompress(packed)


def _stored(loaded: nib.Nifti1Image) -> ArrayProxy:
    """The voxels of an image that comes from bytes: a view of them, and how they are scaled."""
    proxy = loaded.dataobj
    assert isinstance(proxy, ArrayProxy)
    return proxy


def _check_voxels(voxels: Voxels, path: Path) -> None:
    shape = voxels.shape
    if len(shape) < 3 or any(length > 1 for length in shape[3:]):
        raise StudyError(
            f"{path}: {len(shape)} dimensions {shape}, needed are 3", hint="choose a 3D image"
        )
    if voxels.dtype.kind == "c":
        raise StudyError(
            f"{path}: complex voxels ({voxels.dtype})", hint="choose the magnitude image"
        )
    if voxels.dtype.kind == "V":
        raise StudyError(
            f"{path}: RGB voxels, needed is one number a voxel", hint="choose the image itself"
        )
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise _not_finite(voxels, path)


def _not_finite(voxels: Voxels, path: Path) -> StudyError:
    count, what = int(np.isnan(voxels).sum()), "NaN"
    if not count:
        count, what = int(np.isinf(voxels).sum()), "infinite"
    return StudyError(f"{path}: {count} voxels are {what}", hint=EXCLUDE)


def check_forms(image: nib.Nifti1Image, path: Path) -> None:
    """Raise StudyError unless sform and qform agree where both are set: programs choose either."""
    affine, header = image.affine, image.header
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < FLAT:
        raise StudyError(f"{path}: the affine cannot be inverted", hint=EXCLUDE)
    if not (header["sform_code"] and header["qform_code"]):
        return
    apart = apart_mm(header.get_sform(), header.get_qform(), image.shape)
    if apart > GRID_TOLERANCE * max(image.shape):
        raise StudyError(
            f"{path}: sform and qform disagree by up to {apart:.3f} mm",
            hint=f"{EXCLUDE}, or have the source corrected",
        )


def scaled(image: nib.Nifti1Image) -> Voxels:
    """The values of a volume that `read_volume` gave: as stored, or with slope and intercept."""
    slope, inter = image.header.get_slope_inter()
    stored: Voxels = np.asarray(image.dataobj)
    if slope is None:
        return stored
    values: Voxels = stored * slope + inter
    return values


def apart_mm(one: Affine, other: Affine, shape: Sequence[int]) -> float:
    """How far the corners of a grid of `shape` lie apart under two affines (4×4), in mm."""
    unit = np.array([(*corner, 1) for corner in itertools.product((0, 1), repeat=3)])
    corners = unit * [*shape[:3], 1]
    return float(np.linalg.norm((one - other) @ corners.T, axis=0).max())


def same_grid(image: nib.Nifti1Image, other: nib.Nifti1Image) -> bool:
    """Whether two images have their voxels at the same places in the same order."""
    if image.shape != other.shape:
        return False
    return apart_mm(image.affine, other.affine, image.shape) <= GRID_TOLERANCE * max(image.shape)


def axes_of(image: nib.Nifti1Image) -> str:
    """Where the voxel axes run to, a letter each: RPI is `LAS`."""
    return "".join(nib.aff2axcodes(image.affine))


def to_orientation(image: nib.Nifti1Image, codes: Sequence[str]) -> nib.Nifti1Image:
    """The same image with its voxel axes flipped and permuted, without interpolation; the image
    itself where it runs so.

    Data type, scaling, oblique axes and the codes of sform and qform stay.
    """
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    turned: nib.Nifti1Image = image.as_reoriented(turn)
    if turned is not image:
        turned.header.set_slope_inter(*image.header.get_slope_inter())
        _place(turned, turned.affine, image.header)
    return turned


def on_grid_of(voxels: Voxels, image: nib.Nifti1Image) -> nib.Nifti1Image:
    """New voxels at the places of an image's."""
    made = nib.Nifti1Image(voxels, image.affine)
    made.header.set_xyzt_units(*image.header.get_xyzt_units())
    _place(made, image.affine, image.header)
    return made


def _place(image: nib.Nifti1Image, affine: Affine, like: nib.Nifti1Header) -> None:
    """Set sform and qform with the codes of another header; at least one of them is set."""
    sform, qform = int(like["sform_code"]), int(like["qform_code"])
    image.header.set_qform(affine, code=qform)
    image.header.set_sform(affine, code=sform if sform or qform else 1)


def volume_bytes(image: nib.Nifti1Image) -> bytes:
    """An image as a .nii.gz: the same bytes on every machine."""
    return bytes(deflate.gzip_compress(image.to_bytes(), COMPRESSION))
