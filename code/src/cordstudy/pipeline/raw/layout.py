"""An nnU-Net raw dataset as a folder: its files, cases.tsv, dataset.json.

Owns: their names, columns and content, and putting a new folder in place of the old one, whole
or not at all.
Does not own: where cases come from (`sources.finding`), or their images (`convert`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cordstudy.base.outputs import check_own, remove_own
from cordstudy.base.tables import read_table, write_json
from cordstudy.pipeline.sources.cases import FOUND_COLUMNS

RAW_TEXTS = ("dataset.json", "cases.tsv", "left_out.tsv")
CASE_COLUMNS = (*FOUND_COLUMNS, "part", "fold", "image_sha256", "mask_sha256")
"""Columns of a raw dataset's cases.tsv: what was found, its part, digests of the converted files."""


def write_dataset_json(out: Path, *, name: str, trained: int) -> None:
    """Write nnU-Net's dataset.json."""
    content = {
        "name": name,
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "spinal_cord": 1},
        "numTraining": trained,
        "file_ending": ".nii.gz",
    }
    write_json(out / "dataset.json", content)


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
    return {
        *RAW_TEXTS,
        *images,
        *(f"labels{part}/{case}.nii.gz" for part in ("Tr", "Ts") for case in cases),
    }
