"""Whether this clone is set up, and is one at all.

Owns: the notes for a clone that is not set up and for one in which nobody commits, the refusal of a
folder without history.
Does not own: setting it up (`setup`).
"""

from __future__ import annotations

import sys

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT, typed
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import git, git_ok, is_annex, settle_identity

NOTE = (
    "note: this clone is not set up, so that datalad get gets nothing, without saying so: "
    "code/study setup"
)
NOT_NOTED = ("setup", "recompute", "render", "job")
"""Commands that need no set-up clone."""


WITHOUT_HISTORY = ("segment", "render")
"""Commands that need no history: of a download too any release can be used."""


def asks_for_help() -> bool:
    """Whether the command line does."""
    return not {"-h", "--help"}.isdisjoint(sys.argv)


def check_has_history(command: str | None) -> None:
    """Raise StudyError where this is a folder of files, and the command needs their history."""
    if command in WITHOUT_HISTORY or (ROOT / ".git").exists():
        return
    raise StudyError(
        f"{ROOT} is no git repository: a download as a ZIP has the files and not their history",
        hint="git clone URL, and work there; segment works here too, with a release",
    )


def note_if_not_set_up(command: str | None, study: str) -> None:
    """Say on standard error that this clone is not set up, where it is not."""
    if command is None or command in NOT_NOTED:
        return
    if (ROOT / ".git").exists() and not is_annex(ROOT):
        say(typed(NOTE, study), err=True)


def settle_who_commits() -> None:
    """Have git know who commits here; say so where nobody has told it."""
    if not git_ok(ROOT, "config", "user.email"):
        settle_identity(ROOT)
        who = " ".join(git(ROOT, "config", key).strip() for key in ("user.name", "user.email"))
        say(
            f"note: git was not told who you are, so that commits here are by {who}: "
            "git config user.name NAME; git config user.email ADDRESS",
            err=True,
        )
