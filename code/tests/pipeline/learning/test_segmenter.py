"""What a mask is called and what is told of it; segmenting is tested with a trained model."""

from pathlib import Path

import numpy as np
import pytest

from cordstudy.pipeline.learning.segmenter import output_path, touched


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.NII.GZ", "a.Nii", "a"])
def test_a_mask_is_called_like_its_image(name):
    assert output_path(Path("x") / name, Path("out")) == Path("out/a_seg.nii.gz")


@pytest.mark.parametrize(
    ("place", "sides"),
    [
        ((2, 2, 2), []),
        ((0, 2, 2), ["right"]),
        ((4, 2, 2), ["left"]),
        ((2, 0, 2), ["posterior"]),
        ((2, 4, 2), ["anterior"]),
        ((2, 2, slice(None)), ["inferior", "superior"]),
    ],
)
def test_the_sides_that_a_mask_touches_are_named_as_in_rpi(place, sides):
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[place] = 1
    assert touched(mask) == sides
