"""How the page names the row of a table."""

import shlex
from pathlib import Path

from cordstudy.pipeline.report.origins import Origin, of_case, of_summary


def test_a_row_is_told_by_its_columns_and_its_anchor_holds_no_spaces():
    origin = of_case("epi_sub-1", "without b")
    assert origin.anchor == "how-cases-epi_sub-1-without_b-1"
    command = origin.command(Path("derivatives/tiny/evaluation"))
    row = "case_id=epi_sub-1,model=without b,replicate=1"
    assert shlex.split(command) == [
        "code/study",
        "audit",
        f"derivatives/tiny/evaluation/cases.tsv:{row}",
    ]


def test_rows_that_differ_have_other_places():
    assert of_summary("a", "t").anchor != of_summary("a", "u").anchor
    assert of_summary("a", "t") == Origin("summary", (("model", "a"), ("testset", "t")))
