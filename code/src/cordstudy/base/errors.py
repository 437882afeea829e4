"""The one root of every error that a user can cause or mend, and how text of others' is shown.

Owns: `StudyError`, with what to do about it and an exit code; what is told of a fault of the machine (a
full disk, a folder that may not be written); making text safe for a terminal.
Does not own: printing it, which only the command line does.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of this user is used up",
    errno.EFBIG: "the file is larger than may be written",
}
FAULTS = FULL | {
    errno.EROFS: "the disk is mounted for reading only",
    errno.EACCES: "this user may not read or write it",
    errno.EPERM: "this user may not read or write it",
    errno.EIO: "the disk cannot be read or written",
    errno.EMFILE: "too many files are open",
}
HINTS = dict.fromkeys(
    FULL, "make room there, then run the same again: what is not whole was not kept"
) | {
    errno.EIO: "look at the disk's health, then run the same again",
    errno.EMFILE: "raise `ulimit -n`, then run the same again",
}
LITTLE_BYTES = 1 << 20
"""A disk with less room than this is full: programs that fail on it leave a rest."""

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


def indented(text: object) -> str:
    """The same with every line but the first indented, so that none can pass for another line of ours."""
    return re.sub(r"\n(?!  )", "\n  ", visible(text))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class StudyError(Exception):
    """What is wrong and where, in one line; `hint` says what to do.

    Raised anywhere, caught only where a command enters, which prints both and exits with 1.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def machine_fault(error: BaseException, arguments: Sequence[str]) -> StudyError | None:
    """What to tell of an exception that comes from a fault of the machine; None where it does not.

    Libraries written in C raise anything on a full disk: there the disks that the command of these
    `arguments` writes to are looked at.
    """
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in FAULTS:
            place = (
                os.fsdecode(one.filename2 or one.filename or "")
                or _full(arguments)
                or _out(arguments)
            )
            hint = HINTS.get(one.errno, "look at its owner and permissions: ls -ld")
            return StudyError(f"{place}: {FAULTS[one.errno]} ({one.strerror})", hint=hint)
    place = _full(arguments)
    if (
        not place
        and isinstance(error, FileNotFoundError)
        and "usable temporary directory" in str(error)
    ):
        return StudyError(
            "no folder for temporary files may be written",
            hint="export TMPDIR=/a/folder/that/you/may/write",
        )
    if place and isinstance(error, RuntimeError | OSError):
        return StudyError(
            f"{place}: the disk is full ({type(error).__name__})", hint=HINTS[errno.ENOSPC]
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it came from."""
    seen: set[int] = set()
    while error and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _out(arguments: Sequence[str]) -> str:
    """The folder or file that a command is told to write; else the working folder."""
    places = [after for before, after in itertools.pairwise(arguments) if before == "--out"]
    return places[0] if places else os.getcwd()


def _full(arguments: Sequence[str]) -> str:
    """The first place without room of those that a command writes to; empty where all have some."""
    cache = (
        os.environ.get("CORDSTUDY_CACHE")
        or os.environ.get("XDG_CACHE_HOME")
        or os.path.expanduser("~/.cache")
    )
    temporary = os.environ.get("TMPDIR") or "/tmp"  # `tempfile` does not tell where it failed
    for place in (_out(arguments), cache, os.environ.get("CORDSTUDY_PROGRESS") or cache, temporary):
        there = next(
            one for one in (Path(place).absolute(), *Path(place).absolute().parents) if one.exists()
        )
        if shutil.disk_usage(there).free < LITTLE_BYTES:
            return place
    return ""
