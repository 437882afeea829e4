"""The rules file of a dataset."""

import json

import pytest

from cordstudy.base.errors import StudyError
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
