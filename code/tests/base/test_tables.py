"""Tables and JSON: same rows, same bytes; what is no table; a file whole or not at all."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import (
    known,
    read_lines,
    read_table,
    write_file,
    write_json,
    write_table,
)


def test_a_table_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "new/table.tsv"
    write_table(path, ["name", "dice"], [("a\tb", 0.5), ("ü", 1)])
    assert path.read_bytes() == 'name\tdice\n"a\tb"\t0.500000\nü\t1\n'.encode()
    assert read_table(path, "dice") == [
        {"name": "a\tb", "dice": "0.500000"},
        {"name": "ü", "dice": "1"},
    ]


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "no column 'name'", "it has none"),
        ("id\tage\n", "no column 'name'", "it has id, age"),
        ("name\tage\nx\n", "line 2: 1 cells, the header has 2", "is a tab missing"),
        ("Name\tage\n", "no column 'name'", "did you mean 'Name'?"),
        ("nmae\tage\n", "no column 'name'", "did you mean 'nmae'?"),
        ("name\tage\tage\nx\t1\t2\n", "line 1: the column 'age' stands there twice", "once"),
        ("\n\nname\tage\tage\n", "line 3: the column 'age' stands there twice", "once"),
        ('name\tage\nx\t"1\ny\t2\n', "line 2: a quote is not closed", "doubled"),
        ('name\tage\n\nx\t1\n"y\t2\n', "line 4: a quote is not closed", "doubled"),
        ('name\tage\nx\t"1\ny\t2"\n', "line 2: a quote is not closed", "doubled"),
        ('name\tage\nx\t"1" y\n', "line 2: no table: '\t' expected after '\"'", "doubled"),
        ('"name\tage\nx\t1\n', "line 1: a quote is not closed", "doubled"),
        ("name\tage\n\n\nx\n", "line 4: 1 cells, the header has 2", "is a tab missing"),
        ("name\tage\nx\t1\ty\n", "line 2: 3 cells, the header has 2", "is a tab missing"),
        (f"name\nx\n{'y' * 200_000}\n", "line 3: no table: field larger", "correct it"),
    ],
)
def test_a_text_that_is_no_such_table_is_an_error_with_its_line(tmp_path, text, said, hint):
    (tmp_path / "table.tsv").write_text(text)
    with pytest.raises(StudyError, match=said) as raised:
        read_table(tmp_path / "table.tsv", "name")
    assert hint in raised.value.hint


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", " \t\n", "\ufeff", "\ufeff\n"])
def test_a_text_without_columns_is_an_error_also_where_none_is_needed(tmp_path, text):
    (tmp_path / "table.tsv").write_bytes(text.encode())
    with pytest.raises(StudyError, match=r"table\.tsv"):
        read_table(tmp_path / "table.tsv")


@pytest.mark.parametrize(
    "text",
    [
        "name\tage\nx\t1\ny\t2\n",
        "\ufeffname\tage\nx\t1\ny\t2\n",
        "name\tage\r\nx\t1\r\ny\t2\r\n",
        "name\tage\rx\t1\ry\t2",
        "name\tage\nx\t1\ny\t2\n\n\n",
        "\n\nname\tage\n\nx\t1\n \t\ny\t2",
        "name\tage\t\nx\t1\t\ny\t2\t\n",
        "name\tage\t\t\nx\t1\ny\t2\t\n",
        'name\t"age"\n"x"\t1\ny\t"2"\n',
        " name\tage \nx\t1\ny\t2\n",
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "table.tsv").write_bytes(text.encode())
    rows = [{"name": "x", "age": "1"}, {"name": "y", "age": "2"}]
    assert read_table(tmp_path / "table.tsv", "name") == rows


def test_a_row_has_the_number_of_its_line(tmp_path):
    (tmp_path / "table.tsv").write_text("\nname\n\nx\n\n\ny\n")
    assert read_lines(tmp_path / "table.tsv") == [(4, {"name": "x"}), (7, {"name": "y"})]


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\rb"])
def test_a_line_break_in_a_value_is_written_as_a_blank(tmp_path, value):
    write_table(tmp_path / "table.tsv", ["name"], [(value,)])
    assert read_table(tmp_path / "table.tsv") == [{"name": "a b"}]


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=9), st.text("x\"'\t\n\r ,", max_size=9)), max_size=5))
def test_what_is_written_can_be_read(rows):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.tsv"
        written = [("x" + first.replace("\0", ""), second) for first, second in rows]
        write_table(path, ["a", "b"], written)
        in_lines = [[" ".join(re.split("\r\n|\r|\n", text)) for text in row] for row in written]
        assert [list(row.values()) for row in read_table(path)] == in_lines


NOT_KNOWN = [
    *(
        "",
        " ",
        "n/a",
        "NA",
        "nan",
        "None",
        "NULL",
        " Unknown ",
        "<NA>",
        "#N/A",
        "N.A.",
        "n.a",
        "NaN",
    ),
    *(
        ".",
        "-",
        "--",
        "?",
        "\u2013",
        "missing",
        "[missing]",
        "not available",
        "Not Reported",
        "UNK",
    ),
    *("not_known", "unspecified", "not-applicable", "(unknown)", "-9", "-99", "-999", "-999.0"),
]
KNOWN = ["0", "9", "99", "999", "-1", "+", "NAN1", "Nancy", "no", "notable", "x", "89+", "-9.5"]


@pytest.mark.parametrize("text", KNOWN)
def test_what_says_something_is_kept(text):
    assert known(text) == text


@pytest.mark.parametrize("text", NOT_KNOWN)
def test_what_says_that_a_value_is_not_known_is_one_word(text):
    assert known(text) == "n/a"


def test_a_value_that_is_known_has_no_blanks_around_it():
    assert known(" Nancy\t") == "Nancy"


def test_json_has_sorted_keys_and_ends_with_a_line_end(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  2\n ],\n "b": 1\n}\n'


def test_a_link_is_replaced_and_not_written_through(tmp_path):
    (tmp_path / "shared").write_text("old")
    (tmp_path / "link").symlink_to("shared")
    write_file(tmp_path / "link", "new")
    assert (tmp_path / "shared").read_text() == "old"
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "link").read_text() == "new"


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_and_names_its_path(tmp_path):
    (tmp_path / "file/below").mkdir(parents=True)
    with pytest.raises(OSError, match="file") as raised:
        write_file(tmp_path / "file", "content")
    assert raised.value.filename == str(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
