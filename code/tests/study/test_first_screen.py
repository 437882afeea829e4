"""What a visitor sees first of the README: what it is, a picture, two commands that tests run."""

from helpers import REPOSITORY
from readme_blocks import README, commands_under, first_commands, headings


def test_its_commands_stand_below_too_where_tests_run_them():
    below = "".join(map(commands_under, headings())).splitlines()
    assert len(first_commands()) == 3, "clone and cd are one line"
    assert set(first_commands()) <= {line.partition("#")[0].strip() for line in below}


def test_it_has_a_picture_that_is_in_git_and_no_more_than_a_screen_before_the_answer():
    first = README.partition("<!-- results: answer -->")[0]
    path = first.partition('<img src="')[2].partition('"')[0]
    assert (REPOSITORY / path).read_bytes().startswith(b"\x89PNG")
    assert len(first.splitlines()) < 18 and "badge" not in first
