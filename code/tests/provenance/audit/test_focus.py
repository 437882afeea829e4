"""Rows of a table: which a selector means, and which files are about others."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.focus import select_rows

TABLE = "derivatives/cases.tsv"
ROWS = "case_id\tmodel\treplicate\ttestset\na_1\tx\t1\tepi\na_1\tx\t2\tepi\nb_2\ty\t1\tepi\n"


def selected(place, selector: str):
    """The rows that a selector means, and what they leave to look at."""
    place.commit("a table", {TABLE: ROWS})
    history = place.history
    return select_rows(history, TABLE, history.tree[TABLE], selector, PROFILE)


def test_files_and_folders_of_other_rows_fall_away(place):
    rows, focus = selected(place, "case_id=a_1,replicate=1")
    assert [tuple(row.values()) for row in rows] == [("a_1", "x", "1", "epi")]
    kept = ["x/epi/a_1.nii.gz", "x/epi/b.nii.gz", "a_1", "b_2", "epi/plans.json"]
    assert [path for path in kept if not focus.keeps(path)] == []
    gone = ["x/epi/b_2.nii.gz", "x/epi/b_2_0000.nii.gz", "x.2/epi/a_1.nii.gz", "y/plans.json"]
    assert [path for path in gone if focus.keeps(path)] == []


@pytest.mark.parametrize(
    ("selector", "why"),
    [("case=a_1", "no column 'case'"), ("case_id=c", "no row with"), ("case_id", "no row with")],
)
def test_a_selector_that_means_no_row_is_an_error(place, selector, why):
    with pytest.raises(StudyError, match=why):
        selected(place, selector)
