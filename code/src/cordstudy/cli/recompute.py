"""`recompute`: content that nobody has, by running its record again, on `datalad get`.

Owns: its options and lines, and the program that git-annex starts.
Does not own: what is allowed (`provenance.remaking.trust`), or the remote (`remaking.remote`).
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.groups import Group
from cordstudy.cli.here import PROFILE, ROOT, launcher_here, profile_of, recompute_machine
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.calling.sandbox import check_sandbox
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.index import History
from cordstudy.provenance.remaking import trust

WIDEST = 100
"""Of a command that is shown, so many characters."""
FEW = 20
"""So many records are told of one by one."""

dataset_option = click.option(
    "--dataset",
    default=ROOT,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another DataLad dataset than this study.",
)


@click.group(cls=Group)
def recompute() -> None:
    """Have `datalad get` run records again for content that nobody has.

    The store of the git-annex remote `rerun` is the history: it runs the record that made a file,
    at the record's own commit, its inputs first, and hands over what comes out; git-annex checks
    the checksum. It is off until you switch it on in a clone, as it runs commands of the history:
    without network, home folder or access to your files where bubblewrap is there.

    \b
    Examples:
      code/study recompute on
      code/study recompute list
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
    """Switch it on in this clone, and say which commands may run, and how.

    More than a few are told of by kind; `code/study recompute list` shows each.

    \b
    Example:
      code/study recompute on --minutes 30
    """
    turn_on(dataset, signed=signed, minutes=minutes)


def turn_on(dataset: Path, *, signed: bool = False, minutes: float | None = None) -> None:
    """Switch recompute on in a clone, and say what may run and how."""
    root = dataset_root(dataset)
    history = History(root)
    launcher = ROOT / PROFILE.launcher
    program = PROFILE.launcher if root == ROOT else str(launcher)
    trust.turn_on(root, trust.Trust(signed, minutes), program=program)
    records = list(history.records)
    say(
        f"recompute is on in {root}: to get content, git-annex may run the commands of "
        f"{len(records)} records"
    )
    other = "" if root == ROOT else f" --dataset {shlex.quote(str(root))}"
    if len(records) > FEW:
        kinds = _by_kind([commit.record.cmd for commit in records])
        print_columns(kinds, header=("records", "command"), right={0})
        say(f"each of them: {launcher_here()} recompute list{other}")
    else:
        _print_records(records)
    say(_walls())
    say(f"to switch it off: {launcher_here()} recompute off{other}")


def _print_records(records: Sequence[RecordedCommit]) -> None:
    rows = [(one.id[:8], one.date[:10], _shown(one.record.cmd)) for one in records]
    print_columns(rows, header=("record", "date", "command"))


def _by_kind(commands: Sequence[str]) -> list[tuple[str, str]]:
    """How many commands there are of each kind: the program, and the step where it is ours."""
    kinds = Counter(_kind(command) for command in commands)
    return [(str(count), f"{inline(kind)} …") for kind, count in kinds.most_common()]


def _kind(command: str) -> str:
    words = command.split(maxsplit=2)[:2]
    return " ".join(words if words[:1] == [PROFILE.launcher] else words[:1])


@recompute.command("list")
@dataset_option
def list_commands(dataset: Path) -> None:
    """List every command that may run where recompute is on: record, date, command.

    \b
    Example:
      code/study recompute list
    """
    _print_records(list(History(dataset_root(dataset)).records))


def dataset_root(dataset: Path) -> Path:
    """The root of the dataset that a folder is in. Raises StudyError where there is none."""
    try:
        return Path(git(dataset, "rev-parse", "--show-toplevel").strip())
    except StudyError as error:
        raise StudyError(f"{dataset} is in no git repository", hint="name a dataset") from error


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
    """Switch it off in this clone. What came back stays; `drop` no longer counts on the remote.

    \b
    Example:
      code/study recompute off
    """
    root = dataset_root(dataset)
    trust.turn_off(root)
    say(f"recompute is off in {root}")


@recompute.command(hidden=True)
def remote() -> None:
    """Be the remote: `git-annex-remote-rerun` calls this."""
    from cordstudy.provenance.remaking.remote import serve  # annexremote

    serve(profile_of, recompute_machine)
