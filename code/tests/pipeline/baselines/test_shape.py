"""The mean shape: what it learns of masks, where it draws, and that it does so alike."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.baselines.shape import command, draw, fit
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, RawCase, write_cases
from cordstudy.pipeline.raw.names import image_path, mask_path

RPI = np.diag([-1.0, -1, 1, 1])


def tube(size: tuple[int, int, int], radius: float, *, bottom: int = 0) -> np.ndarray:
    """An upright tube in the middle of an image, of voxels of 1 mm."""
    x, y = (np.arange(size[axis]) - (size[axis] - 1) / 2 for axis in (0, 1))
    disc = x[:, None] ** 2 + y[None, :] ** 2 <= radius**2
    mask = np.zeros(size, np.uint8)
    mask[:, :, bottom:] = disc[:, :, None]
    return mask


def write(path: Path, voxels: np.ndarray, spacing: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, RPI @ np.diag([spacing, spacing, spacing, 1])), path)


def test_the_shape_of_one_mask_is_that_mask_in_an_image_of_any_spacing():
    mask = tube((40, 40, 20), 6)
    shape = fit([(mask, (1, 1, 1))])
    assert np.array_equal(draw(shape, mask.shape, (1, 1, 1)), mask)
    fine = draw(shape, (80, 80, 50), (0.5, 0.5, 0.4))
    assert fine.sum() * 0.5**2 * 0.4 == pytest.approx(mask.sum(), rel=0.03)


def test_it_draws_where_half_of_the_masks_have_cord():
    low, high = tube((20, 20, 64), 4), tube((20, 20, 64), 4, bottom=32)
    shape = fit([(high, (1, 1, 1)), (high, (1, 1, 1)), (low, (1, 1, 1))])
    drawn = draw(shape, (20, 20, 64), (1, 1, 1))
    assert not drawn[:, :, :32].any() and drawn[:, :, 32:].any(axis=(0, 1)).all()


def test_nothing_can_be_learned_of_empty_masks():
    with pytest.raises(StudyError, match="empty, or none"):
        fit([(np.zeros((4, 4, 4), np.uint8), (1, 1, 1))])


def raw_case(case_id: str, part: str) -> RawCase:
    values = dict.fromkeys(CASE_COLUMNS, "n/a")
    return RawCase(**values | {"case_id": case_id, "dataset": "x", "part": part})


def test_the_step_writes_a_mask_of_each_test_image_on_its_grid_the_same_bytes_again(tmp_path):
    raw, out = tmp_path / "Dataset501_x", tmp_path / "out"
    write(raw / mask_path("train", "x_1"), tube((20, 20, 10), 4))
    write(raw / image_path("test", "x_2"), np.ones((30, 24, 12), np.int16), spacing=0.8)
    write_cases(raw, [raw_case("x_1", "train"), raw_case("x_2", "test")])
    made = []
    for _ in range(2):
        arguments = [str(raw), str(raw), "--out", str(out)]
        CliRunner().invoke(command, arguments, catch_exceptions=False)
        made.append((out / "x/x_2.nii.gz").read_bytes())
    assert made[0] == made[1]
    mask, image = nib.load(out / "x/x_2.nii.gz"), nib.load(raw / image_path("test", "x_2"))
    assert mask.shape == image.shape and np.allclose(mask.affine, image.affine)
    assert set(np.unique(mask.dataobj)) == {0, 1} and mask.get_data_dtype() == np.uint8
