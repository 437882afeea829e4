"""`space`: what each folder holds, and what of it can be made again.

Owns: its table. Does not own: what is counted (`provenance.audit.holdings`).
"""

from __future__ import annotations

from dataclasses import asdict

import click

from cordstudy.base.errors import inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import ROOT
from cordstudy.cli.saying import say, say_json
from cordstudy.provenance.audit.holdings import Holding, holdings
from cordstudy.provenance.history.index import History
from cordstudy.provenance.running.time_left import in_words

HEADER = ("folder", "here", "recorded", "came back here", "has a record", "records took")
UNITS = ("B", "kB", "MB", "GB")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, in bytes and seconds.")
def space(as_json: bool) -> None:
    """Say what annexed content each folder holds here, and what of it can be made again.

    Of what is here: how much has come back identical on this machine, and how much a record has
    made. Of all that is recorded: how long the folder's own records took. Reads git objects, and
    asks git-annex once what is here.

    \b
    Example:
      code/study space
    """
    rows = holdings(ROOT, History(ROOT))
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    installed = [_cells(row) for row in rows if row.is_installed]
    print_columns(installed, header=HEADER, right=range(1, len(HEADER)))
    if len(installed) < len(rows):
        count = len(rows) - len(installed)
        say(f"\n{count} subdatasets are not installed: code/study --study NAME inputs")
    say(
        "\nTo free space: datalad drop PATH. git-annex lets go of what came back here once\n"
        "code/study recompute on was called, and datalad get makes it again."
    )


def _cells(row: Holding) -> tuple[str, ...]:
    took = in_words(row.wall_s) if row.wall_s else ""
    sizes = (row.here, row.recorded, row.came_back, row.made)
    return (inline(row.folder), *(_size(size) for size in sizes), took)


def _size(size: int) -> str:
    """A size as people read it."""
    number = float(size)
    for unit in UNITS[:-1]:
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} {UNITS[-1]}"
