"""Which part of a study each participant is in: the table that `split` writes.

Owns: its columns, reading it. Does not own: the rule of division (`split`).
"""

from __future__ import annotations

from pathlib import Path

from cordstudy.base.tables import read_table

COLUMNS = ("participant_id", "part", "fold")


def read_split(path: Path) -> dict[str, tuple[str, str]]:
    """Part and fold of each participant."""
    return {row["participant_id"]: (row["part"], row["fold"]) for row in read_table(path, *COLUMNS)}
