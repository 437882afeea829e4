"""Who is one person, by a rule or a column of participants.tsv."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.participants import read_participants
from cordstudy.pipeline.sources.rules import Rules

IDS = ("sub-9418", "sub-9709Ses1", "sub-9709Ses2", "sub-10062Ses1", "sub-10062Ses2")


def rules(rule: str | None = None, **columns: str) -> Rules:
    """The rules of a source at inputs/x."""
    values = {
        "name": "x",
        "path": "inputs/x",
        "role": "train",
        "images": ["anat/T2w"],
        "labels": "derivatives/labels",
        "mask": "{stem}_seg-manual",
        "person": rule,
        "columns": columns,
    }
    return Rules.model_validate(values)


def persons(root: Path, told: Rules, *, column: str = "", cells: tuple[str, ...] = ()) -> list[str]:
    """The persons of a participants.tsv of `IDS`, with a column more."""
    lines = ["\t".join(filter(None, ("participant_id", column)))]
    lines += ["\t".join((name, *cells[n : n + 1])) for n, name in enumerate(IDS)]
    (root / "inputs/x").mkdir(parents=True)
    (root / "inputs/x/participants.tsv").write_text("\n".join((*lines, "")))
    read = read_participants(root, told)
    assert list(read) == sorted(IDS)
    return [read[name].person for name in IDS]


def test_without_a_rule_or_a_column_each_participant_is_a_person_of_their_own(tmp_path):
    assert persons(tmp_path, rules()) == list(IDS)


@pytest.mark.parametrize(
    "person", ["sub-(\\d+)Ses", "sub-(?P<who>[0-9]+)Ses[0-9]", "(\\d+)Ses(1|2)$", "^sub-(.+?)S"]
)
def test_the_first_group_of_a_rule_names_the_person_and_who_is_not_matched_is_their_own(
    tmp_path, person
):
    assert persons(tmp_path, rules(person)) == ["sub-9418", "9709", "9709", "10062", "10062"]


@pytest.mark.parametrize(("column", "named"), [("person", {}), ("who", {"person": "who"})])
@pytest.mark.parametrize("own", ["n/a", "", " ", "nan", "NA"])
def test_a_column_names_the_person_as_text(tmp_path, column, named, own):
    cells = (own, "007", " 007 ", "8", "sub-9418")
    told = persons(tmp_path, rules(**named), column=column, cells=cells)
    assert told == ["sub-9418", "007", "007", "8", "sub-9418"]


def test_a_whole_number_is_one_person_however_a_program_writes_it(tmp_path):
    cells = ("7", "7.0", "7.00", "70", "7.5")
    assert persons(tmp_path, rules(), column="person", cells=cells) == ["7", "7", "7", "70", "7.5"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("7", "07"),
        ("7.0", "007"),
        ("p7", "p07"),
        ("Jane Doe", "Jane  Doe"),
        ("Jane Doe", "jane doe"),
        ("jane-doe", "jane_doe"),
        ("jane-doe", "jane doe"),
        ("jane-doe", "jane\u2013doe"),
        ("Zo\u00eb", "Zoe\u0308"),
        ("stra\u00dfe", "STRASSE"),
        ("\uff2a1", "J1"),
        ("x", "sub-x"),
        ("9709Ses1", ""),
        ("SUB-9709ses1", "n/a"),
        ("sub-9709Ses1", "p9"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_persons_who_differ_only_in_how_they_are_written_are_refused(tmp_path, one, other, turned):
    cells = ("a", other, one, "b", "c")
    if turned and "9709" not in one:
        cells = ("a", one, other, "b", "c")
    with pytest.raises(StudyError, match="one person, or two") as raised:
        persons(tmp_path, rules(), column="person", cells=cells)
    assert "line 3" in str(raised.value) and "line 4" in str(raised.value) and raised.value.hint


@pytest.mark.parametrize(
    "cells",
    [
        ("1", "1", "2", "3", "3"),
        ("1.5", "1.05", "15", "105", "10.5"),
        ("A+", "A-", "B+", "B", "A"),
        ("sub-10062Ses1", "x", "x", "", "sub-10062Ses1"),
        ("9709Ses3", "x", "x", "y", "y"),
    ],
)
def test_persons_who_differ_in_more_are_told_apart(tmp_path, cells):
    told = persons(tmp_path, rules(), column="person", cells=cells)
    assert told == [cell or name for cell, name in zip(cells, IDS)]


@pytest.mark.parametrize("word", ["<NA>", "#N/A", ".", "-", "?", "missing", "n.a.", "-999"])
def test_strangers_whose_person_is_not_known_are_not_one(tmp_path, word):
    assert persons(tmp_path, rules(), column="person", cells=(word,) * 5) == list(IDS)


@pytest.mark.parametrize("column", ["Person", "PERSON"])
def test_a_column_of_persons_may_be_in_any_case(tmp_path, column):
    cells = ("a", "b", "b", "c", "c")
    assert persons(tmp_path, rules(), column=column, cells=cells) == list(cells)


@pytest.mark.parametrize("own", ["sub-9418", "sub-09418", "sub-9418A"])
def test_a_person_by_a_rule_who_is_also_a_participant_by_id_is_refused(tmp_path, own):
    (tmp_path / "inputs/x").mkdir(parents=True)
    table = tmp_path / "inputs/x/participants.tsv"
    table.write_text(f"participant_id\n{own}\nsub-9418aSes1\nsub-9418Ses2\n")
    with pytest.raises(StudyError, match=f"and {own} is '{own}'"):
        read_participants(tmp_path, rules("sub-([0-9]+a?)Ses"))


def test_ids_of_participants_are_told_apart_letter_by_letter(tmp_path):
    (tmp_path / "inputs/x").mkdir(parents=True)
    (tmp_path / "inputs/x/participants.tsv").write_text("participant_id\nsub-1\nsub-01\nsub-001\n")
    assert len(read_participants(tmp_path, rules())) == 3


@pytest.mark.parametrize(
    ("told", "column", "said"),
    [
        (rules("sub-(\\d+)run"), "", "matches no participant's id, such as sub-9418"),
        (rules("sub-(\\d+)Ses"), "Person", "its column 'Person' names persons, and so does datas"),
        (rules("sub-(\\d+)Ses"), "person", "its column 'person' names persons, and so does datas"),
        (rules("sub-(\\d+)Ses", person="who"), "who", "its column 'who' names persons, and so"),
        (rules(person="whom"), "who", "no column 'whom'"),
        (rules("sub-9709(x?)Ses"), "", "sub-9709Ses1, and its group holds '', which names no per"),
        (rules("sub-9709(x)?Ses"), "", "line 3: datasets.x.person = 'sub-9709"),
    ],
)
def test_a_rule_or_a_column_that_tells_no_persons_is_an_error(tmp_path, told, column, said):
    with pytest.raises(StudyError) as raised:
        persons(tmp_path, told, column=column, cells=("a", "b", "c", "d", "e") if column else ())
    assert said in str(raised.value) and raised.value.hint


@pytest.mark.parametrize("cell", ['"a\tb"', "a\x1bb", "a\u202eb"])
def test_a_person_whose_name_is_no_text_is_an_error_that_names_the_row(tmp_path, cell):
    with pytest.raises(StudyError, match="line 2: the column 'person' holds"):
        persons(tmp_path, rules(), column="person", cells=(cell, "b", "c", "d", "e"))


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("sub-(", "is no regular expression"),
        ("sub-(a{99999999999999999999})", "is no regular expression"),
        ("sub-[0-9]+", "has no group"),
        ("", "has no group"),
        ("sub-(?:9709)Ses", "has no group"),
    ],
)
def test_a_rule_that_is_no_expression_with_a_group_is_an_error_of_its_key(person, said):
    with pytest.raises(ValidationError) as raised:
        rules(person)
    (fault,) = raised.value.errors()
    assert fault["loc"] == ("person",) and said in fault["msg"]


def test_a_rules_file_of_before_says_nothing_of_persons():
    written = rules().model_dump()
    del written["person"], written["columns"]["person"]
    assert Rules.model_validate(written) == rules()
