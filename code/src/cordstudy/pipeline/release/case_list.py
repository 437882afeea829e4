"""The list of cases that a release tells: whom and what a model was trained on.

Owns: its columns, writing it, and reading that of a release from elsewhere.
Does not own: who is counted how on the card (`facts`), or the comparison with other cases
(`judging.leakage`).

Sex, age and site are left out, as a release may go further than its sources. The digests of what
images and masks show are in it, so that whoever has images can tell whether they are among these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from cordstudy.base.tables import MISSING, read_table, write_table
from cordstudy.pipeline.raw.layout import RawCase
from cordstudy.pipeline.raw.names import TRAIN

FILE = "cases.tsv"
COLUMNS = (
    "case_id",
    "dataset",
    "participant_id",
    "person",
    "session",
    "contrast",
    "vendor",
    "field_strength",
    "pathology",
    "label_origin",
    "label_made_by",
    "fold",
    "image_key",
    "mask_key",
    "image_voxels",
    "mask_voxels",
)
"""`fold` is the one that a case is held out of; the last four and `person` are what cases are
compared by."""


def write_case_list(path: Path, cases: Iterable[RawCase]) -> None:
    """Write the list."""
    write_table(path, COLUMNS, ([getattr(case, column) for column in COLUMNS] for case in cases))


def read_case_list(path: Path) -> list[RawCase]:
    """The cases of a list; what it does not tell of them is `n/a`. Raises StudyError where it is
    absent, is no table, or lacks a column."""
    others = {field.name: MISSING for field in fields(RawCase)} | {"part": TRAIN}
    rows = read_table(path, *COLUMNS)
    return [RawCase(**others | {name: row[name] for name in COLUMNS}) for row in rows]
