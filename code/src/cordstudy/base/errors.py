"""The one root of every error that a user can cause or mend, and how text of others' is shown.

Owns: `StudyError`, with what to do about it; what is told of a fault of the machine (a full disk,
a folder that may not be written); making text safe for a terminal.
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
WRONG_PLACE = {
    errno.ENOTDIR: "a file is in the place of a folder",
    errno.EISDIR: "a folder is in its place",
    errno.EEXIST: "something else is in its place",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "links lead in a circle",
}
FAULTS = (
    FULL
    | WRONG_PLACE
    | {
        errno.EROFS: "the disk is mounted for reading only",
        errno.EACCES: "this user may not read or write it",
        errno.EPERM: "this user may not read or write it",
        errno.EIO: "the disk cannot be read or written",
        errno.EMFILE: "too many files are open",
    }
)
MAKE_ROOM = "make room there, then run the same again: what is not whole was not kept"
ELSEWHERE = "choose another path, or move what is there"
HINTS = (
    dict.fromkeys(FULL, MAKE_ROOM)
    | dict.fromkeys(WRONG_PLACE, ELSEWHERE)
    | {
        errno.EIO: "look at the disk's health, then run the same again",
        errno.EMFILE: "raise `ulimit -n`, then run the same again",
    }
)
LITTLE_BYTES = 1 << 20
"""A disk with less room than this is full: programs that fail on it leave a rest."""

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What steers a terminal, or the direction of its text, or is no character; not line ends and
tabs."""


def visible(text: object) -> str:
    """Text as a terminal can show it: what would steer it stands there as an escape (`\\x1b`)."""
    return UNSEEN.sub(_escape, str(text))


def inline(text: object) -> str:
    """The same on one line, so that it cannot pass for a line of ours."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def indented(text: object) -> str:
    """The same with every line but the first indented, so that none can pass for another line of
    ours."""
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
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in FAULTS:
            return _known_fault(cause, cause.errno, arguments)
    full = _full(arguments)
    if full and isinstance(error, RuntimeError | OSError):
        message = f"{full}: the disk is full ({type(error).__name__})"
        return StudyError(message, hint=MAKE_ROOM)
    if not full and _is_without_temporary(error):
        return StudyError(
            "no folder for temporary files may be written",
            hint="export TMPDIR=/a/folder/that/you/may/write",
        )
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that it came from."""
    seen: set[int] = set()
    while error and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _known_fault(error: OSError, number: int, arguments: Sequence[str]) -> StudyError:
    """What to tell of an error whose number is among `FAULTS`; where, if it does not say so, is
    where the command writes."""
    path = os.fsdecode(error.filename2 or error.filename or "")
    if not path:
        path = _full(arguments) or _out(arguments)
    hint = HINTS.get(number, "look at its owner and permissions: ls -ld")
    return StudyError(f"{path}: {FAULTS[number]} ({error.strerror})", hint=hint)


def _is_without_temporary(error: BaseException) -> bool:
    """Whether `tempfile` found no folder that may be written."""
    return isinstance(error, FileNotFoundError) and "usable temporary directory" in str(error)


def _out(arguments: Sequence[str]) -> str:
    """The folder or file that a command is told to write; else the working folder."""
    for option, value in itertools.pairwise(arguments):
        if option == "--out":
            return value
    return os.getcwd()


def _full(arguments: Sequence[str]) -> str:
    """The first folder without room of those that a command writes to; empty where all have
    some."""
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("CORDSTUDY_CACHE") or user_cache
    progress = os.environ.get("CORDSTUDY_PROGRESS") or cache
    temporary = os.environ.get("TMPDIR") or "/tmp"  # `tempfile` does not tell where it failed
    for path in (_out(arguments), cache, progress, temporary):
        if shutil.disk_usage(_nearest(path)).free < LITTLE_BYTES:
            return path
    return ""


def _nearest(path: str) -> Path:
    """A path, or the nearest folder above it that is there."""
    nearest = Path(path).absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return nearest
