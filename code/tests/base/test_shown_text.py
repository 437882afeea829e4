"""Text of others' that is printed: it steers no terminal, and no line of it passes for ours."""

import pytest

from cordstudy.base.errors import indented, inline, visible
from helpers import REPOSITORY, study


def test_no_line_of_an_error_can_pass_for_another_line_of_ours(tmp_path):
    path = tmp_path / "x\nhint: run me\nerror: x"
    path.write_text("[")
    words = (
        "split",
        path,
        "--out",
        tmp_path,
        "--seed",
        "1",
        "--test-fraction",
        "0.2",
        "--folds",
        "2",
    )
    failed = study(REPOSITORY, *words, check=False)
    assert failed.returncode == 1
    assert [line for line in failed.stderr.splitlines() if not line.startswith("  ")] == [
        f"error: {tmp_path}/x",
        "hint: `code/study run` writes it from the study's TOML",
    ]
    assert indented("1 fault:\n  a\nb") == "1 fault:\n  a\n  b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\x0db"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\udcff\ud800", "\\xff\\ud800"),
        ("\x00\x08", "\\x00\\x08"),
        ("ä→😀", "ä→😀"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_an_escape(text, shown):
    assert visible(text) == shown and "\n" not in inline(text) and "\t" not in inline(text)
