"""Reading tables, and writing tables and JSON the same way everywhere: same rows, same bytes.

Owns: TSV of sources and outputs, JSON of outputs, and putting a file in place whole or not at all.
Does not own: what is in them, or what no text may be (`texts`).
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import CORRECT, did_you_mean, read_text

MISSING = "n/a"
"""What BIDS writes where a value is not known."""
NOT_KNOWN = re.compile(
    "|na|nan|none|null|nil|unk|unknown|missing|undefined|undetermined|undisclosed|unspecified"
    "|not(applicable|available|given|known|provided|recorded|reported|specified)"
)
"""What others write there, in lower case and without signs: `<NA>`, `#N/A`, `n.a.` and `-` too."""
SIGNS = re.compile(r"[\s.,:;/\\_?!#<>()\[\]'\"\u2010-\u2015\u2212-]+")
"""Signs that say nothing alone or with such a word; `+` does."""
CODED = re.compile(r"-9+(\.0+)?")
"""Numbers for what is not known, such as `-9` and `-999`: no number here is below 0."""
QUOTES = "a cell that begins with a quote ends with one, and quotes within are doubled"


def known(text: str) -> str:
    """A value without blanks around it; `MISSING` for one that says that it is not known."""
    value = text.strip()
    word = SIGNS.sub("", value).casefold()
    return MISSING if NOT_KNOWN.fullmatch(word) or CODED.fullmatch(value) else value


def read_table(path: Path, *needed: str) -> list[dict[str, str]]:
    """Rows of a TSV; see `read_lines`."""
    return [row for _, row in read_lines(path, *needed)]


def read_lines(path: Path, *needed: str) -> list[tuple[int, dict[str, str]]]:
    """Rows of a TSV, each with the number of its line, and no other line than that: a cell holds
    no line break. Blank lines are skipped, and so are empty cells beyond the last column.

    Raises StudyError, naming the line, where the file is absent, is no text, has no column or lacks
    a needed one, has one twice, a quote that is not closed, or a row with other than the header's
    number of cells.
    """
    lines = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):  # \r and \r\n are \n here
        if line.strip():
            lines.append((number, _cells(line, where=f"{path}, line {number}")))
    header = _header(path, lines[0] if lines else (1, []), needed)
    rows = []
    for number, cells in lines[1:]:
        cells = _without_empty_end(cells, len(header))
        if len(cells) != len(header):
            raise StudyError(
                f"{path}, line {number}: {len(cells)} cells, the header has {len(header)}",
                hint="is a tab missing?",
            )
        rows.append((number, dict(zip(header, cells))))
    return rows


def _cells(line: str, *, where: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise StudyError(f"{where}: a quote is not closed", hint=QUOTES) from error
        hint = QUOTES if '"' in str(error) else CORRECT
        raise StudyError(f"{where}: no table: {error}", hint=hint) from error


def _header(path: Path, line: tuple[int, list[str]], needed: Sequence[str]) -> list[str]:
    """The names of the columns, of which only empty ones may be there twice."""
    number, cells = line
    header = _without_empty_end([cell.strip() for cell in cells], 0)
    if not header and not needed:
        raise StudyError(f"{path}: no table: it has no columns", hint=CORRECT)
    for name, count in Counter(header).items():
        if name and count > 1:
            raise StudyError(
                f"{path}, line {number}: the column {name!r} stands there twice",
                hint="name each column once",
            )
    for name in needed:
        if name not in header:
            hint = f"it has {', '.join(header) or 'none'}"
            raise StudyError(f"{path}: no column {name!r}", hint=did_you_mean(name, header) + hint)
    return header


def _without_empty_end(cells: Sequence[str], least: int) -> list[str]:
    """The cells, at least so many, without empty ones at the end."""
    end = len(cells)
    while end > least and not cells[end - 1].strip():
        end -= 1
    return list(cells[:end])


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
    """A TSV as text; see `write_table`. A line break in a value becomes a blank: a row is a
    line."""
    stream = StringIO(newline="")
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_text(value) for value in row])
    return stream.getvalue()


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return re.sub("\r\n|[\r\n]", " ", str(value))


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys."""
    write_file(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
