"""Pictures of a case: they come out the same, whatever is in its masks."""

import base64
import io

import nibabel as nib
import numpy as np
from PIL import Image

from cordstudy.pipeline.report.figures import three_panels
from cordstudy.pipeline.report.pictures import (
    draw_slice,
    outside_of,
    overlay,
    read_picture,
    window_of,
)
from cordstudy.pipeline.report.strips import FRAMES, strip
from made_picture import emptied, made_picture


def test_pictures_of_a_case_come_out_the_same():
    picture = made_picture()
    assert overlay(picture) == overlay(picture)
    assert strip(picture) == strip(picture)


def test_a_slice_tells_which_masks_have_an_outline_in_it():
    _, panels = three_panels()
    assert draw_slice(panels[0], made_picture(), 15) == {"reference", "general"}
    assert draw_slice(panels[1], made_picture(), 0) == set()


def test_a_case_without_cord_has_pictures_too():
    empty = emptied(made_picture())
    assert overlay(empty).startswith("data:image/png")
    assert strip(empty).uri.startswith("data:image/webp")


def test_a_mask_that_is_missing_is_read_as_an_empty_one(tmp_path):
    image = tmp_path / "image.nii.gz"
    nib.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4)).to_filename(image)
    picture = read_picture(image, {"reference": image, "general": tmp_path / "none.nii.gz"})
    assert picture.masks["reference"].all() and not picture.masks["general"].any()


def test_a_mask_outside_the_part_that_is_shown_is_pointed_at():
    picture = made_picture((160, 50, 30))
    picture.masks["specific"][2:5, 15:18, 15] = True
    window = window_of(picture, 15)
    outside = outside_of(picture, "specific", 15, window)
    assert outside.direction[0] < -0.99 and 70 < outside.distance_mm < 85
    assert outside_of(picture, "general", 15, window) is None
    assert outside_of(picture, "specific", 14, window) is None
    picture.masks["specific"][:] = False
    before = strip(picture), overlay(picture)
    picture.masks["specific"][2:5, 15:18, :] = True
    assert strip(picture) != before[0] and overlay(picture) != before[1]


def test_a_strip_has_a_panel_for_each_mask_and_a_frame_for_each_slice_shown():
    made = strip(made_picture())
    frames = Image.open(io.BytesIO(base64.b64decode(made.uri.partition(",")[2])))
    assert made.panels == ("reference", "general", "specific")
    assert len(made.slices) == FRAMES and list(made.slices) == sorted(set(made.slices))
    assert frames.size == (made.width_px, made.height_px * FRAMES)
