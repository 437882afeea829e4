"""NIfTI volumes: read whole and checked, written the same way each time.

Owns: what a file of a 3D image must be to be used; its unit, sizes and axes made usual.
Does not own: what its header must say (`headers`), which images (`sources.finding`), their grids
(`grids`), or where they go (`convert`).

nibabel reads and writes NIfTI. Python's own gzip decompresses: it reads files of several members,
as bgzip and pigz write them. libdeflate, pinned by the lock, compresses: the bytes of the zlib of
a machine's Python differ between machines.

Usual is what every program reads the same: NIfTI-1 of three axes at right angles, in mm, whose
sform, qform and pixdim say one thing.
"""

from __future__ import annotations

import gzip
import logging
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import deflate
import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from cordstudy.base.errors import StudyError
from cordstudy.base.within import regular
from cordstudy.pipeline.raw.grids import TOLERANCE, Affine, Voxels, apart, place, squared
from cordstudy.pipeline.raw.headers import (
    CORRECT,
    LENGTH,
    NO_IMAGE,
    TIMES,
    affine_mm,
    check_forms,
    is_usual,
)

COMPRESSION = 1
LARGEST = 1e12
"""The largest value of a voxel that single precision can take the variance of."""
LONGEST_QUATERNION = 1 + 1e-4
CONTRAST = 1e-6
"""The least that values may differ by, as a share of the largest: single precision sees no less."""
LEAST_CONTRAST = 1e-7
"""The least that they may differ by: nnU-Net's normalization sees no less."""
DAMAGED = (
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    zlib.error,
)
"""What nibabel and gzip raise for a file that is not what it should be."""
NIFTI2_HEADER = (540).to_bytes(4, "little"), (540).to_bytes(4, "big")
PAIR = b"ni1", b"ni2"
GZIP = b"\x1f\x8b"
GZIP_MEMBER = 31
"""What tells zlib to expect one, with its header and checksum."""


@dataclass(frozen=True)
class Volume:
    """A file of a 3D image, read and checked."""

    image: nib.Nifti1Image
    """The usual image; voxels as stored, not scaled."""
    original: nib.Nifti1Image
    """As the file has it, in NIfTI-1 or 2; its voxels are those of `image`."""
    packed: bytes
    """The file, if it is a usual image in one gzip member; else empty."""
    sheared: float
    """How far its axes are from right angles, in voxels at the corner where that is most; those of
    `image` are at right angles."""


def read_volume(path: Path) -> nib.Nifti1Image:
    """A 3D image, whole and checked: voxels as stored (not scaled), in mm, its axes at right
    angles.

    Raises StudyError as `read` and `check_placed` do.
    """
    volume = read(path)
    check_placed(volume, path)
    return volume.image


def read(path: Path) -> Volume:
    """Read a file of a 3D image.

    A fourth axis of length one is dropped. Raises StudyError, naming file and fault, for a
    file that is not here, damaged or no NIfTI; more than one volume; complex or RGB voxels, NaN,
    infinite and absurd ones; an affine of which no places follow, or two that disagree; a unit or
    size that no image of a person has.
    """
    content = regular(path).read_bytes()
    try:
        return _read(content, path)
    except DAMAGED as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise StudyError(
            f"{path}: cannot be read as NIfTI: {why}",
            hint="is it an image, and whole? `git annex fsck` tells a damaged copy",
        ) from error


def check_placed(volume: Volume, path: Path) -> None:
    """Raise StudyError for an image that does not say how it lies, of which programs think in
    different ways; and for axes that are not at right angles: ITK, with which nnU-Net reads, has no
    such images."""
    header = volume.original.header
    if not (header["sform_code"] or header["qform_code"]):
        raise StudyError(
            f"{path}: it does not say how it lies: sform_code and qform_code are 0", hint=CORRECT
        )
    if volume.sheared > TOLERANCE:
        raise StudyError(
            f"{path}: its axes are not at right angles: sheared by up to "
            f"{volume.sheared:.1f} voxels",
            hint="have it resampled, or leave it out, with a reason",
        )


def check_contrast(volume: Volume, path: Path) -> None:
    """Raise StudyError for an image in which there is nothing to see."""
    low, high = _extremes(volume.image)
    if high - low <= max(LEAST_CONTRAST, CONTRAST * max(abs(low), abs(high))):
        values = f"every voxel is {low:g}" if low == high else f"its values are {low:g} to {high:g}"
        raise StudyError(f"{path}: {values}: there is nothing to see", hint=CORRECT)


def _read(content: bytes, path: Path) -> Volume:
    plain, is_one_member = _unpacked(content) if content[:2] == GZIP else (content, False)
    with _quiet():
        kind: type[nib.Nifti1Image] = nib.Nifti1Image
        if plain[:4] in NIFTI2_HEADER:
            kind = nib.Nifti2Image
        mended = _with_unit_quaternion(plain, kind)
        loaded = kind.from_bytes(mended)
        stored = _header_as_stored(loaded, plain)
        packed = content if is_one_member and mended is plain else b""
        return _volume(loaded, _voxels(loaded, plain), stored, packed, path)


def _unpacked(content: bytes) -> tuple[bytes, bool]:
    """What a gzip file holds, and whether it is one member with nothing after it."""
    member = zlib.decompressobj(wbits=GZIP_MEMBER)
    plain = member.decompress(content)
    if member.eof and not member.unused_data:
        return plain, True
    try:
        return gzip.decompress(content), False
    except gzip.BadGzipFile as error:
        if "Not a gzipped file" in str(error):  # the first member was one
            raise ValueError("after its compressed content comes something else") from error
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nibabel from telling what it mends of a header, and numpy what it cannot compute of it:
    what matters of it is checked here."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _with_unit_quaternion(plain: bytes, kind: type[nib.Nifti1Image]) -> bytes:
    """A file whose quaternion is not, by rounding, longer than 1: nibabel takes none of those."""
    size = kind.header_class.template_dtype.itemsize
    header = kind.header_class(plain[:size], check=False)
    names = ("quatern_b", "quatern_c", "quatern_d")
    length = math.hypot(*(float(header[name]) for name in names))
    if not 1 < length <= LONGEST_QUATERNION:
        return plain
    for name in names:
        header[name] = float(header[name]) / (length * (1 + 1e-7))
    return bytes(header.binaryblock) + plain[size:]


def _header_as_stored(loaded: nib.Nifti1Image, plain: bytes) -> nib.Nifti1Header:
    """The header before nibabel mended it. ValueError for one whose voxels are in another file."""
    size = loaded.header.template_dtype.itemsize
    header = type(loaded.header)(plain[:size], check=False)
    if header["magic"].item()[:3] in PAIR:
        raise ValueError("it is one of two files (.hdr and .img)")
    return header


def _voxels(loaded: nib.Nifti1Image, plain: bytes) -> Voxels:
    """The voxels of an image as stored. ValueError where its content is shorter than they are."""
    shape, kind, start = loaded.shape, loaded.get_data_dtype(), _offset(loaded)
    if not shape or min(shape) < 1:
        raise ValueError(f"it has no voxels: {shape}")
    end = start + math.prod(shape) * kind.itemsize
    if start < loaded.header.single_vox_offset or end > len(plain):
        told = f"its voxels are to be bytes {start:,} to {end:,}"
        raise ValueError(f"it has {len(plain):,} bytes, {told}")
    return np.ndarray(shape, kind, plain, start, order="F")


def _offset(loaded: nib.Nifti1Image) -> int:
    """Where the voxels of an image that comes from bytes begin."""
    proxy = loaded.dataobj
    assert isinstance(proxy, ArrayProxy)
    return int(proxy.offset)


def _volume(
    loaded: nib.Nifti1Image,
    voxels: Voxels,
    stored: nib.Nifti1Header,
    packed: bytes,
    path: Path,
) -> Volume:
    """The checked volume of a file that can be read."""
    _check_voxels(voxels, path)
    check_forms(loaded, stored, path)
    original = type(loaded)(voxels.reshape(voxels.shape[:3]), loaded.affine, loaded.header)
    _set_scaling(original, stored, path)
    affine = affine_mm(original, path)
    square = squared(affine)
    usual = voxels.ndim == 3 and is_usual(original, stored, affine)
    image = original if usual else _made_usual(original, square)
    return Volume(
        image=image,
        original=original,
        packed=packed if usual else b"",
        sheared=apart(square, affine, original.shape),
    )


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
    return StudyError(f"{path}: {count} voxels are {what}", hint=CORRECT)


def _set_scaling(image: nib.Nifti1Image, stored: nib.Nifti1Header, path: Path) -> None:
    """Give an image the slope and intercept that its file has; making it clears them.

    Raises StudyError for a slope that is infinite, and for values that no contrast has.
    """
    if np.isinf(stored["scl_slope"]):
        raise StudyError(f"{path}: its values have an infinite slope", hint=CORRECT)
    slope, inter = stored.get_slope_inter()
    if (slope, inter) == (1, 0):
        slope = inter = None
    image.header.set_slope_inter(slope, inter)
    low, high = _extremes(image)
    if max(abs(low), abs(high)) > LARGEST:
        raise StudyError(f"{path}: its values are {low:g} to {high:g}", hint=CORRECT)


def _extremes(image: nib.Nifti1Image) -> tuple[float, float]:
    """The smallest and the largest value, scaled."""
    slope, inter = image.header.get_slope_inter()
    stored: Voxels = np.asarray(image.dataobj)
    ends = [float(stored.min()), float(stored.max())]
    if slope is not None:
        ends = sorted(end * slope + inter for end in ends)
    return ends[0], ends[1]


def _made_usual(original: nib.Nifti1Image, affine: Affine) -> nib.Nifti1Image:
    """The same image as NIfTI-1 in mm, with one affine (4×4) throughout."""
    voxels = np.asarray(original.dataobj)
    made = nib.Nifti1Image(voxels, affine, original.header)
    time = int(original.header["xyzt_units"]) & ~LENGTH
    if int(made.header["intent_code"]) in NO_IMAGE:
        made.header.set_intent("none")
    made.header["xyzt_units"] = 2 | (time if time in TIMES else 0)
    made.header.set_slope_inter(*original.header.get_slope_inter())
    place(made, affine, original.header)
    return made


def scaled(image: nib.Nifti1Image) -> Voxels:
    """The values of a volume that `read` gave: as stored, or with slope and intercept."""
    slope, inter = image.header.get_slope_inter()
    stored: Voxels = np.asarray(image.dataobj)
    if slope is None:
        return stored
    values: Voxels = stored * slope + inter
    return values


def volume_bytes(image: nib.Nifti1Image) -> bytes:
    """An image as a .nii.gz: the same bytes on every machine."""
    return bytes(deflate.gzip_compress(image.to_bytes(), COMPRESSION))
