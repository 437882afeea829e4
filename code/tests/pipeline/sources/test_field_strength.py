"""The field strength of an image: as people and scanners write it."""

import json

import pytest

from bare_source import PLACE, pair, rules, write_files
from cordstudy.pipeline.sources.field_strength import field_strength
from cordstudy.pipeline.sources.finding import find_cases

IMAGE, MASK = pair("sub-a1_T2w")
SIDECAR = IMAGE.replace(".nii.gz", ".json")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        *(("3", "3"), ("3.0", "3"), ("2.89362001419067", "3"), ("3T", "3"), (" 3 Tesla", "3")),
        *(("1.494", "1.5"), ("1,5", "1.5"), ("7", "7"), ("0.55", "0.55"), ("4.7 T", "4.7")),
        *(("30000", "n/a"), ("0", "n/a"), ("-3", "n/a"), ("high", "n/a"), ("n/a", "n/a")),
        *(("", "n/a"), ("3 or 1.5", "n/a"), ("nan", "n/a"), ("1e1", "n/a")),
    ],
)
def test_a_field_strength_is_what_the_scanner_is_sold_as_and_other_units_are_none(written, told):
    assert field_strength(written) == told


@pytest.mark.parametrize(
    ("sidecar", "told"),
    [
        (None, "n/a"),
        ({"MagneticFieldStrength": 3}, "3"),
        ({"MagneticFieldStrength": 2.893620}, "3"),
        ({"MagneticFieldStrength": "1.5"}, "1.5"),
        ({"MagneticFieldStrength": True}, "n/a"),
        ({"MagneticFieldStrength": None}, "n/a"),
        ({}, "n/a"),
        ([3], "n/a"),
    ],
)
def test_the_sidecar_of_an_image_says_it_and_one_that_is_absent_is_no_error(
    tmp_path, sidecar, told
):
    write_files(tmp_path, [IMAGE, MASK])
    if sidecar is not None:
        (tmp_path / PLACE / SIDECAR).write_text(json.dumps(sidecar))
    (case,) = find_cases(tmp_path, rules())[0]
    assert case.field_strength == told


@pytest.mark.parametrize(
    ("name", "told"),
    [("T2w.json", "7"), ("acq-x_T2w.json", "n/a"), ("xT2w.json", "n/a"), ("T1w.json", "n/a")],
)
def test_an_image_inherits_from_the_root_of_its_source_what_is_about_it(tmp_path, name, told):
    write_files(tmp_path, [IMAGE, MASK])
    (tmp_path / PLACE / name).write_text('{"MagneticFieldStrength": 7}')
    (case,) = find_cases(tmp_path, rules())[0]
    assert case.field_strength == told
    (tmp_path / PLACE / SIDECAR).write_text('{"MagneticFieldStrength": 3}')
    (case,) = find_cases(tmp_path, rules())[0]
    assert case.field_strength == "3", "the one beside it goes before"


def test_a_sidecar_that_is_no_json_is_not_known_and_a_column_goes_before_it(tmp_path):
    write_files(tmp_path, [IMAGE, MASK])
    (tmp_path / PLACE / SIDECAR).write_text("{")
    (case,) = find_cases(tmp_path, rules())[0]
    assert case.field_strength == "n/a"
    (tmp_path / PLACE / SIDECAR).write_text('{"MagneticFieldStrength": 3}')
    table = "participant_id\tfield_strength\nsub-a1\t1.5 T\nsub-b2\tn/a\n"
    (tmp_path / PLACE / "participants.tsv").write_text(table)
    (case,) = find_cases(tmp_path, rules())[0]
    assert case.field_strength == "1.5"
