"""The rules file of a dataset."""

import json

import pytest
from pydantic import ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import faults
from cordstudy.pipeline.sources.rules import Rules, read_rules

RULES = {
    "name": "small",
    "path": "inputs/source",
    "role": "train",
    "images": ["anat/T2w"],
    "labels": "derivatives/labels",
    "mask": "{stem}_seg-manual",
}
OTHERS = [
    ("images", 5),
    ("images", "anat/T2w"),
    ("columns", []),
    ("exclude", [{"reason": 1}]),
    ("path", None),
    ("exclude_file", {"path": 1, "keys": {}}),
    ("more", 1),
]


def test_rules_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "rules.json"
    written = Rules.model_validate(RULES)
    path.write_text(json.dumps(written.model_dump()))
    assert read_rules(path) == written


@pytest.mark.parametrize(("key", "value"), OTHERS)
def test_rules_hold_values_of_the_right_kind(tmp_path, key, value):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(RULES | {key: value}))
    with pytest.raises(StudyError, match=r"rules\.json: not a dataset's rules: ") as raised:
        read_rules(path)
    assert "\n" not in str(raised.value)


FAULTS = [
    ({"images": ["anat/T2w", "anat/T1w", "anat/T2w"]}, "images: 'anat/T2w' stands there twice"),
    ({"images": ["anat/acq-x_run-1_T2w", "anat/run-1_acq-x_T2w"]}, "have the same entities"),
    ({"images": ["anat/run-1_T2w", "anat/run-01_T2w"]}, "have the same entities"),
    ({"images": ["anat/acq-x_acq-y_T2w"]}, "has an entity twice"),
    ({"images": ["anat/acq-" + "x" * 300 + "_T2w"]}, "images.0: "),
    ({"label_origins": ["manual", "manual"]}, "label_origins: 'manual' stands there twice"),
    ({"exclude_file": {"keys": {"a": ["anat/T2w", "anat/T2w"]}}}, "stands there twice"),
    ({"exclude": [{"reason": "x", "source": "y"}]}, "exclude.0: names neither"),
    ({"exclude": [{"participants": ["sub-a"], "reason": " ", "source": "y"}]}, "exclude.0.reason"),
    ({"exclude": [{"images": ["sub-a_x"], "reason": "x", "source": "\t"}]}, "exclude.0.source"),
    ({"mask": "{subject}_seg", "images": ["anat/T1w", "anat/T2w"]}, "mask: without {stem}"),
]
MASKS = [
    *("{stem.real}", "{stem!r}", "{stem:>9999}", "{{stem}}", "{stem}}", "{}", "{0}", "{ stem }"),
    *("{Stem}", "seg", "", "{stem}/seg", "../{stem}", "{stem}..x", "{stem}_seg.nii.gz"),
    *("{stem}_seg.NII", "{stem}_seg.gz", "/{stem}", "{stem}*", "{stem}" + "x" * 300, "{stem}\n"),
]
PATHS = [
    *("../x", "/etc/x", "a/../x", "a//x", "a/", "", "x" * 300, "x/" * 900 + "x", "a\0x", "a\nx"),
    *("./x", "*/x", "a\\x", "a?", "[a]", " /x"),
]


@pytest.mark.parametrize(("values", "said"), FAULTS)
def test_what_no_rules_may_say_is_an_error_of_its_key(values, said):
    with pytest.raises(ValidationError) as raised:
        Rules.model_validate(RULES | values)
    assert said in faults(raised.value)


@pytest.mark.parametrize("mask", MASKS)
def test_a_masks_name_has_fields_as_they_stand_and_neither_folder_nor_ending(mask):
    with pytest.raises(ValidationError) as raised:
        Rules.model_validate(RULES | {"mask": mask})
    assert faults(raised.value).startswith("mask: ")


@pytest.mark.parametrize(
    "mask", ["{stem}", "{subject}", "x_{stem}_seg-manual", "{subject}.v2_{stem}"]
)
def test_a_masks_name_may_have_either_field(mask):
    assert Rules.model_validate(RULES | {"mask": mask}).mask == mask


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ["labels", "path", "exclude_file.path"])
def test_a_path_that_leads_elsewhere_is_an_error_of_its_key(key, path):
    values = {"labels": path, "path": f"inputs/{path}"}
    if key in values:
        told = RULES | {key: values[key]}
    else:
        told = RULES | {"exclude_file": {"path": path, "keys": {"a": "all"}}}
    with pytest.raises(ValidationError) as raised:
        Rules.model_validate(told)
    assert faults(raised.value).startswith(f"{key}: ")


@pytest.mark.parametrize(
    "values",
    [
        {"images": ["anat/T2w", "dwi/T2w", "anat/run-1_T2w", "anat/run-10_T2w", "anat/acq-01_T2w"]},
        {"images": ["anat/T2w", "dwi/dwi"], "mask": "{subject}_seg"},
        {"exclude_file": {"path": "lists/exclude me.yml", "keys": {"a": "all"}}},
        {"labels": "derivatives/my labels.v2"},
    ],
)
def test_what_is_odd_and_right_is_read(values):
    Rules.model_validate(RULES | values)
