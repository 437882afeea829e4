"""Text and JSON of others: what is read, and what is one clear error."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean, parse_json, read_json, read_text


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path, start):
    (tmp_path / "a.json").write_text(start + '{"a": 1}\r\n')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert read_text(tmp_path / "a.json") == '{"a": 1}\n'


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', '{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]'],
)
def test_a_key_that_stands_twice_in_one_object_is_an_error(tmp_path, text):
    with pytest.raises(StudyError, match="the key 'a' stands there twice"):
        parse_json(text, tmp_path)


def test_a_key_may_stand_in_several_objects(tmp_path):
    assert parse_json('[{"a": {"a": 1}}, {"a": 2}]', tmp_path) == [{"a": {"a": 1}}, {"a": 2}]


@pytest.mark.parametrize(
    ("name", "found"),
    [("Participant_ID", "participant_id"), ("sx", "sex"), ("sub-age", "age"), ("age ", "age")],
)
def test_the_nearest_name_is_the_one_that_may_be_meant(name, found):
    names = ["participant_id", "sex", "age"]
    assert did_you_mean(name, names) == f"did you mean {found!r}? "


def test_where_none_is_near_nothing_is_said():
    assert did_you_mean("vendor", ["participant_id", "sex", "age"]) == ""
