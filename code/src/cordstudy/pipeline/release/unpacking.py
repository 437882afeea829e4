"""A release's archive, taken apart into a folder.

Owns: that nothing is written elsewhere, twice, or without end, and that a damaged file is one
error.
Does not own: whether what was in it may be trusted (`opening`, `trusting`).
"""

from __future__ import annotations

import errno
import lzma
import shutil
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError

LARGEST = 4 * 2**30
"""Bytes of all files of an archive together; five folds of a full network have about 1 GB."""
MOST = 10_000
"""Files of an archive."""
GET = "get it again, from where it is published"
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What Python's zipfile raises for an archive that is not what it should be."""

OF_THE_FILE = (None, errno.EINVAL, errno.ENAMETOOLONG)
"""What an OSError has that is none of the machine's: of bz2, of a place before the file, a name."""


def unpack_zip(given: Path, folder: Path) -> None:
    """The files of an archive, below a folder. Raises StudyError for one that is damaged, would
    write elsewhere, or very much, or holds two files of one name."""
    try:
        with zipfile.ZipFile(given) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(entries, given)
            for entry in entries:
                place = folder / entry.filename
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target)
    except DAMAGED as error:
        raise StudyError(f"{given}: a damaged archive: {error}", hint=GET) from error
    except OSError as error:
        if error.errno not in OF_THE_FILE:
            raise
        raise StudyError(f"{given}: a damaged archive: {error}", hint=GET) from error


def _check_entries(entries: Sequence[zipfile.ZipInfo], given: Path) -> None:
    """Raise StudyError for files that cannot all be written, each in a place of its own. What one
    program takes for one file, and another for two, are one name here: case is no difference."""
    if len(entries) > MOST:
        raise StudyError(f"{given}: it holds more than {MOST:,} files", hint=GET)
    if sum(entry.file_size for entry in entries) > LARGEST:
        raise StudyError(f"{given}: it holds more than {LARGEST >> 30} GB", hint=GET)
    files: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
            raise StudyError(f"{given}: {entry.filename} would lie elsewhere", hint=GET)
        name = PurePosixPath(entry.filename.casefold())
        above = set(name.parents)
        if name in files or name in folders or above & files:
            raise StudyError(f"{given}: {entry.filename} is in it twice", hint=GET)
        files.add(name)
        folders |= above
