"""What a killed training goes on from: its newest checkpoint, in the cache.

Owns: keeping one checkpoint a training, whole or not at all, checked against damage before use.
Does not own: what is in it (`trainer`), or which training it is of (`nnunet`).

A checkpoint's name holds its digest, so that a damaged one is never continued from.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path


def newest(folder: Path) -> Path | None:
    """The newest checkpoint that is what its name says; None where there is none."""
    for path in sorted(folder.glob("epoch-*.pth"), reverse=True):
        if path.stem.rpartition("-")[2] == _digest(path):
            return path
    return None


def store(folder: Path, epoch: int, write: Callable[[Path], None]) -> None:
    """Have `write` write a checkpoint, then keep it in place of older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    older = [*folder.glob("epoch-*.pth"), *folder.glob("unfinished.*")]
    unfinished = folder / f"unfinished.{os.getpid()}"
    write(unfinished)
    made = folder / f"epoch-{epoch:06d}-{_digest(unfinished)}.pth"
    unfinished.replace(made)
    for path in older:
        if path != made:
            path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
