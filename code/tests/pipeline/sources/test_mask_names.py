"""The names of masks are those of their images, as BIDS has masks, and tell images apart."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.mask_names import mask_name

NAMES = {
    "sub-a/anat/sub-a_T1w.nii.gz": "sub-a/anat/sub-a_space-T1w_label-SC_mask.nii.gz",
    "sub-a/anat/sub-a_T2w.nii.gz": "sub-a/anat/sub-a_space-T2w_label-SC_mask.nii.gz",
    "sub-a/ses-1/anat/sub-a_ses-1_acq-axial_run-2_part-mag_T2w.nii.gz": (
        "sub-a/ses-1/anat/sub-a_ses-1_acq-axial_run-2_part-mag_space-T2w_label-SC_mask.nii.gz"
    ),
    "sub-a/anat/sub-a_flip-1_mt-on_MTS.nii.gz": (
        "sub-a/anat/sub-a_space-flip1mtonMTS_label-SC_mask.nii.gz"
    ),
    "sub-a/anat/sub-a_flip-2_mt-off_MTS.nii": (
        "sub-a/anat/sub-a_space-flip2mtoffMTS_label-SC_mask.nii.gz"
    ),
    "sub-a/dwi/sub-a_rec-average_dwi.nii.gz": (
        "sub-a/dwi/sub-a_rec-average_space-dwi_label-SC_mask.nii.gz"
    ),
    "sub-a/func/sub-a_task-rest_rec-MoCoMean_bold.nii.gz": (
        "sub-a/func/sub-a_task-rest_rec-MoCoMean_space-bold_label-SC_mask.nii.gz"
    ),
    "sub-a/anat/sub-a_chunk-1_T2w.nii.gz": (
        "sub-a/anat/sub-a_space-T2w_chunk-1_label-SC_mask.nii.gz"
    ),
}


def test_a_mask_has_the_entities_of_its_image_and_says_which_image():
    assert {image: mask_name(image, "SC") for image in NAMES} == NAMES
    assert len(set(NAMES.values())) == len(NAMES)
    assert mask_name("sub-a/anat/sub-a_T2w.nii.gz", "Kidneys") == (
        "sub-a/anat/sub-a_space-T2w_label-Kidneys_mask.nii.gz"
    )


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("sub-a/anat/sub-a_brain_T2w.nii.gz", "'brain' is no entity"),
        ("sub-a/anat/sub-a_space-T1w_T2w.nii.gz", "it has space-T1w"),
        ("sub-a/anat/sub-a_label-SC_T2w.nii.gz", "it has label-SC"),
        ("sub-a/fmap/sub-a_magnitude1.nii.gz", "no masks of the datatype 'fmap'"),
    ],
)
def test_an_image_that_can_have_no_mask_is_named(image, words):
    with pytest.raises(StudyError, match=words) as raised:
        mask_name(image, "SC")
    assert image in str(raised.value) and raised.value.hint
