"""Content in a folder that any static web server serves, beside a branch that is elsewhere.

Owns: the folder, a bare annex that holds content and a git-annex branch about it, and no history.
Does not own: bringing it to a server (a person copies it), or the branch (`host`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import annex, git, git_ok, settle_identity
from cordstudy.provenance.publishing.going import Going
from cordstudy.provenance.publishing.outbox import HOME, know_study, take_in

DESCRIPTION = "published content"
MARK = "cordstudy.published"
"""The setting by which a folder is known as one that was made here."""


def publish(dataset: Path, folder: Path, files: Sequence[Going]) -> None:
    """Have a folder hold the content of files, as git-annex reads it over http. May be repeated:
    what is there stays.

    Raises StudyError for a folder that holds something else.
    """
    _make(folder, like=dataset)
    know_study(folder, dataset)
    try:
        take_in(folder, files)
    finally:
        git(folder, "remote", "remove", HOME)
    annex(folder, "merge", "-q")  # writes the journal to the branch
    git(folder, "gc", "-q", "--prune=now")  # one file of objects in place of many
    git(folder, "update-server-info")


def _make(folder: Path, *, like: Path) -> None:
    """Make the folder an annex of its own."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not folder.is_dir() or not git_ok(folder, "config", "--local", MARK):
            raise StudyError(f"{folder} holds something else", hint="name a new folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "--bare")
    settle_identity(folder, like=like)
    git(folder, "config", "annex.hardlink", "false")
    annex(folder, "init", "-q", DESCRIPTION)
    git(folder, "config", MARK, "true")
