"""The rows of a table that a selector means, and which files are about other rows.

Owns: reading a table of git's, the selector `column=value,…`, what falls away beside the rows.
Does not own: the runs behind them (`lineage`), or which columns name files (told in the profile).

Files that are about other rows fall away: those whose name starts with a cell of another row that
names files, and those in a folder that a cell of another row names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cordstudy.base.errors import StudyError
from cordstudy.provenance.history.gitlog import Entry, text
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import Profile

Row = Mapping[str, str]


@dataclass(frozen=True)
class Focus:
    """What files and folders of other rows are called: they are not part of an answer."""

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()

    def keeps(self, path: str) -> bool:
        """Whether a path is not about another row."""
        *folders, name = path.split("/")
        if not self.folders.isdisjoint(folders):
            return False
        starts = {name[:n] for n, letter in enumerate(name) if letter in "_."}
        return self.files.isdisjoint(starts)


def select_rows(
    history: History, path: str, entry: Entry, selector: str, profile: Profile
) -> tuple[list[Row], Focus]:
    """The rows of a table that a selector means, and what they leave to look at.

    Raises StudyError for a file that is no table, an unknown column and a selector that means no
    row.
    """
    if entry.key:
        raise StudyError(f"{path}: no table in git", hint="ask of the file as a whole")
    rows = _table(text(history.blob(entry)), path)
    columns = list(rows[0]) if rows else []
    wanted: dict[str, str] = {}
    for part in selector.split(","):
        column, _, value = part.partition("=")
        if column not in columns:
            hint = f"it has {', '.join(columns)}"
            raise StudyError(f"{path}: no column {column!r}", hint=hint)
        wanted[column] = value
    chosen = [row for row in rows if wanted.items() <= row.items()]
    if not chosen:
        raise StudyError(f"{path}: no row with {selector}", hint="see the values of its columns")
    return chosen, _focus(chosen, rows, profile)


def _table(content: str, path: str) -> list[Row]:
    """The rows of a table; cells that no column has are left out, and those that a row lacks are
    empty."""
    separator = "\t" if path.endswith(".tsv") else ","
    lines = io.StringIO(content, newline="")
    reader = csv.DictReader(lines, delimiter=separator, restkey="", restval="")
    try:
        return [_named_cells(row) for row in reader]
    except csv.Error as error:
        raise StudyError(f"{path}: no table: {error}", hint="ask of the file as a whole") from error


def _named_cells(row: Row) -> Row:
    return {column: cell for column, cell in row.items() if column}


def _focus(chosen: Sequence[Row], rows: Sequence[Row], profile: Profile) -> Focus:
    files = _file_names(rows, profile) - _file_names(chosen, profile)
    folders = _folder_names(rows, profile) - _folder_names(chosen, profile)
    return Focus(frozenset(files), frozenset(folders))


def _file_names(rows: Iterable[Row], profile: Profile) -> set[str]:
    """How files about rows start."""
    names: set[str] = set()
    for row in rows:
        for column in profile.file_columns:
            if column in row:
                names.add(row[column])
    return names


def _folder_names(rows: Iterable[Row], profile: Profile) -> set[str]:
    """What folders about rows are called, those with a number of their own too."""
    names: set[str] = set()
    for row in rows:
        for column in profile.folder_columns:
            if column not in row:
                continue
            names.add(row[column])
            number = row.get(profile.numbered.get(column, ""), "1")
            if number != "1":
                names.add(f"{row[column]}.{number}")
    return names
