"""Masks as they lie: what is inside them, and the box about that."""

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.masks import bounding_box
from cordstudy.pipeline.raw.volumes import read_volume


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_box_about_a_mask_is_the_smallest_that_holds_it(order):
    mask = np.zeros((4, 5, 6), bool, order=order)
    mask[1, 2, 3] = mask[2, 2, 5] = True
    assert bounding_box(mask) == (slice(1, 3), slice(2, 3), slice(3, 6))
    empty = np.zeros((4, 5, 6), bool, order=order)
    assert empty[bounding_box(empty)].size == 0


def test_a_file_without_voxels_is_an_error_that_names_it(tmp_path):
    nib.GiftiImage().to_filename(tmp_path / "surface.gii")
    with pytest.raises(StudyError, match=r"surface\.gii"):
        read_volume(tmp_path / "surface.gii")
