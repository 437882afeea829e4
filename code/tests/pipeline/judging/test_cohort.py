"""Who was studied: from small tables of raw datasets, by the step's command line."""

from dataclasses import astuple

import pytest
from click.testing import CliRunner

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_table
from cordstudy.pipeline.judging.cohort import age_years, command
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, RawCase, read_left_out, write_cases
from cordstudy.pipeline.sources.cases import LEFT_OUT_COLUMNS, LeftOut


def raw_case(name: str, part: str = "train", **values: str) -> RawCase:
    """A case of a participant of its own."""
    known = dict.fromkeys(CASE_COLUMNS, "n/a")
    known |= {"case_id": name, "participant_id": name, "person": name, "part": part}
    return RawCase(**known | values)


def left_out(name: str, reason: str, **values: str) -> LeftOut:
    known = dict.fromkeys(LEFT_OUT_COLUMNS, "n/a")
    known |= {"participant_id": name, "person": name, "reason": reason}
    return LeftOut(**known | values)


@pytest.fixture
def told(tmp_path):
    """Runs the step on raw datasets, each of cases and what is left out; the rows of its tables."""

    def run(**raws: tuple[list[RawCase], list[LeftOut]]) -> list[list[dict[str, str]]]:
        folders = []
        for name, (cases, others) in raws.items():
            folder = tmp_path / f"Dataset50{len(folders)}_{name}"
            write_cases(folder, cases)
            write_table(folder / "left_out.tsv", LEFT_OUT_COLUMNS, map(astuple, others))
            folders.append(str(folder))
        done = CliRunner().invoke(command, [*folders, "--out", str(tmp_path / "out")])
        assert done.exit_code == 0, done.output
        names = ("flow", "cohort", "references")
        return [read_table(tmp_path / f"out/{name}.tsv") for name in names]

    return run


def test_the_flow_counts_persons_participants_and_images_at_each_stage(told):
    cases = [
        raw_case("a1", person="a", contrast="T1w"),
        raw_case("a2", person="a", contrast="T2w"),
        raw_case("b", "test"),
    ]
    others = [
        left_out("a1", "no image; seen: sub-a1_acq-2_T2w.nii.gz", person="a"),
        left_out("c", "no image"),
        left_out("d", "no mask"),
        left_out("d", "motion", source="exclude.yml"),
    ]
    flow, _, _ = told(x=(cases, others))
    counts = {}
    for row in flow:
        key = (row["stage"], row["reason"])
        counts[key] = tuple(int(row[name]) for name in ("persons", "participants", "images"))
    assert counts == {
        ("listed", "n/a"): (4, 5, 5),
        ("left out", "no image"): (2, 2, 0),
        ("left out", "motion"): (1, 1, 1),
        ("left out", "no mask"): (1, 1, 1),
        ("nothing used", "n/a"): (2, 2, 2),
        ("used", "n/a"): (2, 3, 3),
        ("to train on", "n/a"): (1, 2, 2),
        ("to judge by", "n/a"): (1, 1, 1),
    }
    assert list(counts)[1] == ("left out", "no image"), "the most frequent first"


def test_persons_are_told_by_source_and_part_each_once_for_each_value(told):
    cases = [
        raw_case("a1", person="a", sex="F", age="30", site="bern", contrast="T1w"),
        raw_case("a2", person="a", sex="F", age="31", site="bern", contrast="T2w"),
        raw_case("b", sex="M", age="40y", site="lyon", contrast="T1w"),
        raw_case("c", sex="M", age="60-65", contrast="T1w"),
        raw_case("d", "test", sex="M", age="6m"),
    ]
    _, rows, _ = told(x=(cases, []), y=([raw_case("e", "test", age="> 89")], []))
    by_key = {
        (row["dataset"], row["part"], row["characteristic"], row["value"]): row for row in rows
    }

    def counts(*key: str) -> tuple[int, int]:
        return int(by_key[key]["persons"]), int(by_key[key]["images"])

    assert counts("x", "train", "all", "all") == (3, 4)
    assert counts("x", "train", "sex", "M") == (2, 2) and counts("x", "train", "sex", "F") == (1, 2)
    assert counts("x", "train", "contrast", "T1w") == (3, 3)
    assert counts("x", "train", "site", "n/a") == (1, 1)
    assert counts("x", "train", "age median", "35.0") == (2, 3), "the first age of a person"
    assert counts("x", "train", "age quartile 1", "32.5") == (2, 3)
    assert counts("x", "train", "age", "n/a") == (1, 1)
    assert counts("x", "test", "age highest", "0.5") == (1, 1)
    assert not [key for key in by_key if key[0] == "y" and key[2].startswith("age ")]
    sites = [row["value"] for row in rows if row["characteristic"] == "site"]
    assert sites[:3] == ["bern", "lyon", "n/a"], "what is not known is last"


def test_masks_that_a_model_made_are_counted_in_training_too(told):
    model = {"label_origin": "model", "label_made_by": "sct_deepseg"}
    cases = [raw_case("a", **model), raw_case("b", **model), raw_case("c", label_origin="manual")]
    _, _, references = told(x=([*cases, raw_case("d", "test", **model)], []))
    assert [tuple(row.values()) for row in references] == [
        ("x", "train", "model", "sct_deepseg", "2", "2"),
        ("x", "train", "manual", "n/a", "1", "1"),
        ("x", "test", "model", "sct_deepseg", "1", "1"),
    ]


@pytest.mark.parametrize(
    ("text", "years"),
    [
        *(("30", 30), ("30.5", 30.5), ("30,5", 30.5), ("030Y", 30), ("30 years old", 30)),
        *(("18 months", 1.5), ("26 weeks", 26 / 52.18), ("0", 0), ("n/a", None), ("> 89", None)),
        *(("60-65", None), ("adult", None), ("89+", None), ("-4", None), ("", None)),
    ],
)
def test_an_age_is_a_number_of_years_or_not_known(text, years):
    assert age_years(text) == years


def test_a_table_of_what_is_left_out_of_an_earlier_version_has_each_participant_as_a_person(
    tmp_path,
):
    columns = [name for name in LEFT_OUT_COLUMNS if name != "person"]
    row = ["x", "sub-1", "n/a", "T2w", "i", "no mask", "the tree"]
    write_table(tmp_path / "left_out.tsv", columns, [row])
    (item,) = read_left_out(tmp_path)
    assert item.person == "sub-1" and item.has_image
    write_table(tmp_path / "left_out.tsv", columns[:-1], [row[:-1]])
    with pytest.raises(StudyError, match="no column 'source'"):
        read_left_out(tmp_path)
