"""Making room for what a step writes: what it wrote before goes, and nothing else.

Owns: telling a step's own earlier output from anything else that lies where it is told to write.
Does not own: what is written.

A recorded command names its own folders. Whoever calls a step by hand may name any, so a step
looks before it removes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Container, Iterator
from pathlib import Path

from cordstudy.base.errors import StudyError


def check_own(folder: Path, own: Container[str]) -> None:
    """Raise StudyError where a folder, which is to be replaced, is none or holds a file that is not
    among `own` (paths relative to it)."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StudyError(
            f"{folder}: it is no folder that this step made", hint="name another folder: --out"
        )
    for path in _files(folder):
        if path not in own:
            raise StudyError(
                f"{folder}: it holds {path}, which this step did not write and will not remove",
                hint="move that away, or name another folder: --out",
            )


def _files(folder: Path) -> Iterator[str]:
    """The files in a folder and below, and links to folders, which are not followed; relative to
    it."""
    for below, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(below, name))]
        for name in sorted([*files, *links]):
            yield os.path.relpath(os.path.join(below, name), folder)


def remove_own(folder: Path, own: Container[str]) -> None:
    """Remove a folder, if there is one, that holds nothing but `own`; see `check_own`."""
    check_own(folder, own)
    shutil.rmtree(folder, ignore_errors=True)
