"""Tables and JSON: same rows, same bytes; what is no table; a file whole or not at all."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_file, write_json, write_table


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
        ("name\tage\nx\n", "row 2: 1 cells, the header has 2", "is a tab missing"),
    ],
)
def test_a_text_that_is_no_such_table_is_an_error_with_its_row(tmp_path, text, said, hint):
    (tmp_path / "table.tsv").write_text(text)
    with pytest.raises(StudyError, match=said) as raised:
        read_table(tmp_path / "table.tsv", "name")
    assert hint in raised.value.hint


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    (tmp_path / "table.tsv").write_bytes(b"\xef\xbb\xbfname\nx\n")
    assert read_table(tmp_path / "table.tsv", "name") == [{"name": "x"}]


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
