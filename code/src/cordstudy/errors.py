"""The one root of every error that a user can cause or mend, and how text of others' is shown.

Owns: `StudyError`, with what to do about it and an exit code; making text safe for a terminal.
Does not own: printing, which only the command line does.
"""

from __future__ import annotations

import re

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What steers a terminal, or the direction of its text, or is no character; not line ends and tabs."""


def visible(text: object) -> str:
    """Text as a terminal can show it: what would steer it stands there as an escape (`\\x1b`)."""
    return UNSEEN.sub(_escape, str(text))


def inline(text: object) -> str:
    """The same on one line, so that it cannot pass for a line of ours."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class StudyError(Exception):
    """What is wrong and where, in one line; `hint` says what to do.

    Raised anywhere, caught only in the command line, which prints both and exits
    with `exit_code`.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code
