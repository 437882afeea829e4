"""Whether this clone is set up, and is one at all.

Owns: the note for a clone that is not set up, the refusal of a folder without history.
Does not own: setting it up (`setup`).
"""

from __future__ import annotations

import sys

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT, typed
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import is_annex

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
    if command is None or command in NOT_NOTED or is_annex(ROOT):
        return
    say(typed(NOTE, study), err=True)
