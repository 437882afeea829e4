"""The one root of every error that a user can cause or mend.

Owns: `StudyError`, with what to do about it and an exit code.
Does not own: printing it, which only the command line does.
"""

from __future__ import annotations


class StudyError(Exception):
    """What is wrong and where, in one line; `hint` says what to do.

    Raised anywhere, caught only in the command line, which prints both and exits
    with `exit_code`.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code
