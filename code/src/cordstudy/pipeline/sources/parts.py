"""Which part of a study each participant is in: the table that `split` writes.

Owns: its rows, reading it.
Does not own: the rule of division (`split`).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cordstudy.base.tables import read_table


class Placement(NamedTuple):
    """Where a participant stands: to `train` on, in a fold, or to `test` on, where it is `n/a`."""

    participant_id: str
    part: str
    fold: str


COLUMNS = Placement._fields


def read_split(path: Path) -> dict[str, Placement]:
    """The placement of each participant, by id.

    Raises StudyError where the table is absent, is none, or lacks a column.
    """
    placements = {}
    for row in read_table(path, *COLUMNS):
        values = {column: row[column] for column in COLUMNS}
        placements[row["participant_id"]] = Placement(**values)
    return placements
