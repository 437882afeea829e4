"""What a file of an image may be, however programs write it, and what is refused by name."""

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.volumes import (
    check_contrast,
    read,
    read_volume,
    scaled,
    volume_bytes,
)

SHAPE = (9, 8, 7)
STORED = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
RPI = np.diag([-1.0, 1, 1, 1])
SFORM, QFORM = (254, "<h"), (252, "<h")
PIXDIM = [(offset, "<f") for offset in (80, 84, 88)]
SLOPE, INTER = (112, "<f"), (116, "<f")


def plain(
    stored: np.ndarray = STORED,
    affine: np.ndarray = RPI,
    *,
    kind: type[nib.Nifti1Image] = nib.Nifti1Image,
    codes: tuple[int, int] = (1, 1),
    unit: str = "mm",
) -> bytes:
    """A NIfTI file, not compressed, with codes of sform and qform."""
    image = kind(stored, affine, dtype=stored.dtype)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    image.header.set_xyzt_units(unit, "sec")
    return image.to_bytes()


def poked(*values: tuple[tuple[int, str], float], content: bytes = b"") -> bytes:
    """A file with fields of its header, by offset and format, replaced."""
    changed = bytearray(content or plain())
    for (offset, form), value in values:
        struct.pack_into(form, changed, offset, value)
    return bytes(changed)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def stored_as(folder: Path, content: bytes, name: str = "image.nii.gz") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def sheared(by: float) -> np.ndarray:
    affine = RPI.copy()
    affine[0, 2] = by
    return affine


WHOLE = packed(plain())
READ = {
    "usual": WHOLE,
    "not compressed": plain(),
    "NIfTI-2": packed(plain(kind=nib.Nifti2Image)),
    "two members": packed(plain()[:400]) + packed(plain()[400:]),
    "a first member that holds all": WHOLE + packed(b""),
    "bgzip": b"".join(packed(plain()[n : n + 100]) for n in range(0, len(plain()), 100))
    + packed(b""),
    "padded with zeros": WHOLE + b"\0" * 512,
    "big-endian": packed(
        nib.Nifti1Image(
            STORED.astype(">i2"), RPI, nib.Nifti1Image(STORED, RPI).header.as_byteswapped(">")
        ).to_bytes()
    ),
    "micron": packed(plain(affine=np.diag([-1000.0, 1000, 1000, 1]), unit="micron")),
    "metre": packed(plain(affine=np.diag([-0.001, 0.001, 0.001, 1]), unit="meter")),
    "no unit": packed(plain(unit="unknown")),
    "a fourth axis": packed(plain(STORED[..., None])),
    "a fourth and a fifth axis": packed(plain(STORED[..., None, None])),
    "no size in pixdim": packed(
        poked((QFORM, 0), *((offset, 0) for offset in PIXDIM), content=plain(codes=(1, 0)))
    ),
    "another size in pixdim": packed(
        poked(*((offset, 3) for offset in PIXDIM), content=plain(codes=(1, 0)))
    ),
    "a negative size in pixdim": packed(poked((PIXDIM[0], -1))),
    "a slope of 0": packed(poked((SLOPE, 0))),
    "no slope": packed(poked((SLOPE, float("nan")))),
    "int64": packed(plain(STORED.astype(np.int64))),
    "float64": packed(plain(STORED.astype(np.float64))),
    "a unit of time that is none": packed(poked(((123, "<B"), 2 | 56))),
    "an intent that is no image's": packed(poked(((68, "<h"), 1006))),
    "a quaternion that is longer than 1": packed(
        poked(*(((256 + 4 * n, "<f"), value) for n, value in enumerate((0, 1.0000004, 0))))
    ),
    "a qfac that is above 0": packed(poked(((76, "<f"), 4), content=plain(codes=(1, 0)))),
    "an intercept without a slope": packed(poked((SLOPE, 0), (INTER, 500))),
    "sheared by rounding": packed(plain(affine=sheared(1e-3), codes=(1, 0))),
}


@pytest.mark.parametrize("name", READ)
def test_whatever_programs_write_is_read_alike_by_nibabel_and_itk(tmp_path, name):
    path = stored_as(tmp_path, READ[name])
    image = read_volume(path)
    assert type(image) is nib.Nifti1Image and image.shape == SHAPE
    assert (scaled(image) == STORED).all()
    assert np.allclose(image.affine[:3, :3], RPI[:3, :3], atol=2e-3)
    (tmp_path / "usual.nii.gz").write_bytes(volume_bytes(image))
    by_itk = sitk.ReadImage(str(tmp_path / "usual.nii.gz"))
    assert np.allclose(by_itk.GetSpacing(), 1, atol=1e-4)
    assert (sitk.GetArrayFromImage(by_itk).T == STORED).all()
    assert nib.load(tmp_path / "usual.nii.gz").header.get_xyzt_units()[0] in ("mm", "unknown")


KEPT = {
    "a qfac that is above 0",
    "usual",
    "big-endian",
    "no unit",
    "a slope of 0",
    "no slope",
    "int64",
    "float64",
}


@pytest.mark.parametrize("name", READ)
def test_only_a_file_that_every_program_reads_alike_is_taken_over_as_it_is(tmp_path, name):
    path = stored_as(tmp_path, READ[name])
    expected = READ[name] if name in KEPT else b""
    assert read(path).packed == expected


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "x.NII.GZ", "x"])
@pytest.mark.parametrize("content", [plain(), WHOLE])
def test_the_content_of_a_file_says_what_it_is_and_not_its_name(tmp_path, name, content):
    assert read_volume(stored_as(tmp_path, content, name)).shape == SHAPE


def test_slope_and_intercept_stay(tmp_path):
    content = poked((SLOPE, 2), (INTER, -1024))
    image = read_volume(stored_as(tmp_path, packed(content)))
    assert (scaled(image) == STORED * 2.0 - 1024).all()


NAN, INF = float("nan"), float("inf")


def with_voxel(value: float, kind: type = np.float32) -> bytes:
    voxels = STORED.astype(kind)
    voxels[1, 2, 3] = value
    return plain(voxels)


RGB = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
REFUSED = {
    "is no image": (b"hello world" * 100, "cannot be read as NIfTI"),
    "is empty": (b"", "cannot be read as NIfTI"),
    "is cut short": (WHOLE[:500], "cannot be read as NIfTI"),
    "lacks voxels": (packed(plain()[:-1]), "its voxels are to be"),
    "says that it is huge": (
        packed(poked(*(((42 + 2 * n, "<h"), 32767) for n in range(3)))),
        "are to be",
    ),
    "has no voxels": (packed(poked(((44, "<h"), 0))), "no voxels"),
    "is shorter than nothing": (packed(poked(((44, "<h"), -5))), "no voxels"),
    "has something after its gzip": (WHOLE + b"garbage!", "cannot be read as NIfTI"),
    "has a length after its gzip": (WHOLE + struct.pack("<I", 3 << 30), "cannot be read as NIfTI"),
    "begins with its header": (packed(poked(((108, "<f"), 0))), "its voxels are to be bytes 0 to"),
    "does not say how it lies": (packed(poked((SFORM, 0), (QFORM, 0))), "how it lies"),
    "has a code of its sform that is none": (packed(poked((SFORM, 6))), "its sform_code is 6"),
    "has a code of its qform that is none": (packed(poked((QFORM, -1))), "its qform_code is -1"),
    "has a qfac that is none": (packed(poked((SFORM, 0), ((76, "<f"), -2))), "its qfac .* is -2"),
    "has voxels larger than a head": (
        packed(plain(affine=np.diag([-60, 1, 1, 1]))),
        "voxels of 60",
    ),
    "is larger than a person": (
        packed(plain(np.zeros((60, 8, 7), np.uint8), np.diag([-49, 1, 1, 1]))),
        r"2\.94e\+03 mm from end to end",
    ),
    "is smaller than a thumb": (
        packed(plain(affine=np.diag([-0.05, 0.05, 0.05, 1]))),
        "0.45 mm from end to end",
    ),
    "begins nowhere": (packed(poked(((108, "<f"), NAN))), "cannot be read as NIfTI"),
    "begins beyond its end": (packed(poked(((108, "<f"), 1e9))), "its voxels are to be"),
    "is one of two files": (packed(plain()[:344] + b"ni1\0" + plain()[348:]), "one of two files"),
    "has two axes": (packed(plain(STORED[..., 0])), "2 dimensions"),
    "has two volumes": (packed(plain(np.stack([STORED, STORED], -1))), "4 dimensions"),
    "is complex": (packed(plain(STORED.astype(np.complex64))), "complex"),
    "is RGB": (packed(plain(RGB)), "RGB"),
    "has NaN": (packed(with_voxel(NAN)), "1 voxels are NaN"),
    "has infinity": (packed(with_voxel(INF)), "1 voxels are infinite"),
    "has absurd values": (packed(with_voxel(1e30)), "its values are . to 1e.30"),
    "has more absurd values": (packed(with_voxel(-1e300, np.float64)), "its values are -1e.300"),
    "has absurd values by its slope": (packed(poked((SLOPE, 1e30))), "its values are"),
    "has an infinite slope": (packed(poked((SLOPE, INF))), "infinite slope"),
    "has no intercept": (packed(poked((SLOPE, 1), (INTER, NAN))), "intercept"),
    "has no size": (
        packed(poked((SFORM, 0), (QFORM, 0), (PIXDIM[1], 0))),
        "does not say how large",
    ),
    "has no size for its qform": (packed(poked((SFORM, 0), (PIXDIM[1], 0))), "how large"),
    "has a flat affine": (packed(poked((QFORM, 0), ((280, "<f"), 0))), "cannot be inverted"),
    "has NaN in its affine": (packed(poked((QFORM, 0), ((280, "<f"), NAN))), "cannot be inverted"),
    "has a quaternion that is none": (
        packed(poked(*(((256 + 4 * n, "<f"), 1) for n in range(3)))),
        "cannot be read as NIfTI",
    ),
    "has two places": (packed(poked(((268, "<f"), 60))), "sform and qform disagree by up to"),
    "has two places a quarter of a voxel apart": (packed(poked(((268, "<f"), 0.25))), "disagree"),
    "is sheared": (packed(plain(affine=sheared(0.25), codes=(1, 0))), "not at right angles"),
    "has a unit that is none": (packed(poked(((123, "<B"), 5))), "code 5"),
    "has millimetres called micron": (packed(plain(unit="micron")), "by its unit .micron"),
    "has millimetres called metres": (packed(plain(unit="meter")), "by its unit .metre"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_that(tmp_path, name):
    content, words = REFUSED[name]
    path = stored_as(tmp_path, content)
    with pytest.raises(StudyError, match=words) as raised:
        read_volume(path)
    assert str(path) in str(raised.value) and raised.value.hint


def test_two_places_a_share_of_a_voxel_apart_are_one_in_a_large_image_too(tmp_path):
    affine = np.diag([-0.3, 0.3, 4, 1])
    for moved, fault in ((0.02, False), (0.6, True)):
        content = plain(np.zeros((640, 640, 5), np.uint8), affine)
        path = stored_as(tmp_path, packed(poked(((268, "<f"), moved), content=content)))
        if fault:
            with pytest.raises(StudyError, match=r"by up to 2\.0 voxels"):
                read(path)
        else:
            assert read(path).packed


@pytest.mark.parametrize("values", [STORED * 0, STORED * 0 + 5, STORED * 1e-12, 1e9 + STORED / 1e5])
def test_an_image_in_which_there_is_nothing_to_see_is_refused(tmp_path, values):
    volume = read(stored_as(tmp_path, packed(plain(np.asarray(values, np.float64)))))
    with pytest.raises(StudyError, match="nothing to see"):
        check_contrast(volume, tmp_path / "image.nii.gz")
    check_contrast(read(stored_as(tmp_path, WHOLE)), tmp_path / "image.nii.gz")


def test_content_that_is_not_here_says_how_to_get_it(tmp_path):
    link, pointer = tmp_path / "link.nii.gz", tmp_path / "pointer.nii.gz"
    link.symlink_to(".git/annex/objects/Xx/Yy/K/K")
    pointer.write_text("/annex/objects/SHA256E-s100--abc.nii.gz\n")
    for path in (link, pointer):
        with pytest.raises(StudyError, match="its content is not here") as raised:
            read(path)
        assert raised.value.hint == f"datalad get {path}"


def test_small_values_are_values(tmp_path):
    volume = read(stored_as(tmp_path, packed(plain(STORED * 1e-9))))
    check_contrast(volume, tmp_path / "image.nii.gz")


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (
            b"../../.git/annex/objects/Xx/Yy/SHA256E-s1--a.nii.gz/SHA256E-s1--a.nii.gz",
            "datalad get",
        ),
        (b"/annex/objects/\xff\xfe\n", "datalad get"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", "git lfs pull"),
    ],
)
def test_what_stands_for_content_elsewhere_says_how_to_get_it(tmp_path, content, hint):
    with pytest.raises(StudyError, match="its content is not here") as raised:
        read(stored_as(tmp_path, content))
    assert raised.value.hint.startswith(hint)


def test_nothing_is_printed_about_what_is_mended(tmp_path, capfd):
    read(stored_as(tmp_path, READ["a negative size in pixdim"]))
    read(stored_as(tmp_path, READ["NIfTI-2"]))
    assert capfd.readouterr().err == ""
