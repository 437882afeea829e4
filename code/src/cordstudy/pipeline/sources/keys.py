"""The annex key of a source's file, whether its content is here or not.

Owns: cutting a key from a link or a pointer in the working tree, and making the one that a file
without any would have.
Does not own: whether a file lies in its source (`base.within`), or keys in commits, which
`provenance.history` cuts from what git has stored.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cordstudy.base.within import OBJECTS, POINTER


def content_key(path: Path, *, ending: str) -> str:
    """The annex key of a file, its content here or not; of a file that is not annexed (or
    unlocked, with content) the key that git-annex's SHA256E gives that content, whose name ends
    in `ending`.

    Raises OSError where there is no file.
    """
    return annex_key(path) or _key_of_content(path, ending)


def annex_key(path: Path) -> str:
    """The key that a link to annexed content or a pointer names; empty for another file."""
    real = Path(os.path.realpath(path))  # of a link to another file, what that is
    if f"/{OBJECTS}/" in str(real) and real.name == real.parent.name:
        return real.name
    with path.open("rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            return stream.readline().decode("utf-8", "surrogateescape").strip()
    return ""


def _key_of_content(path: Path, ending: str) -> str:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"SHA256E-s{path.stat().st_size}--{digest}{ending}"
