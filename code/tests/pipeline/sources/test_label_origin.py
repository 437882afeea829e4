"""Who made a mask, by its sidecar."""

import json

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.label_origin import label_origin

MANUAL = {"Name": "Manual", "Author": "A. Person"}
MODEL = {"Name": "sct_deepseg_sc", "Version": "SCT v6.1"}
RESAMPLED = {"Name": "sct_resample", "Version": "SCT v6"}


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        ({"GeneratedBy": [MANUAL]}, "manual"),
        ({"GeneratedBy": [MANUAL, RESAMPLED]}, "manual"),
        ({"GeneratedBy": [MODEL, MANUAL]}, "corrected"),
        ({"GeneratedBy": [MANUAL, {"Name": "Automatic"}, MANUAL]}, "corrected"),
        ({"GeneratedBy": [MANUAL, MODEL]}, "model"),
        ({"GeneratedBy": [MODEL, RESAMPLED]}, "model"),
        ({"Author": "A. Person", "Date": "2021-07-25"}, "manual"),
        ({"SpatialReference": "orig"}, "unknown"),
    ],
)
def test_the_label_origin_is_who_made_the_mask_last(tmp_path, content, origin):
    (tmp_path / "mask.json").write_text(json.dumps(content))
    assert label_origin(tmp_path / "mask.json") == origin


def test_an_annexed_sidecar_without_content_is_an_error(tmp_path):
    (tmp_path / "mask.json").symlink_to(".git/annex/objects/none")
    with pytest.raises(StudyError, match="content is not here"):
        label_origin(tmp_path / "mask.json")


def test_a_mask_without_a_sidecar_or_with_an_empty_one_is_of_unknown_origin(tmp_path):
    assert label_origin(tmp_path / "mask.json") == "unknown"
    (tmp_path / "mask.json").write_text("\n")
    assert label_origin(tmp_path / "mask.json") == "unknown"


@pytest.mark.parametrize("content", ["[]", '"me"', '{"GeneratedBy": "me"}', '{"GeneratedBy": [1]}'])
def test_a_sidecar_that_bids_does_not_know_is_an_error(tmp_path, content):
    (tmp_path / "mask.json").write_text(content)
    with pytest.raises(StudyError, match="GeneratedBy is not a list of objects, as BIDS has it"):
        label_origin(tmp_path / "mask.json", broken="model")
