"""What is read of participants.tsv: ids, sexes, what is not known, columns that are not there."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.participants import Participant, read_participants
from cordstudy.pipeline.sources.rules import Columns, Rules

SEXES = [
    *(
        "F",
        "m",
        "Female",
        "MALE",
        "other",
        "O",
        "W",
        "weiblich",
        "m\u00e4nnlich",
        "Man",
        "intersex",
    ),
    *("x", "d", "\u5973", "XY", "M (trans)", "f2m"),
]
HEADER = "participant_id\tsex\tage\tmanufacturer\tpathology\tinstitution_id\n"


@pytest.fixture
def table(tmp_path):
    """Reads this text as a source's participants.tsv."""

    def read(text: str, **columns: str) -> dict[str, Participant]:
        folder = tmp_path / "inputs/source"
        folder.mkdir(parents=True)
        (folder / "participants.tsv").write_bytes(text.encode())
        rules = Rules(
            name="small",
            path="inputs/source",
            role="train",
            images=["anat/T2w"],
            labels="derivatives",
            mask="{stem}_seg",
            columns=Columns(**columns),
        )
        return read_participants(tmp_path, rules)

    return read


@pytest.mark.parametrize("sex", SEXES)
def test_a_sex_is_kept_as_it_is_written(table, sex):
    assert table(f"{HEADER}sub-a1\t {sex} \t30\tGE\tHC\tx\n")["sub-a1"].sex == sex


@pytest.mark.parametrize("sex", ["0", "1", "2", "3", "9", "99", "1.0", "1,0", "1 (M)", "0 = M"])
def test_a_sex_may_be_a_number(table, sex):
    assert table(f"{HEADER}sub-a1\t{sex}\t30\tGE\tHC\tx\n")["sub-a1"].sex == sex


@pytest.mark.parametrize(
    "sex",
    [
        *("", " ", "n/a", "N/A", "NA", "nan", "NaN", "none", "null", "unknown", "U", "Undefined"),
        *("unk", "<NA>", "#N/A", ".", "-", "?", "Not Reported", "-9"),
    ],
)
def test_a_sex_that_is_not_known_is_not_known(table, sex):
    assert table(f"{HEADER}sub-a1\t{sex}\t30\tGE\tHC\tx\n")["sub-a1"].sex == "n/a"


@pytest.mark.parametrize(
    "sex",
    [
        "30",
        "3",
        "12",
        "1.5",
        "89+",
        "-1",
        "> 89",
        "30-40",
        "30Y",
        "030Y",
        "30 years",
        "2 years old",
        "6m",
        "1990-01-01",
        "01",
    ],
)
def test_what_is_no_sex_is_an_error_with_its_line(table, sex):
    with pytest.raises(StudyError, match="line 3: the column 'sex', read as sex, holds"):
        table(f"{HEADER}\nsub-a1\t{sex}\tF\tGE\tHC\tx\n")


@pytest.mark.parametrize(
    "word", ["", "NA", "nan", "None", "NULL", "unknown", "n/a", "<NA>", "-999", "n.a."]
)
def test_what_is_not_known_is_one_word_in_every_column(table, word):
    row = "\t".join([word] * 5)
    expected = Participant("sub-a1", *["n/a"] * 5, person="sub-a1")
    assert table(f"{HEADER}sub-a1\t{row}\n") == {"sub-a1": expected}


@pytest.mark.parametrize("age", ["30", "89+", "30.5", "adult"])
def test_an_age_is_any_text(table, age):
    assert table(f"{HEADER}sub-a1\tF\t{age}\tGE\tHC\tx\n")["sub-a1"].age == age


@pytest.mark.parametrize("name", [" sub-a1", "sub-a1 "])
def test_blanks_around_an_id_are_none_of_it(table, name):
    assert list(table(f"participant_id\n{name}\n")) == ["sub-a1"]


@pytest.mark.parametrize("name", ["a1", "sub-", "sub-a_1", "sub-a-1", "SUB-a1", "sub-é1", "sub-²"])
def test_what_is_no_id_is_an_error_with_its_line(table, name):
    with pytest.raises(StudyError, match=r"line 2: .* is no participant's id"):
        table(f"participant_id\n{name}\n")


def test_an_id_that_stands_twice_is_an_error_with_its_line(table):
    with pytest.raises(StudyError, match="line 4: sub-a1 stands there twice"):
        table("participant_id\nsub-a1\n\nsub-a1 \n")


def test_a_column_that_is_not_there_is_known_of_nobody(table):
    row = table("participant_id\tsex\nsub-a1\tF\n")["sub-a1"]
    assert row == Participant("sub-a1", "F", *["n/a"] * 4, person="sub-a1")


@pytest.mark.parametrize("change", [str.upper, str.title, str.swapcase])
def test_a_column_that_the_study_does_not_name_may_be_in_any_case(table, change):
    header = HEADER.replace("participant_id", "").upper()
    text = f"participant_id{change(header)}sub-a1\tF\t30\tGE\tHC\tx\n"
    expected = Participant("sub-a1", "F", "30", "GE", "HC", "x", person="sub-a1")
    assert table(text) == {"sub-a1": expected}


def test_of_columns_that_differ_in_case_it_is_the_one_that_is_called_so(table):
    assert table("participant_id\tSex\tsex\nsub-a1\tM\tF\n")["sub-a1"].sex == "F"


def test_columns_of_which_each_might_be_meant_are_an_error(table):
    with pytest.raises(StudyError, match="'Sex' and 'SEX' differ only in case") as raised:
        table("participant_id\tSex\tSEX\nsub-a1\tM\tF\n")
    assert "datasets.small.columns.sex" in raised.value.hint


def test_a_column_that_is_called_only_nearly_so_is_another(table):
    assert table("participant_id\tperson_id\tgender\nsub-a1\tp\tF\n")["sub-a1"].sex == "n/a"


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("Diagnosis", "did you mean 'diagnosis'?"),
        ("diagnose", "did you mean 'diagnosis'?"),
        ("x", "it has"),
    ],
)
def test_a_column_that_the_study_names_and_is_not_there_is_an_error(table, column, hint):
    with pytest.raises(StudyError, match=f"no column '{column}'") as raised:
        table("participant_id\tdiagnosis\nsub-a1\tMS\n", pathology=column)
    assert hint in raised.value.hint and "datasets.small.columns.pathology" in raised.value.hint


def test_columns_that_the_study_exchanges_are_exchanged(table):
    row = table("participant_id\tsex\tage\nsub-a1\t30\tF\n", sex="age", age="sex")["sub-a1"]
    assert (row.sex, row.age) == ("F", "30")
