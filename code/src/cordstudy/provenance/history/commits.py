"""The commits of a history with what they say and what they changed.

Owns: a commit, one that has a record, and an input of a record; reading all of a history.
Does not own: git's objects (`gitlog`), the text of records (`records`), or what follows (`index`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cordstudy.provenance.calling.gitannex import GITLINK
from cordstudy.provenance.history.gitlog import Entry, RawCommit, changes, raw_commits
from cordstudy.provenance.history.paths import SortedPaths, matches
from cordstudy.provenance.history.records import TAG, RunRecord, record_of

Changes = Mapping[str, Entry | None]
"""Entries by path; None: removed."""


@dataclass(frozen=True, eq=False)
class Commit:
    """One commit, with the entries that it changed. `malformed` says why it has no record
    although its message says so."""

    id: str
    parents: tuple[str, ...]
    author: str
    date: str
    subject: str
    record: RunRecord | None
    malformed: str
    changes: Changes

    @property
    def first_parent(self) -> str:
        """The commit that it was made on; empty for none."""
        return self.parents[0] if self.parents else ""


@dataclass(frozen=True, eq=False)
class RecordedCommit(Commit):
    """A commit that has a record."""

    record: RunRecord


@dataclass(frozen=True)
class Input:
    """What one declared input of a record was when it ran; `entry` is None where nothing was
    there."""

    spec: str
    path: str
    entry: Entry | None


@dataclass(frozen=True)
class InputBelow(Input):
    """An input in a subdataset: `path` and `entry` are the subdataset's, `below` is the declared
    path in it (`.` for all of it)."""

    entry: Entry
    below: str


def read_commits(repo: Path, last: str) -> list[Commit]:
    """All commits that lead to one, newest first: each stands before its parents."""
    raw = raw_commits(repo, last)
    changed = changes(repo, raw)
    return [_read(commit, change, repo) for commit, change in zip(raw, changed, strict=True)]


def _read(commit: RawCommit, changed: Changes, repo: Path) -> Commit:
    record, malformed = record_of(commit, repo)
    subject = commit.message.partition("\n")[0].removeprefix(f"{TAG} ")
    values = (commit.id, commit.parents, commit.author, commit.date, subject)
    if record is None:
        return Commit(*values, record, malformed, changed)
    return RecordedCommit(*values, record, malformed, changed)


class Entries(SortedPaths, Protocol):
    """A sorted tree that can be asked what a path holds."""

    def get(self, path: str, /) -> Entry | None: ...


def inputs_of(record: RunRecord, tree: Entries) -> Iterator[Input]:
    """What a record's inputs were in the tree that it ran in."""
    for spec in record.from_root((*record.inputs, *record.extra_inputs)):
        paths = matches(tree, spec)
        if not paths:
            yield _unmatched(spec, tree)
        for path in paths:
            entry = tree.get(path)
            if entry and entry.mode == GITLINK:
                yield InputBelow(spec, path, entry, ".")
            else:
                yield Input(spec, path, entry)


def _unmatched(spec: str, tree: Entries) -> Input:
    """An input that stands for nothing in the tree itself, but perhaps in a subdataset."""
    names = spec.split("/")
    for n in range(1, len(names)):
        folder = "/".join(names[:n])
        entry = tree.get(folder)
        if entry and entry.mode == GITLINK:
            return InputBelow(spec, folder, entry, "/".join(names[n:]))
    return Input(spec, spec, None)
