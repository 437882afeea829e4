"""What is told of an image: which copies have the same digest, how large its voxels are."""

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.raw.conversion import voxel_size
from cordstudy.pipeline.raw.digests import _step, voxels_sha256

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
