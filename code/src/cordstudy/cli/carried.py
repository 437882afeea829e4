"""`carried`: the annexed content that travels in the history itself.

Owns: its table, and what is said of bringing it up to date.
Does not own: which files are carried (`here.PROFILE`), doing it (`provenance.running.carrying`), or
its faults (`audit --all`).
"""

from __future__ import annotations

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import PROFILE, ROOT
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import head
from cordstudy.provenance.history.carried import (
    LARGEST_HISTORY,
    LARGEST_TOTAL,
    total_of_history,
)
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.carrying import Cargo, cargo
from cordstudy.provenance.running.carrying import update as bring_up_to_date

MB = 10**6


@click.command()
@click.option("--update", is_flag=True, help="Bring it up to date, in one plain commit.")
@click.option("--check", is_flag=True, help="Exit with 1 unless it is up to date.")
def carried(update: bool, check: bool) -> None:
    """Show which annexed files travel with every clone: path, size, and whether they are there.

    Trained models and the report are in the history as plain files below .datalad/carried/, so that
    `datalad get` gives them offline, from a clone of main alone, once that is set up. --update is
    the last commit after the records of a change; it needs their content here.

    \b
    Example:
      code/study carried
    """
    if update:
        current_branch(ROOT)
        commit = bring_up_to_date(ROOT, PROFILE.carried)
        say(f"carried {commit[:8]} brings it up to date" if commit else "carried as it should be")
    now = cargo(ROOT, PROFILE.carried)
    _show(now)
    if check and (now.spare or now.lacking):
        raise StudyError(
            f"{len(now.lacking)} files are not carried, {len(now.spare)} are that should not be",
            hint="code/study carried --update",
        )


def _show(now: Cargo) -> None:
    rows = []
    for file in now.files:
        path = now.names.get(file.key, "wanted no more")
        rows.append((f"{file.size / MB:.2f} MB", inline(path), inline(file.key or file.path)))
    rows += [("not yet", inline(path), inline(key)) for key, path in now.lacking.items()]
    print_columns(rows, header=("size", "path", "key"), right=(0,))
    total = sum(file.size for file in now.files) / MB
    ever = total_of_history(ROOT, head(ROOT)) / MB
    say(
        f"{len(now.files)} files, {total:.1f} MB of at most {LARGEST_TOTAL / MB:.0f}; "
        f"ever carried: {ever:.1f} MB of at most {LARGEST_HISTORY / MB:.0f}"
    )
