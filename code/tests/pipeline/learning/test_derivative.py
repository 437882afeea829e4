"""Masks go back to the grids of their images, whichever way those run; a folder is whole or not."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.derivative import Mask, write_derivative
from cordstudy.pipeline.raw.grids import RPI, to_orientation
from cordstudy.pipeline.raw.volumes import read_volume, volume_bytes

NAME = "sub-a/anat/sub-a_space-T2w_label-SC_mask.nii.gz"
SHAPE = (7, 8, 9)


def turned(degrees: float, axes: tuple[int, int] = (1, 2)) -> np.ndarray:
    """A turn in a plane of the world."""
    turn = np.eye(4)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, other = axes
    turn[one, one] = turn[other, other] = cos
    turn[one, other], turn[other, one] = -sin, sin
    return turn


SIZES = np.diag([0.7, 0.8, 2.0, 1.0])
AFFINES = {
    "RAS": SIZES,
    "LPS": np.diag([-1.0, -1, 1, 1]) @ SIZES,
    "AIR": np.array([[0, 0, 1, 4.0], [1, 0, 0, -3], [0, -1, 0, 2], [0, 0, 0, 1]]) @ SIZES,
    "oblique": turned(23) @ turned(11, (0, 1)) @ SIZES,
    "half way": turned(45) @ SIZES,
}


def case(folder: Path, affine: np.ndarray, name: str = NAME) -> Mask:
    """An image whose values are their places, and what a model would make of it in RPI: a mask of
    the larger half."""
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"as scanned"
    path = folder / "sub-a_T2w.nii.gz"
    path.write_bytes(volume_bytes(image))
    rpi = to_orientation(read_volume(path), RPI)
    pred = nib.Nifti1Image((np.asarray(rpi.dataobj) > 250).astype(np.uint8), rpi.affine)
    pred.header.set_xyzt_units("mm")
    (folder / "pred.nii.gz").write_bytes(volume_bytes(pred))
    return Mask(folder / "pred.nii.gz", path, name, {"Type": "ROI"})


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
def test_a_mask_is_on_the_grid_of_its_image_exactly(tmp_path, affine):
    mask = case(tmp_path, affine)
    [path] = write_derivative([mask], {"README.md": "words\n"}, tmp_path / "out")
    image, made = nib.load(mask.image), nib.load(path)
    assert path == tmp_path / "out" / NAME and made.get_data_dtype() == np.uint8
    assert np.array_equal(made.affine, image.affine)
    for field in ("qform_code", "sform_code", "pixdim", "srow_x", "quatern_b", "descrip"):
        assert np.array_equal(made.header[field], image.header[field]), field
    assert np.array_equal(np.asarray(made.dataobj), np.asarray(image.dataobj) > 250)
    assert path.with_name(path.name.replace(".nii.gz", ".json")).is_file()
    write_derivative([mask], {"README.md": "words\n"}, tmp_path / "again")
    files = [p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.*")]
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "out" / file).read_bytes()


def refused(masks: list[Mask], out: Path) -> str:
    """Write, expecting an error that leaves the folder around as it was; the error."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(StudyError) as raised:
        write_derivative(masks, {}, out)
    assert raised.value.hint and sorted(out.parent.rglob("*")) == before
    return str(raised.value)


def test_a_mask_of_another_grid_is_refused_and_nothing_is_left(tmp_path):
    good = case(tmp_path, AFFINES["LPS"])
    (tmp_path / "other").mkdir()
    moved = case(tmp_path / "other", AFFINES["LPS"] + np.eye(4, k=3) * 0.5)
    bad = Mask(moved.pred, good.image, NAME.replace("sub-a", "sub-b"), {})
    told = refused([good, bad], tmp_path / "out")
    assert told.startswith(f"{moved.pred}: not on the grid of {good.image}")


def test_two_masks_of_one_name_are_refused(tmp_path):
    one = case(tmp_path, AFFINES["RAS"])
    other = Mask(one.pred, tmp_path / "other.nii.gz", NAME, {})
    told = refused([one, other], tmp_path / "out")
    assert str(one.image) in told and str(other.image) in told and NAME in told


def test_a_folder_that_holds_something_is_refused(tmp_path):
    mask = case(tmp_path, AFFINES["RAS"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    assert "not empty" in refused([mask], tmp_path / "out")
    (tmp_path / "out/mine.txt").unlink()
    assert write_derivative([mask], {}, tmp_path / "out")
    assert "no folder" in refused([mask], mask.pred)
