"""Waiting for a store that cannot be reached for a while.

Owns: telling that from other trouble, and trying again.
Does not own: what is done with the store; it is done again from its beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import git_ok

T = TypeVar("T")
LONGEST_S = 1800.0
"""How long a store may be out of reach: a job that waits keeps its node."""
FIRST_S, MOST_S = 1.0, 30.0
"""Between two looks, growing twofold."""


def reachable(store: Path) -> bool:
    """Whether a store is there."""
    try:
        return git_ok(store, "rev-parse", "-q", "--verify", "HEAD")
    except OSError:
        return False


def patiently(store: Path, do: Callable[[], T], *, say: Callable[[str], None]) -> T:
    """Do something with a store, again where that failed because it was out of reach.

    Raises what was raised where it failed for another reason, or the store stays away.
    """
    while True:
        try:
            return do()
        except (StudyError, OSError):
            if reachable(store) or not _came_back(store, say):
                raise


def _came_back(store: Path, say: Callable[[str], None]) -> bool:
    """Wait for a store; whether it came back in time."""
    say(f"{store} is out of reach; waiting")
    until, pause_s = time.monotonic() + LONGEST_S, FIRST_S
    while time.monotonic() < until:
        time.sleep(pause_s)
        pause_s = min(MOST_S, 2 * pause_s)
        if reachable(store):
            say(f"{store} is there again")
            return True
    return False
