"""Which values are those of a mask, and which are refused, with what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.mask_values import check_reference, cut

MASK = np.zeros((9, 8, 7), np.uint8)
MASK[3:5, 3:5, 2:6] = 1
SOFT = MASK.astype(np.float32)
SOFT[2, 3, 3], SOFT[5, 3, 3], SOFT[5, 4, 4] = 0.4, 0.6, 0.2
NEGATIVE = MASK.astype(np.int16)
NEGATIVE[0] = -1
THREE = MASK.copy()
THREE[3, 3, 2] = 2
PATH = Path("sub-1_mask.nii.gz")


def reference_mask(values: np.ndarray, path: Path) -> np.ndarray:
    """A mask that a model may learn from."""
    mask = cut(values, path)
    check_reference(mask, path, 0.25)
    return mask


@pytest.mark.parametrize(
    ("values", "voxels"),
    [
        (MASK, 16),
        (MASK * 2, 16),
        (MASK * 255, 16),
        (MASK.astype(bool), 16),
        (MASK * 0.999, 16),
        (SOFT, 17),
        (np.round(SOFT * 255).astype(np.uint8) * np.float64(np.float32(1 / 255)), 17),
        (SOFT * np.float64(1.0000001), 17),
        (SOFT * np.float32(1.05), 17),
        (np.where(SOFT == 0, np.float32(-0.05), SOFT), 17),
        (np.where(SOFT == 0, np.float32(-0.23), SOFT * np.float32(1.2)), 17),
    ],
)
def test_a_mask_is_one(values, voxels):
    made = reference_mask(values, PATH)
    assert made.dtype == np.uint8 and int(made.sum()) == voxels


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (SOFT * 100, "5 different values up to 100"),
        (THREE, "3 different values up to 2"),
        (NEGATIVE, "values from -1"),
        (MASK.astype(np.int8) * -1, "values from -1"),
        (MASK + 1, "from 1 to 2: no background .0., 100% of it would be mask"),
        (np.ones_like(MASK), "100% of the image is mask: no background"),
        (MASK * 254 + 1, "no background"),
        (1 - MASK, "97% of the image is mask"),
        (np.arange(504).reshape(MASK.shape) % 2, "50% of the image is mask"),
        (np.where(MASK, 7, 0.4), "no background"),
        (MASK * 0, "empty at 0.5"),
        (SOFT * np.float32(0.4), "empty at 0.5"),
    ],
)
def test_a_mask_is_refused_with_what_is_wrong(values, words):
    with pytest.raises(StudyError, match=words) as raised:
        reference_mask(values, PATH)
    assert str(PATH) in str(raised.value) and raised.value.hint


@pytest.mark.parametrize("values", [MASK * 0, np.ones_like(MASK), 1 - MASK, SOFT])
def test_a_prediction_may_be_empty_or_fill_the_image_and_is_cut_alike(values):
    assert (cut(values, PATH) == (values >= 0.5)).all()


@pytest.mark.parametrize("values", [THREE, MASK + 1, NEGATIVE, SOFT * 100])
def test_a_prediction_of_several_labels_is_refused(values):
    with pytest.raises(StudyError):
        cut(values, PATH)
