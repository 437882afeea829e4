"""Who made a mask, by its sidecar."""

import json

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.label_origin import Label, read_label

MANUAL = {"Name": "Manual", "Author": "A. Person"}
MODEL = {"Name": "sct_deepseg_sc", "Version": "SCT v6.1"}
RESAMPLED = {"Name": "sct_resample", "Version": "SCT v6"}
CROPPED = {"Name": "sct_crop_image"}
EDITED = {"Name": "ITK-SNAP", "Version": "3.8"}
STRANGE = {"Name": "my_tool"}
NAMELESS = {"Name": None}


def steps(*made):
    return {"GeneratedBy": list(made)}


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        (steps(MANUAL), "manual"),
        (steps(MANUAL, RESAMPLED), "manual"),
        (steps(MANUAL, CROPPED), "manual"),
        (steps(RESAMPLED, MANUAL, {"Name": "fslmaths -bin"}, {"Name": "c3d"}), "manual"),
        (steps(EDITED), "manual"),
        (steps(MANUAL, EDITED), "manual"),
        (steps(MODEL, MANUAL), "corrected"),
        (steps(MODEL, EDITED), "corrected"),
        (steps(MODEL, EDITED, CROPPED), "corrected"),
        (steps(MANUAL, {"Name": "Automatic"}, MANUAL), "corrected"),
        (steps({"Name": "Semi-automatic, manually corrected"}), "corrected"),
        (steps(MODEL | {"Description": "manually corrected by JC"}), "corrected"),
        (steps(MANUAL, MODEL), "model"),
        (steps(MODEL, RESAMPLED), "model"),
        (steps(MODEL, MANUAL, MODEL), "model"),
        (steps({"Name": "sct_deepseg_sc without manual correction"}), "model"),
        (steps(STRANGE), "unknown"),
        (steps(STRANGE, MANUAL), "unknown"),
        (steps(MANUAL, STRANGE), "unknown"),
        (steps(RESAMPLED), "unknown"),
        (steps(), "unknown"),
        (steps(NAMELESS), "unknown"),
        (steps(NAMELESS, MANUAL, {"Name": ""}, {}), "manual"),
        ({"GeneratedBy": None}, "unknown"),
        ({"GeneratedBy": MANUAL}, "manual"),
        ({"generatedby": [{"name": "Manual"}]}, "manual"),
        ({"GENERATEDBY": {"NAME": "sct_propseg", "DESCRIPTION": "manually edited"}}, "corrected"),
        ({"Author": "A. Person", "Date": "2021-07-25"}, "manual"),
        ({"author": "A. Person"}, "manual"),
        ({"Author": ["A. Person", "B. Person"]}, "manual"),
        ({"Author": "sct_deepseg_sc", "Label": "SC"}, "model"),
        ({"Author": "sct_crop_image"}, "unknown"),
        ({"Author": None}, "unknown"),
        ({"Author": ""}, "unknown"),
        ({"Author": "n/a"}, "unknown"),
        ({"Author": []}, "unknown"),
        ({"Author": {}}, "unknown"),
        ({"Author": "A. Person", "GeneratedBy": None}, "manual"),
        ({"Author": "A. Person", "GeneratedBy": [NAMELESS]}, "manual"),
        ({"Author": "A. Person", "GeneratedBy": [CROPPED]}, "manual"),
        ({"Author": "A. Person", "GeneratedBy": [MODEL]}, "model"),
        ({"Author": "A. Person", "GeneratedBy": [STRANGE]}, "unknown"),
        ({"SpatialReference": "orig"}, "unknown"),
        (steps(MODEL, {"Name": "Manual", "Description": "visual QC, nothing changed"}), "unknown"),
        (steps(MODEL, {"Name": "Manual QC"}), "model"),
        (steps(MANUAL, {"Name": "fslmaths", "Description": "with sct_deepseg_sc"}), "unknown"),
        (steps(MANUAL, {"Description": "sct_deepseg_sc"}), "unknown"),
        (steps(MANUAL, {"Name": None, "Description": "sct_deepseg_sc"}), "unknown"),
        (steps(MANUAL, {"Name": "", "Version": "6.1"}), "unknown"),
        (steps(MANUAL, {"Name": ["sct_deepseg_sc"]}), "unknown"),
        (steps(MANUAL, {"Name": "Unknown"}), "unknown"),
        ({"GeneratedBy": {}}, "unknown"),
        ({"Author": "A. Person", "GeneratedBy": {}}, "manual"),
        ({"Author": "A. Person", "GeneratedBy": [{"Description": "x"}]}, "unknown"),
        ({"Author": ["sct_deepseg_sc", "Jane"]}, "unknown"),
        ({"Author": "Jane", "Description": "sct_deepseg_sc output"}, "unknown"),
        ({"Author": "Jane", "Method": "sct_deepseg_sc"}, "unknown"),
        ({"Author": "Jane", "Description": "n/a"}, "manual"),
        ({"Description": "sct_deepseg_sc output"} | steps(MANUAL), "unknown"),
        ({"Description": "sct_deepseg_sc output"} | steps(MODEL, MANUAL), "corrected"),
        ({"Manual": True}, "manual"),
        ({"Manual": None}, "unknown"),
        ({"Manual": "false", "Author": "Jane"}, "unknown"),
        ({"Manual": True, "Author": "Jane"}, "manual"),
        ({"Manual": True} | steps(MODEL), "unknown"),
        ({"Manual": True} | steps(MODEL, MANUAL), "corrected"),
        ({"Manual": True} | steps(CROPPED), "manual"),
        ({"Manual": True, "Description": "sct_deepseg_sc output"}, "unknown"),
        ({"Manual": False}, "model"),
        (steps(MANUAL | {"Description": ["sct_deepseg"]}), "unknown"),
        (steps(MANUAL | {"Software": "sct_deepseg_sc"}), "unknown"),
        ({"Author": "Jane Doe", "Software": "sct_deepseg_sc"}, "unknown"),
        ({"Author": "Jane Doe", "Method": ["sct_deepseg"]}, "unknown"),
        ({"Manual": False, "Author": "Jane"}, "unknown"),
        ({"Manual": False} | steps(MANUAL), "unknown"),
        ({"Manual": False} | steps(MODEL), "model"),
    ],
)
def test_the_label_origin_is_who_made_the_mask_last(tmp_path, content, origin):
    (tmp_path / "mask.json").write_text(json.dumps(content))
    assert read_label(tmp_path / "mask.json").origin == origin


@pytest.mark.parametrize(
    ("content", "made_by"),
    [
        (steps(MODEL, NAMELESS, MANUAL, CROPPED), "sct_deepseg_sc; Manual; sct_crop_image"),
        (steps({"Name": " my\n tool\t"}), "my tool"),
        ({"Author": "A. Person"}, "n/a"),
        ({"Author": "sct_deepseg_sc"}, "sct_deepseg_sc"),
        ({"Author": "JANE DOE"}, "n/a"),
        ({"Author": "Jane Doe", "Description": "sct_deepseg_sc output"}, "n/a"),
        (steps(MODEL, {"Description": "x"}), "sct_deepseg_sc; n/a"),
        (steps(), "n/a"),
        (steps({"Name": "x" * 999}), "x" * 199 + "…"),
    ],
)
def test_the_steps_that_made_a_mask_are_named(tmp_path, content, made_by):
    (tmp_path / "mask.json").write_text(json.dumps(content))
    assert read_label(tmp_path / "mask.json").made_by == made_by


def test_a_sidecar_may_have_a_byte_order_mark_and_nan(tmp_path):
    text = '\ufeff{"x": NaN, "GeneratedBy": [{"Name": "Manual"}]}'
    (tmp_path / "mask.json").write_text(text)
    assert read_label(tmp_path / "mask.json") == Label("manual", "Manual")


def test_an_annexed_sidecar_without_content_is_an_error(tmp_path):
    (tmp_path / "mask.json").symlink_to(".git/annex/objects/none")
    with pytest.raises(StudyError, match="content is not here"):
        read_label(tmp_path / "mask.json")


def test_a_mask_without_a_sidecar_or_with_an_empty_one_is_of_unknown_origin(tmp_path):
    assert read_label(tmp_path / "mask.json") == Label("unknown", "n/a")
    (tmp_path / "mask.json").write_text("\n")
    assert read_label(tmp_path / "mask.json") == Label("unknown", "n/a")


@pytest.mark.parametrize("content", ["[]", '"me"', '{"GeneratedBy": "me"}', '{"GeneratedBy": [1]}'])
def test_a_sidecar_that_bids_does_not_know_is_an_error(tmp_path, content):
    (tmp_path / "mask.json").write_text(content)
    with pytest.raises(StudyError, match="GeneratedBy is not a list of objects, as BIDS has it"):
        read_label(tmp_path / "mask.json", broken="model")


@pytest.mark.parametrize(
    "content",
    [
        '{"GeneratedBy": [], "GeneratedBy": []}',
        '{"GeneratedBy": [], "generatedby": []}',
        '{"GeneratedBy": [{"Name": "Manual", "name": "sct_propseg"}]}',
    ],
)
def test_a_key_that_stands_twice_is_an_error(tmp_path, content):
    (tmp_path / "mask.json").write_text(content)
    with pytest.raises(StudyError, match=r"mask\.json: .*the key '\w+' stands there twice"):
        read_label(tmp_path / "mask.json")
