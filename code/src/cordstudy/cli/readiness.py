"""Whether this clone is set up.

Owns: the note for a clone that is not. Does not own: setting it up (`setup`).
"""

from __future__ import annotations

import sys

from cordstudy.cli.here import ROOT
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import is_annex

NOTE = (
    "note: this clone is not set up, so that datalad get gets nothing, without saying so: "
    "code/study setup"
)
NOT_NOTED = ("setup", "recompute", "render", "job")
"""Commands that need no set-up clone."""


def note_if_not_set_up(command: str | None) -> None:
    """Say on standard error that this clone is not set up, where it is not."""
    asks_for_help = not {"-h", "--help"}.isdisjoint(sys.argv)
    if command is None or command in NOT_NOTED or asks_for_help or is_annex(ROOT):
        return
    say(NOTE, err=True)
