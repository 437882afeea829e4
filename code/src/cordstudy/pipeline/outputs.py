"""Making room for what a step writes: what it wrote before goes, and nothing else.

Owns: telling a step's own earlier output from anything else that lies where it is told to write, and
putting a new folder in place of the old one, whole or not at all.
Does not own: what is written.

A recorded command names its own folders. Whoever calls a step by hand may name any, so a step looks
before it removes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from cordstudy.errors import StudyError
from cordstudy.pipeline.tables import read_table

RAW_TEXTS = ("dataset.json", "cases.tsv", "left_out.tsv")


def check_own(folder: Path, own: Container[str]) -> None:
    """Raise StudyError where a folder, which is to be replaced, is none or holds a file that is not among
    `own` (paths relative to it)."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StudyError(f"{folder}: it is no folder that this step made", hint="name another folder: --out")
    for below, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(below, name))]
        for name in sorted((*files, *links)):
            path = os.path.relpath(os.path.join(below, name), folder)
            if path not in own:
                raise StudyError(
                    f"{folder}: it holds {path}, which this step did not write and will not remove",
                    hint="move that away, or name another folder: --out",
                )


def remove_own(folder: Path, own: Container[str]) -> None:
    """Remove a folder, if there is one, that holds nothing but `own`; see `check_own`."""
    check_own(folder, own)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replacing_raw(out: Path) -> Iterator[Path]:
    """A new folder for an nnU-Net raw dataset; it takes the place of `out` once all is well, and is gone
    otherwise. Raises StudyError where `out` is anything but a raw dataset that was made here."""
    own = _raw_files(out)
    check_own(out, own)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        made = scratch / out.name
        made.mkdir()
        yield made
        remove_own(out, own)
        made.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _raw_files(folder: Path) -> set[str]:
    """The files of a raw dataset by its own table of cases."""
    table = folder / "cases.tsv"
    cases = [row["case_id"] for row in read_table(table, "case_id")] if table.is_file() else []
    images = {f"images{part}/{case}_0000.nii.gz" for part in ("Tr", "Ts") for case in cases}
    return {*RAW_TEXTS, *images, *(f"labels{part}/{case}.nii.gz" for part in ("Tr", "Ts") for case in cases)}
