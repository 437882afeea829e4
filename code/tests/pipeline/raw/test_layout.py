"""A raw dataset's table of cases, of this version and of earlier ones."""

from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_table
from cordstudy.pipeline.raw.layout import ADDED, CASE_COLUMNS, read_cases


def write_rows(raw: Path, columns: list[str]) -> None:
    write_table(raw / "cases.tsv", columns, [[f"{column} of it" for column in columns]])


@pytest.mark.parametrize("column", ADDED)
def test_a_table_without_a_column_that_was_added_later_is_read(tmp_path, column):
    write_rows(tmp_path, [name for name in CASE_COLUMNS if name != column])
    (case,) = read_cases(tmp_path)
    expected = {name: f"{name} of it" for name in CASE_COLUMNS}
    stands_there = expected | {column: ADDED[column](expected)}
    assert vars(case) == stands_there


def test_without_the_column_each_participant_is_a_person_of_their_own(tmp_path):
    write_rows(tmp_path, [name for name in CASE_COLUMNS if name not in ADDED])
    (case,) = read_cases(tmp_path)
    assert case.person == "participant_id of it"


@pytest.mark.parametrize("column", ["case_id", "participant_id", "fold"])
def test_a_table_without_another_column_is_an_error(tmp_path, column):
    write_rows(tmp_path, [name for name in CASE_COLUMNS if name != column])
    with pytest.raises(StudyError, match=f"no column '{column}'"):
        read_cases(tmp_path)
