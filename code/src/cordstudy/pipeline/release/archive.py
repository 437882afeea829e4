"""Files of a release as an archive and as a list of checksums: same files, same bytes.

Owns: writing them, and checking files against such a list.
Does not own: which files a release has (`package`), or taking an archive apart (`opening`).
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from io import BytesIO
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.base.texts import CORRECT, read_text

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The time of each file in an archive: a clock would make the bytes others each time."""
LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")
CHUNK = 2**20


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def files_below(folder: Path) -> list[str]:
    """The files of a folder and below, relative to it, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def checksums(folder: Path) -> str:
    """What `sha256sum -c` reads: a line for each file below a folder."""
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in files_below(folder))


def read_checksums(path: Path) -> dict[str, str]:
    """SHA-256 by file, of a list that `sha256sum` or `checksums` wrote. Raises StudyError for any
    other text."""
    sums = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None:
            raise StudyError(f"{path}, line {number}: no checksum of a file", hint=CORRECT)
        if match[2] in sums:
            raise StudyError(f"{path}, line {number}: {match[2]} stands there twice", hint=CORRECT)
        sums[match[2]] = match[1].lower()
    return sums


def listed_files(folder: Path, name: str) -> set[str]:
    """The files that a folder's list of checksums is of, and the list; none where there is none."""
    return {name, *read_checksums(folder / name)} if (folder / name).is_file() else set()


def write_zip(path: Path, folder: Path, *, below: str) -> None:
    """Write an archive of a folder's files, stored and not compressed, as compressed bytes depend
    on zlib; each `below` a folder in it."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in files_below(folder):
            entry = zipfile.ZipInfo(f"{below}/{name}", FIRST_DAY)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix, wherever it is written
            archive.writestr(entry, (folder / name).read_bytes())
    write_file(path, buffer.getvalue())
