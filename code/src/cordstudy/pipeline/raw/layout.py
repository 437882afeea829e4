"""The tables of an nnU-Net raw dataset: which cases it has, which images it has not.

Owns: a row of cases.tsv, its columns, reading and writing it; reading left_out.tsv.
Does not own: dataset.json (`dataset_json`), names of folders and files (`names`), where cases come
from (`sources.finding`), their volumes (`convert`), or putting a new folder in place of the old one
(`replacing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from cordstudy.base.tables import MISSING, read_table, write_table
from cordstudy.pipeline.raw.names import CASES, LEFT_OUT, TEST, TRAIN
from cordstudy.pipeline.sources.cases import LEFT_OUT_COLUMNS, Case, LeftOut

PLAIN = "plain"
"""What stands in place of the digest of a mask that another image's may equal by chance
(`digests`)."""


@dataclass(frozen=True)
class RawCase(Case):
    """One row of a raw dataset's cases.tsv: what was found, its part, and SHA-256 of the two files
    that it was converted to and of their voxels alone."""

    part: str
    """`train` or `test`."""
    fold: str
    """The number of the fold that a case to train on is held out of; `n/a` for one to test on."""
    image_sha256: str
    mask_sha256: str
    image_voxels: str
    mask_voxels: str
    """Or `PLAIN`."""
    voxel_size_mm: str
    """Of the converted image, from left to right, front to back and bottom to top: `1.1x1.1x5`."""

    @property
    def is_to_train(self) -> bool:
        """Whether a model may learn from it."""
        return self.part == TRAIN

    @property
    def is_to_test(self) -> bool:
        """Whether models are judged by it."""
        return self.part == TEST


CASE_COLUMNS = tuple(field.name for field in fields(RawCase))
"""Columns of a raw dataset's cases.tsv."""
ADDED: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "person": lambda row: row["participant_id"],
    "label_made_by": lambda row: MISSING,
    "image_voxels": lambda row: MISSING,
    "mask_voxels": lambda row: MISSING,
    "site": lambda row: MISSING,
    "field_strength": lambda row: MISSING,
    "voxel_size_mm": lambda row: MISSING,
}
"""Columns that a table of an earlier version lacks, and what a row of it has in their place."""


def read_cases(raw: Path) -> list[RawCase]:
    """The rows of the cases.tsv of a raw dataset, in its order: both parts, or the training part
    alone in one that `merge` made.

    Raises StudyError where it is absent, is no table, or lacks one of `CASE_COLUMNS` that is not
    among `ADDED`.
    """
    needed = [column for column in CASE_COLUMNS if column not in ADDED]
    cases = []
    for row in read_table(raw / CASES, *needed):
        values = {column: row[column] for column in needed}
        for column, value_of in ADDED.items():
            values[column] = row[column] if column in row else value_of(row)
        cases.append(RawCase(**values))
    return cases


def write_cases(raw: Path, cases: Iterable[RawCase]) -> None:
    """Write the cases.tsv of a raw dataset, in the order of `cases`."""
    write_table(raw / CASES, CASE_COLUMNS, map(astuple, cases))


def read_left_out(raw: Path) -> list[LeftOut]:
    """The rows of the left_out.tsv of a raw dataset. A table of an earlier version has each
    participant as a person.

    Raises StudyError where it is absent, is no table, or lacks a column.
    """
    needed = [column for column in LEFT_OUT_COLUMNS if column != "person"]
    items = []
    for row in read_table(raw / LEFT_OUT, *needed):
        values = {column: row[column] for column in needed}
        items.append(LeftOut(**values, person=row.get("person", row["participant_id"])))
    return items
