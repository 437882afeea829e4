"""Whether two grids are the same, and the way there and back between orientations."""

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cordstudy.pipeline.raw.grids import (
    RPI,
    from_orientation,
    squared,
    to_orientation,
    voxels_on,
)

SHAPE = (5, 6, 7)
VOXELS = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
TURNS = [
    np.array(list(zip(axes, flips)))
    for axes, flips in product(permutations(range(3)), product((1, -1), repeat=3))
]


def affine_of(degrees: tuple[float, float, float]) -> np.ndarray:
    """Voxels of 0.8, 0.9 and 3 mm, turned about the three axes."""
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine[:3, :3] = np.round(turned, 8) @ np.diag([0.8, 0.9, 3])
    affine[:3, 3] = (-20, 15, 40)
    return affine


ANGLES = [(0, 0, 0), (8, -5, 3), (45, 0, 0), (0, 45, 0), (0, 0, 45), (45, 45, 0), (45, 45, 45)]


@pytest.mark.parametrize("degrees", ANGLES)
def test_voxels_come_back_to_where_they_were_from_any_orientation(degrees):
    image = nib.Nifti1Image(VOXELS, affine_of(degrees))
    for turn in TURNS:
        stored = image.as_reoriented(turn)
        turned = to_orientation(stored, RPI)
        back = from_orientation(np.asarray(turned.dataobj), RPI, stored)
        assert (back == np.asarray(stored.dataobj)).all()


@pytest.mark.parametrize("degrees", ANGLES)
def test_one_grid_is_known_however_it_is_stored(degrees):
    image = nib.Nifti1Image(VOXELS, affine_of(degrees))
    for turn in TURNS:
        found = voxels_on(image.as_reoriented(turn), image)
        assert found is not None and (found == VOXELS).all()


@pytest.mark.parametrize("degrees", ANGLES)
def test_an_orientation_is_the_same_whatever_rounding_has_left_of_an_affine(degrees):
    rng = np.random.default_rng(1)
    expected = to_orientation(nib.Nifti1Image(VOXELS, affine_of(degrees)), RPI)
    for _ in range(20):
        affine = affine_of(degrees)
        affine[:3, :3] += rng.uniform(-1e-6, 1e-6, (3, 3))
        found = to_orientation(nib.Nifti1Image(VOXELS, affine), RPI)
        assert found.shape == expected.shape
        assert (np.asarray(found.dataobj) == np.asarray(expected.dataobj)).all()


def moved(by: tuple[float, float, float] = (0, 0, 0), scale: float = 1) -> nib.Nifti1Image:
    """The image with its voxels moved, in voxels, and larger."""
    affine = affine_of((8, -5, 3))
    affine[:3, 3] = (affine @ [*by, 1])[:3]
    affine[:3, :3] *= scale
    return nib.Nifti1Image(VOXELS, affine)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (moved((1e-3, 0, 0)), True),
        (moved((0, 0.05, 0)), True),
        (moved((0, 0, 0.2)), False),
        (moved((0, 1, 0)), False),
        (moved((20, 0, 0)), False),
        (moved(scale=1.01), True),
        (moved(scale=1.05), False),
        (nib.Nifti1Image(VOXELS, affine_of((8, -5, 8))), False),
        (nib.Nifti1Image(VOXELS[:-1], affine_of((8, -5, 3))), False),
        (nib.Nifti1Image(VOXELS, np.diag([0.3, 0.3, 0.3, 1])), False),
    ],
)
def test_what_lies_a_share_of_a_voxel_apart_is_the_same_and_no_more(other, same):
    assert (voxels_on(other, moved()) is not None) == same


def test_the_nearest_axes_at_right_angles_keep_size_and_place():
    affine = affine_of((8, -5, 3))
    assert np.allclose(squared(affine), affine, atol=1e-6)
    sheared = affine.copy()
    sheared[:3, 2] += 0.3 * affine[:3, 0]
    made = squared(sheared)
    sizes = np.linalg.norm(made[:3, :3], axis=0)
    assert np.allclose(sizes, np.linalg.norm(sheared[:3, :3], axis=0))
    assert np.allclose((made[:3, :3] / sizes).T @ (made[:3, :3] / sizes), np.eye(3))
    assert (made[:3, 3] == affine[:3, 3]).all()
