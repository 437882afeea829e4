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
DIGESTS = {"MD5": hashlib.md5, "SHA256": hashlib.sha256}
"""Of git-annex's backends, those that DataLad and this study use, without the E of the ones with an extension."""


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
    for start, opened in ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ", lzma.open)):
        if packed.startswith(start):
            try:
                with opened(BytesIO(packed)) as stream:
                    packed = stream.read(LARGEST + 1)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise ValueError("its sidecar file cannot be unpacked") from error
    if len(packed) > LARGEST:
        raise ValueError("its sidecar file is too large")
    return packed
