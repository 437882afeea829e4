"""What is told of an image: which copies have the same digest, how large its voxels are."""

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.raw.conversion import voxel_size
from cordstudy.pipeline.raw.digests import _step, is_plain, mask_voxels_sha256, voxels_sha256
from cordstudy.pipeline.raw.layout import PLAIN

VOXELS = np.random.default_rng(1).integers(0, 900, (20, 16, 12)).astype(np.int16)
MASK = np.zeros((20, 16, 12), np.uint8)
MASK[8:11, 7:10, 2:9] = 1
MASK[8, 7] = 0


def digest(voxels: np.ndarray, affine: np.ndarray | None = None, slope: float = 1.0) -> str:
    image = nib.Nifti1Image(voxels, np.diag([-1, -1, 1, 1]) if affine is None else affine)
    image.header.set_slope_inter(slope, 0)
    return voxels_sha256(image)


@pytest.mark.parametrize(
    "copy",
    [
        VOXELS.astype(np.float32),
        VOXELS.astype(np.float64) * 0.37 + 12.5,
        VOXELS.astype(np.float32) / 899 * 4095 - 3,
        (VOXELS * 2 + 7).astype(np.uint16),
        np.pad(VOXELS, 3),
        np.pad(VOXELS, [(0, 5), (1, 0), (0, 2)]).astype(np.float32) * 0.1,
    ],
)
def test_a_copy_that_is_stored_scaled_or_framed_otherwise_has_the_same_digest(copy):
    assert digest(copy) == digest(VOXELS)


def test_what_the_header_says_of_place_is_no_part_of_it():
    assert digest(VOXELS, np.diag([-0.8, -0.8, 4, 1])) == digest(VOXELS)


@pytest.mark.parametrize(
    "other",
    [
        np.where(VOXELS.max() == VOXELS, 0, VOXELS),
        np.roll(VOXELS, 1, axis=0),
        VOXELS[::-1],
        VOXELS[1:],
        -VOXELS,
        np.random.default_rng(2).integers(0, 900, VOXELS.shape).astype(np.int16),
    ],
)
def test_another_image_has_another(other):
    assert digest(np.ascontiguousarray(other)) != digest(VOXELS)


def test_a_mask_is_the_same_in_each_crop_of_its_image_and_another_raters_is_another():
    assert digest(MASK[4:, 2:-2, 1:]) == digest(MASK) == digest(np.pad(MASK, 2))
    changed = MASK.copy()
    changed[9, 8, 5] = 0
    assert digest(changed) != digest(MASK)
    assert digest(np.zeros_like(MASK)) != digest(np.ones((3, 3, 3), np.uint8)), "no box, no error"


def tube(tilt: float = 0.0, bend: float = 0.0, radius: float = 4.0, slices: int = 20) -> np.ndarray:
    """A cord whose middle moves by `tilt` voxels a slice, and by `bend` times the square of it."""
    x, y, z = np.indices((40, 40, slices + 4))
    up = z - (slices + 3) / 2
    mask = (x - 20 - tilt * up - bend * up**2) ** 2 + (y - 20) ** 2 <= radius**2
    mask[:, :, :2] = mask[:, :, -2:] = False
    return mask


BOX = np.zeros((30, 30, 30), bool)
BOX[5:25, 6:12, 4:20] = True
STEPS = BOX.copy()
STEPS[5:12, 6:9] = False
BY_CHANCE = {
    "nothing": np.zeros((9, 9, 9), bool),
    "a voxel": np.pad(np.ones((1, 1, 1), bool), 3),
    "a cube of two voxels": np.pad(np.ones((2, 2, 2), bool), 3),
    "few voxels": MASK > 0,
    "a box": BOX,
    "a whole image": np.ones((9, 9, 9), bool),
    "a straight tube": tube(),
    "a straight tube of any outline": STEPS,
    "an oblique tube": tube(0.4),
    "a ball": ((np.indices((21, 21, 21)) - 10) ** 2).sum(axis=0) <= 64,
}


@pytest.mark.parametrize("name", BY_CHANCE)
def test_a_mask_that_others_may_equal_by_chance_has_no_digest(name):
    mask = BY_CHANCE[name]
    assert is_plain(mask) and is_plain(np.pad(mask, 2))
    image = nib.Nifti1Image(mask.astype(np.uint8), np.diag([-1, -1, 1, 1]))
    assert mask_voxels_sha256(image) == PLAIN


def drawn() -> np.ndarray:
    """A box but for one voxel, as a person may have left it."""
    mask = BOX.copy()
    mask[5, 6, 4] = False
    return mask


@pytest.mark.parametrize("mask", [tube(0.3, 0.02), tube(0, 0.01), tube(0.1, -0.01, 3, 9), drawn()])
def test_a_mask_of_its_own_shape_has_one_that_its_copies_share(mask):
    whole = nib.Nifti1Image(mask.astype(np.uint8), np.diag([-1, -1, 1, 1]))
    framed = nib.Nifti1Image(np.pad(mask, 3).astype(np.uint8), np.diag([-1, -1, 1, 1]))
    assert not is_plain(mask)
    assert mask_voxels_sha256(framed) == mask_voxels_sha256(whole) == voxels_sha256(whole)


@pytest.mark.parametrize("shape", [(192, 320, 320), (100, 100, 2000), (64, 64, 20), (1, 7, 9)])
def test_sampled_voxels_are_of_every_column(shape):
    step = _step(shape)
    places = np.unravel_index(np.arange(0, np.prod(shape), step), shape, order="F")
    assert len(places[0]) <= 250_000
    for place, size in zip(places, shape):
        assert len(np.unique(place)) == size


@pytest.mark.parametrize(
    ("sizes_mm", "told"),
    [
        ((0.8, 0.8, 4), "0.8x0.8x4"),
        ((1.1000001, 1.0999, 5.25), "1.1x1.1x5.25"),
        ((1, 1, 1), "1x1x1"),
    ],
)
def test_the_size_of_voxels_is_told_to_two_decimals(sizes_mm, told):
    assert voxel_size(nib.Nifti1Image(VOXELS, np.diag([*sizes_mm, 1]))) == told
