"""What the page holds for its viewer: NiiVue, and volumes cut to the cord."""

import base64
import re

import deflate
import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from cordstudy.pipeline.report.viewer import MOST_VOXELS, centre_mm, niivue, volumes
from made_picture import emptied, made_picture


def test_niivue_comes_whole_out_of_its_package():
    viewer = niivue()
    script = deflate.gzip_decompress(base64.b64decode(viewer.module)).decode()
    assert re.search(r"export\{\w+ as Niivue\};$", script) and viewer.version in script
    assert "BSD 2-Clause" in viewer.licence and "Copyright" in viewer.licence
    assert niivue() == viewer


def unpacked(text: str) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(deflate.gzip_decompress(base64.b64decode(text)))


@pytest.mark.parametrize(
    ("shape", "spacing"), [((60, 50, 30), (1.0, 1.0, 2.0)), ((300, 300, 200), (0.3, 0.3, 0.5))]
)
def test_volumes_of_the_viewer_are_cut_to_the_cord_and_stay_in_place(shape, spacing):
    picture = made_picture(shape, spacing)
    made = {name: unpacked(text) for name, text in volumes(picture).items()}
    assert set(made) == {"image", "reference", "general", "specific"}
    assert len({image.shape for image in made.values()}) == 1
    assert np.prod(made["image"].shape) <= MOST_VOXELS
    assert made["image"].get_fdata().max() == 255
    assert made["specific"].get_fdata().max() == 0
    kept = np.argwhere(made["reference"].get_fdata() > 0)
    shown = apply_affine(made["reference"].affine, kept.mean(axis=0))
    middle = np.argwhere(picture.masks["reference"]).mean(axis=0)
    true = apply_affine(picture.image.affine, middle)
    assert np.abs(shown - true).max() < 2 * max(spacing)
    assert volumes(picture) == volumes(picture)


def test_a_case_without_cord_is_shown_whole_from_its_middle():
    empty = emptied(made_picture())
    made = {name: unpacked(text) for name, text in volumes(empty).items()}
    assert made["reference"].shape == empty.voxels.shape
    middle = apply_affine(empty.image.affine, np.array(empty.voxels.shape) // 2)
    assert centre_mm(empty) == pytest.approx(middle.tolist())


def test_masks_of_the_viewer_are_outlines_in_each_axial_slice():
    mask = unpacked(volumes(made_picture())["reference"]).get_fdata()
    whole = np.count_nonzero(made_picture().masks["reference"].any(axis=2))
    for plane in np.moveaxis(mask, 2, 0):
        assert np.count_nonzero(plane) in (0, whole - 4 * 3), "6 by 5 voxels but for those within"


def test_the_viewer_opens_at_the_voxel_of_the_reference_that_is_nearest_to_its_centroid():
    picture = made_picture()
    mask = picture.masks["reference"]
    mask[:] = False
    mask[10:13, 20, 5:15] = True
    mask[10:60, 20, 15] = True  # to one side, so that the middle one by x is far from the rest
    places = np.argwhere(mask)
    away = apply_affine(np.linalg.inv(picture.image.affine), centre_mm(picture)) - places.mean(
        axis=0
    )
    nearest = np.linalg.norm((places - places.mean(axis=0)) * picture.spacing_mm, axis=1).min()
    assert np.linalg.norm(away * picture.spacing_mm) < nearest + 0.02
