"""Rows of the tables of judging as values: one dataclass a table, its fields the columns.

Owns: writing and reading such a table.
Does not own: what any table is about, or TSV itself (`base.tables`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_table
from cordstudy.base.texts import shaped

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def columns(kind: type[DataclassInstance]) -> list[str]:
    """The columns of a table of such rows."""
    return [field.name for field in fields(kind)]


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write rows of one kind as a table, also where there are none."""
    write_table(path, columns(kind), [astuple(row) for row in rows])


def read_rows(path: Path, kind: type[Row], *, what: str, step: str) -> list[Row]:
    """The rows of a table that `step` wrote.

    Raises StudyError for one that is no table of them; `what` names what it should hold.
    """
    table = read_table(path, *columns(kind))
    try:
        return [shaped(kind, row) for row in table]
    except ValueError as error:
        message = f"{path}: no {what}: {error}"
        raise StudyError(message, hint=f"code/study run {step}") from error


def grouped_by(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Items of one key together, keys in the order in which they come first."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
