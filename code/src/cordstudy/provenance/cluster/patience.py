"""Waiting for a store that cannot be reached, or is held, for a while.

Owns: telling that from other trouble, and trying again; locks that nobody holds any more.
Does not own: what is done with the store; it is done again from its beginning.
"""

from __future__ import annotations

import os
import re
import tempfile
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
HELD = re.compile(r"Unable to create '([^'\n]+\.lock)': File exists")
"""How git says that another process holds something, or was killed when it did."""
AWAY = "alternate object path: "
"""How git says that it finds no store of objects; its place follows."""
DEAD_S = 120.0
"""How old a lock of git's is that nobody holds any more: each is held for a moment."""


def reachable(store: Path) -> bool:
    """Whether a store is there: itself, and not a repository that its empty folder lies in."""
    try:
        return git_ok(store, f"--git-dir={store}", "rev-parse", "-q", "--verify", "HEAD")
    except OSError:
        return False


def patiently(store: Path, do: Callable[[], T], *, say: Callable[[str], None]) -> T:
    """Do something with a store, again where that failed because it was out of reach or held.

    Raises what was raised where it failed for another reason, or the store stays away.
    """
    until = time.monotonic() + LONGEST_S
    while True:
        try:
            return do()
        except (StudyError, OSError) as error:
            if not reachable(store):
                if not _came_back(store, say):
                    raise
            elif time.monotonic() > until or not (
                _was_away(store, str(error)) or _is_held(store, str(error), say)
            ):
                raise


def _was_away(store: Path, told: str) -> bool:
    """Whether a clone that borrows a store's objects did not find them: they are back already."""
    return f"{AWAY}{store}" in told


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


def _is_held(store: Path, told: str, say: Callable[[str], None]) -> bool:
    """Whether something failed because git held a part of a store; waits a moment where it did, and
    removes a lock whose owner must have been killed."""
    named = HELD.search(told)
    lock = Path(named[1]) if named else None
    if lock is None or store.resolve() not in lock.resolve().parents:
        return False
    try:
        age_s = _now(store) - lock.stat().st_mtime
    except OSError:  # it is free now
        return True
    if age_s > DEAD_S:
        say(f"{lock} was left by a process that was killed; removing it")
        lock.unlink(missing_ok=True)
    else:
        time.sleep(FIRST_S)
    return True


def _now(store: Path) -> float:
    """What time it is for the disk that the store is on, which may be another than here."""
    with tempfile.TemporaryFile(dir=store) as probe:
        return os.fstat(probe.fileno()).st_mtime
