"""Pictures of a case: they come out the same, whatever is in its masks."""

import nibabel as nib
import numpy as np

from cordstudy.pipeline.report.figures import three_panels
from cordstudy.pipeline.report.pictures import draw_slice, overlay, read_picture, slice_through
from made_picture import emptied, made_picture


def test_pictures_of_a_case_come_out_the_same():
    picture = made_picture()
    assert overlay(picture) == overlay(picture)
    assert slice_through(picture) == slice_through(picture)


def test_a_slice_tells_which_masks_have_an_outline_in_it():
    _, panels = three_panels()
    assert draw_slice(panels[0], made_picture(), 15) == {"reference", "general"}
    assert draw_slice(panels[1], made_picture(), 0) == set()


def test_a_case_without_cord_has_pictures_too():
    empty = emptied(made_picture())
    assert overlay(empty).startswith("data:image/png")
    assert slice_through(empty).startswith("data:image/gif")


def test_a_mask_that_is_missing_is_read_as_an_empty_one(tmp_path):
    image = tmp_path / "image.nii.gz"
    nib.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4)).to_filename(image)
    picture = read_picture(image, {"reference": image, "general": tmp_path / "none.nii.gz"})
    assert picture.masks["reference"].all() and not picture.masks["general"].any()
