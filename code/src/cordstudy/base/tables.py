"""Reading tables, and writing tables and JSON the same way everywhere: same rows, same bytes.

Owns: TSV of sources and outputs, JSON of outputs, and putting a file in place whole or not at all.
Does not own: what is in them, or what no text may be (`texts`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import CORRECT, read_text

MISSING = "n/a"
"""What BIDS writes where a value is not known."""


def read_table(path: Path, *needed: str) -> list[dict[str, str]]:
    """Rows of a TSV.

    Raises StudyError if it is absent, is no text, lacks a needed column, or has a row with
    other than the header's number of cells.
    """
    text = read_text(path, encoding="utf-8-sig")
    try:
        lines = list(csv.reader(StringIO(text, newline=""), delimiter="\t"))
    except csv.Error as error:
        raise StudyError(f"{path}: no table: {error}", hint=CORRECT) from error
    header = lines[0] if lines else []
    for name in needed:
        if name not in header:
            raise StudyError(
                f"{path}: no column {name!r}", hint=f"it has {', '.join(header) or 'none'}"
            )
    rows = []
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(header):
            raise StudyError(
                f"{path}, row {number}: {len(cells)} cells, the header has {len(header)}",
                hint="is a tab missing?",
            )
        rows.append(dict(zip(header, cells)))
    return rows


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a TSV with a header; floats with six decimals."""
    write_file(path, table_text(columns, rows))


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file in place of what is there, whole or not at all; text in UTF-8, whatever the
    locale.

    A link that is there is replaced, never written through: what it leads to may be shared. An
    OSError names the path.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A TSV as text; see `write_table`."""
    stream = StringIO(newline="")
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(value) for value in row])
    return stream.getvalue()


def _text(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys."""
    write_file(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
