"""Parts between marks: found, filled, and refused where Markdown would not show them."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.parts import filled, lines, parts

SENTENCE = "All <!-- results: steps -->31<!-- end results --> of them.\n"
BLOCK = "<!-- results: dice -->\n| 0.1 |\n<!-- end results -->\n"


def test_parts_are_found_by_name_each_as_often_as_it_stands_there():
    found = parts(SENTENCE + BLOCK + SENTENCE, where="x.md")
    assert found == {"steps": ["31", "31"], "dice": ["\n| 0.1 |\n"]}


def test_parts_are_filled_and_nothing_else_is_touched():
    text = filled(SENTENCE + BLOCK, {"steps": "32", "dice": lines(r"| \1 |")})
    assert text == SENTENCE.replace("31", "32") + BLOCK.replace("0.1", r"\1")
    assert parts(text, where="x.md") == {"steps": ["32"], "dice": ["\n| \\1 |\n"]}


@pytest.mark.parametrize(
    "text",
    [
        "<!-- results: steps -->31",
        "31<!-- end results -->",
        "a <!-- results: steps -->31<!-- results: dice -->2<!-- end results -->",
        "a <!-- results: Steps! -->31<!-- end results -->",
    ],
)
def test_a_mark_without_its_other_is_an_error(text):
    with pytest.raises(StudyError, match=r"^x\.md: a mark of results has no other"):
        parts(text, where="x.md")


def test_a_phrase_that_begins_a_line_is_an_error():
    with pytest.raises(StudyError, match="part 'steps' begins a line"):
        parts(f"All\n{SENTENCE.removeprefix('All ')}", where="x.md")
