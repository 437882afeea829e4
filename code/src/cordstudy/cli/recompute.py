"""`recompute`: content that nobody has, by running its record again, on `datalad get`.

Owns: its options and lines, and the program that git-annex starts.
Does not own: what is allowed (`provenance.remaking.trust`), or the remote (`remaking.remote`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import PROFILE, ROOT, profile_of, recompute_machine
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.calling.sandbox import check_sandbox
from cordstudy.provenance.history.index import History
from cordstudy.provenance.remaking import trust

WIDEST = 100
"""Of a command that is shown, so many characters."""

dataset_option = click.option(
    "--dataset",
    default=ROOT,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another DataLad dataset than this study.",
)


@click.group()
def recompute() -> None:
    """Have `datalad get` run records again for content that nobody has.

    The store of the git-annex remote `rerun` is the history: it runs the record that made a file,
    at the record's own commit, its inputs first, and hands over what comes out; git-annex checks
    the checksum. It is off until you switch it on in a clone, as it runs commands of the history:
    without network, home folder or access to your files where bubblewrap is there.
    """


@recompute.command()
@dataset_option
@click.option("--signed", is_flag=True, help="Only records in commits that git can verify.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="How long a record may run; else 20 times as long as recorded, 60 if not measured.",
)
def on(dataset: Path, signed: bool, minutes: float | None) -> None:
    """Switch it on in this clone, and list the commands that may run."""
    turn_on(dataset, signed=signed, minutes=minutes)


def turn_on(dataset: Path, *, signed: bool = False, minutes: float | None = None) -> None:
    """Switch recompute on in a clone, and say what may run and how."""
    root = Path(git(dataset, "rev-parse", "--show-toplevel").strip())
    history = History(root)
    launcher = ROOT / PROFILE.launcher
    program = PROFILE.launcher if root == ROOT else str(launcher)
    trust.turn_on(root, trust.Trust(signed, minutes), program=program)
    rows = [(commit.id[:8], _shown(commit.record.cmd)) for commit in history.records]
    say(f"recompute is on in {root}: to get content, git-annex may run these {len(rows)} commands")
    print_columns(rows)
    say(_walls())


def _shown(command: str) -> str:
    line = inline(command)
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"


def _walls() -> str:
    try:
        check_sandbox()
    except StudyError as error:
        return f"they run with your rights and the network: {error} ({error.hint})"
    return "they run without network, with an empty home folder, and write to their workspace only"


@recompute.command()
@dataset_option
def off(dataset: Path) -> None:
    """Switch it off in this clone. What came back stays; `drop` no longer counts on the remote."""
    root = Path(git(dataset, "rev-parse", "--show-toplevel").strip())
    trust.turn_off(root)
    say(f"recompute is off in {root}")


@recompute.command(hidden=True)
def remote() -> None:
    """Be the remote: `git-annex-remote-rerun` calls this."""
    from cordstudy.provenance.remaking.remote import serve  # annexremote

    serve(profile_of, recompute_machine)
