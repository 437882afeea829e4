"""What a user of a clone allows: whether records may be run again on get, and which.

Owns: the settings in a clone's own git configuration, switching the remote on and off.
Does not own: the remote (`remote`), or running anything.

A clone never has it on by itself: git does not clone configuration, and the remote is of a type
that git-annex would have to be told to enable, whose program asks these settings first.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import annex, git, git_ok, is_annex
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import dataset_id
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.remaking.came_back import REMOTE, noted, register

PROGRAM = f"{NAME}.recompute"
"""The setting that holds the program which the remote is: a path, a relative one from the tree's
root. `git-annex-remote-rerun`, which git-annex starts, reads it."""
SIGNED, MINUTES = f"{NAME}.recomputesigned", f"{NAME}.recomputeminutes"
SHIM = "git-annex-remote-rerun"


@dataclass(frozen=True)
class Trust:
    """What may run."""

    signed: bool = False
    """Only records whose commits are signed by somebody whom git trusts."""
    minutes: float | None = None
    """How long each may take; None: what follows from its record."""


def turn_on(dataset: Path, trust: Trust, *, program: str) -> None:
    """Switch recompute on get on in a clone. Raises StudyError where that cannot work."""
    if not is_annex(dataset):
        raise StudyError(
            f"{dataset} is no git-annex repository yet: there is nothing to get",
            hint="code/study setup (of another dataset: git annex init)",
        )
    if not shutil.which(SHIM):
        raise StudyError(f"{SHIM} is not on the PATH", hint="make -C code env makes it")
    _check_name_is_free(dataset)
    git(dataset, "config", PROGRAM, program)  # which the remote asks for as it is enabled
    git(dataset, "config", SIGNED, str(trust.signed).lower())
    if trust.minutes is None:
        git_ok(dataset, "config", "--unset", MINUTES)
    else:
        git(dataset, "config", MINUTES, f"{trust.minutes:g}")
    _enable(dataset)
    register(dataset, noted(dataset))


def _check_name_is_free(dataset: Path) -> None:
    """Raise StudyError where another remote has the name."""
    is_taken = REMOTE in git(dataset, "remote").split()
    if is_taken and _setting(dataset, f"remote.{REMOTE}.annex-externaltype") != REMOTE:
        raise StudyError(
            f"{dataset} has another remote that is called {REMOTE}",
            hint=f"git annex renameremote {REMOTE} OTHER, or git remote rename",
        )


def _enable(dataset: Path) -> None:
    """Have git-annex know the remote, in this clone only."""
    if git_ok(dataset, "config", f"remote.{REMOTE}.annex-uuid"):
        git(dataset, "config", f"remote.{REMOTE}.annex-ignore", "false")
        return
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{NAME}/rerun/{dataset_id(dataset)}")
    values = ("type=external", "externaltype=rerun", "encryption=none")
    annex(dataset, "initremote", "-q", REMOTE, "--private", f"uuid={name}", *values)
    for key in ("annex-speculate-present", "annex-readonly"):
        git(dataset, "config", f"remote.{REMOTE}.{key}", "true")
    # by itself DataLad asks three times: each would run a record that fails
    git(dataset, "config", "datalad.annex.retry", "0")


def turn_off(dataset: Path) -> None:
    """Switch it off: nothing runs, and git-annex counts on nothing that came back."""
    for key in (PROGRAM, SIGNED, MINUTES):
        git_ok(dataset, "config", "--unset", key)
    if git_ok(dataset, "config", f"remote.{REMOTE}.annex-uuid"):
        git(dataset, "config", f"remote.{REMOTE}.annex-ignore", "true")


def trust_in(dataset: Path) -> Trust | None:
    """What is allowed in a clone; None where it is off."""
    if not git_ok(dataset, "config", "--local", PROGRAM):
        return None
    minutes = _setting(dataset, MINUTES)
    try:
        allowed = float(minutes) if minutes else None
    except ValueError as error:
        raise StudyError(f"{MINUTES} is {minutes!r} in the git configuration") from error
    return Trust(_setting(dataset, SIGNED) == "true", allowed)


def _setting(dataset: Path, key: str) -> str:
    return git(dataset, "config", "--local", "--default", "", "--get", key).strip()


def is_trusted(dataset: Path, commit: RecordedCommit, trust: Trust) -> bool:
    """Whether a record may run."""
    return not trust.signed or git_ok(dataset, "verify-commit", commit.id)
