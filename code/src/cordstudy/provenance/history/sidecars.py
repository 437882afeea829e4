"""The files in which DataLad keeps the values of long run records.

Owns: finding, unpacking and checking one. Does not own: what its values mean (`records`).
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import zlib
from io import BytesIO
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import annex, read_git
from cordstudy.provenance.history.gitlog import annex_key

FOLDER = ".datalad/runinfo"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LARGEST = 64 * 2**20
"""Bytes of a sidecar file, unpacked."""
COMPRESSIONS = ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ", lzma.open))
"""How a compressed file starts, and what opens it."""
DIGESTS = {"MD5": hashlib.md5, "SHA256": hashlib.sha256}
"""Of git-annex's backends, those that are common in DataLad's datasets, without the E of the ones
with an extension."""


def read_sidecar(repo: Path, commit: str, name: str) -> str:
    """The line of JSON in a sidecar file at a commit.

    Raises ValueError where the file is not to be had, or is not what git says that it is.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a sidecar file")
    try:
        packed = read_git(repo, "cat-file", "blob", f"{commit}:{FOLDER}/{name}")
    except StudyError as error:
        raise ValueError(f"there is no sidecar file {FOLDER}/{name}") from error
    key = annex_key(packed, link=True) or annex_key(packed, link=False)
    lines = _unpacked(_content(repo, key, name) if key else packed).splitlines()
    if not lines:
        raise ValueError(f"the sidecar file {FOLDER}/{name} is empty")
    return lines[0].decode(errors="surrogateescape")


def _content(repo: Path, key: str, name: str) -> bytes:
    """Annexed content that is here and is what its key says."""
    try:
        content = (repo / annex(repo, "contentlocation", key).strip()).read_bytes()
    except (StudyError, OSError) as error:
        raise ValueError(
            f"the content of {FOLDER}/{name} is not here (datalad get brings it)"
        ) from error
    digest = DIGESTS.get(key.partition("-")[0].removesuffix("E"))
    if digest and digest(content).hexdigest() not in key:
        raise ValueError(f"the content of {FOLDER}/{name} is not what its key says")
    return content


def _unpacked(packed: bytes) -> bytes:
    """Content without its compression, of which there can be two, gzip around xz; no more than is
    a record's."""
    content = packed
    for start, opened in COMPRESSIONS:
        if content.startswith(start):
            try:
                with opened(BytesIO(content)) as stream:
                    content = stream.read(LARGEST + 1)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise ValueError("its sidecar file cannot be unpacked") from error
    if len(content) > LARGEST:
        raise ValueError("its sidecar file is too large")
    return content
