"""Putting a new raw dataset in place of the old one, whole or not at all.

Owns: telling a raw dataset that was made here from anything else that lies in its place.
Does not own: what is written into it (`convert`, `merge`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cordstudy.base.outputs import check_own, remove_own
from cordstudy.base.tables import read_table
from cordstudy.pipeline.raw.names import CASES, DATASET, LEFT_OUT, PARTS, image_path, mask_path


@contextmanager
def replacing_raw(out: Path) -> Iterator[Path]:
    """A new folder for a raw dataset; it takes the place of `out` once all is well, and is gone
    otherwise.

    Raises StudyError where `out` is anything but a raw dataset that was made here.
    """
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


def _raw_files(raw: Path) -> set[str]:
    """The files of a raw dataset by its own table of cases, whatever columns that has."""
    files = {DATASET, CASES, LEFT_OUT}
    table = raw / CASES
    if not table.is_file():
        return files
    for row in read_table(table, "case_id"):
        for part in PARTS:
            files.add(image_path(part, row["case_id"]))
            files.add(mask_path(part, row["case_id"]))
    return files
