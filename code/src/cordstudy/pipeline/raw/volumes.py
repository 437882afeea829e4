"""NIfTI volumes: read whole and checked, written the same way each time.

Owns: what a file of a 3D image must be to be used; its unit, sizes and axes made usual.
Does not own: which images (`sources.finding`), their grids (`grids`), or where they go
(`convert`).

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

COMPRESSION = 1
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
LARGEST = 1e12
"""The largest value of a voxel that single precision can take the variance of."""
SQUARE = 5e-5
"""How far the cosine of two axes may be from 0 for ITK to take them as at right angles, and half
of it for safety."""
LONGEST_QUATERNION = 1 + 1e-4
FLAT = 1e-6
"""A voxel of less than such a share of the product of its sides is flat: no inverse."""
SAME_SIZE = 1e-3
"""By which share pixdim may differ from what the affine says."""
CONTRAST = 1e-6
"""The least that values may differ by, as a share of the largest: single precision sees no less."""
LEAST_CONTRAST = 1e-7
"""The least that they may differ by: nnU-Net's normalization sees no less."""
NO_IMAGE = (1004, 1005, 1006)
"""Intents of matrices and displacements, with which ITK refuses what is an image all the same."""
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
CORRECT = "have the file corrected, or leave it out, with a reason"


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
    _check_forms(loaded, stored, path)
    original = type(loaded)(voxels.reshape(voxels.shape[:3]), loaded.affine, loaded.header)
    _set_scaling(original, stored, path)
    affine = _affine_mm(original, path)
    square = squared(affine)
    usual = voxels.ndim == 3 and _is_usual(original, stored, affine)
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


def _check_forms(loaded: nib.Nifti1Image, stored: nib.Nifti1Header, path: Path) -> None:
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


def _affine_mm(image: nib.Nifti1Image, path: Path) -> Affine:
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


def _is_usual(image: nib.Nifti1Image, stored: nib.Nifti1Header, affine: Affine) -> bool:
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
