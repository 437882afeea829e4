"""Rows as aligned columns.

Owns: the one way in which commands lay out a table.
Does not own: what stands in it; cells are one line each (`base.errors.inline`).
"""

from __future__ import annotations

import io
from collections.abc import Container, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cordstudy.cli.saying import say

WIDEST = 100_000
"""Columns of the page that rows are laid out on: nothing is wrapped or cut."""


def print_columns(
    rows: Iterable[Sequence[str]],
    *,
    header: Sequence[str] | None = None,
    right: Container[int] = (),
) -> None:
    """Print rows below an optional header; the columns numbered in `right` end at one line."""
    for line in column_lines(rows, header=header, right=right):
        say(line)


def column_lines(
    rows: Iterable[Sequence[str]],
    *,
    header: Sequence[str] | None = None,
    right: Container[int] = (),
) -> list[str]:
    """The lines that `print_columns` prints."""
    lines = [row for row in (header, *rows) if row is not None]
    if not lines:
        return []
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for number in range(max(len(line) for line in lines)):
        table.add_column(justify="right" if number in right else "left", no_wrap=True)
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    page = io.StringIO()
    Console(file=page, width=WIDEST, color_system=None, legacy_windows=False).print(table)
    return [text.rstrip() for text in page.getvalue().splitlines()]
