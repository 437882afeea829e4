"""Which part of a study each participant is in: the table that `split` writes.

Owns: its rows, reading it, and what it must not be.
Does not own: the rule of division (`split`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, read_lines


class Placement(NamedTuple):
    """Where a participant stands: to `train` on, in a fold, or to `test` on, where it is `n/a`."""

    participant_id: str
    part: str
    fold: str


COLUMNS = Placement._fields
FOLDS = {"train": re.compile("0|[1-9][0-9]{0,3}"), "test": re.compile(MISSING)}
"""What stands in `fold`, by the part."""


def read_split(path: Path) -> dict[str, Placement]:
    """The placement of each participant, by id.

    Raises StudyError where the table is absent, is none, or lacks a column, and for a row that
    places nobody, or somebody twice.
    """
    placements: dict[str, Placement] = {}
    for number, row in read_lines(path, *COLUMNS):
        placement = Placement(*(row[column].strip() for column in COLUMNS))
        name, part, fold = placement
        fault = ""
        if name in placements:
            fault = "stands there twice"
        elif part not in FOLDS:
            fault = f"is in the part {part!r}"
        elif not FOLDS[part].fullmatch(fold):
            fault = f"is in the part {part!r} and the fold {fold!r}"
        if fault:
            raise StudyError(
                f"{path}, line {number}: {name} {fault}",
                hint=f"one row each: train and the number of a fold, or test and {MISSING}",
            )
        placements[name] = placement
    return placements
