"""How the page names the row of a table."""

import shlex
from pathlib import Path

from cordstudy.pipeline.report.origins import Origin, of_case, of_summary


def test_a_row_is_told_by_its_columns_and_by_the_study():
    origin = of_case("epi_sub-1", "without b")
    command = origin.command("tiny", Path("derivatives/tiny/evaluation"))
    row = "case_id=epi_sub-1,model=without b,replicate=1"
    assert shlex.split(command) == [
        "code/study",
        "--study",
        "tiny",
        "audit",
        f"derivatives/tiny/evaluation/cases.tsv:{row}",
    ]


def test_rows_that_differ_have_other_keys():
    assert of_summary("a", "t") != of_summary("a", "u")
    assert of_summary("a", "t") == Origin("summary", (("model", "a"), ("testset", "t")))
