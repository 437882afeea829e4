"""The index of a history: who made each file, from what, and what has changed since.

Owns: walking a history once, and the questions that can be asked of it.
Does not own: reading commits and trees (`gitlog`), the text of records (`records`), verdicts on them
(`gate`, `status`), or content: annex keys come from links and pointers, which are git objects.

The walk goes through every commit from the oldest on and holds the tree of each; between branches it
takes changes back rather than copy trees. Merges are read against their first parent, so that a
`datalad run` whose command commits (a run commit with two parents) is one record like others. At the
end the tree must be the one that git has: no text of the history's can have hidden a change.

What two entries hold is the same where their `identity` is: a key, or an object; no mode.
"""

from __future__ import annotations

import gc
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sortedcontainers import SortedDict

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import (
    GITLINK,
    Entry,
    RawCommit,
    changes,
    commit_id,
    listed_tree,
    raw_commits,
    read_tree,
)
from cordstudy.provenance.history.paths import matches
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


@dataclass(frozen=True, eq=False)
class RecordedCommit(Commit):
    """A commit that has a record."""

    record: RunRecord


@dataclass(frozen=True)
class Input:
    """What one declared input of a record was when it ran; `entry` is None where nothing was there."""

    spec: str
    path: str
    entry: Entry | None


@dataclass(frozen=True)
class InputBelow(Input):
    """An input in a subdataset: `path` and `entry` are the subdataset's, `below` is the declared
    path in it (`.` for all of it)."""

    entry: Entry
    below: str


class History:
    """The index of the history of one commit. Raises StudyError for a shallow clone, and where
    there is no commit."""

    def __init__(self, repo: Path, commit: str = "HEAD") -> None:
        self.repo = repo
        self.id = commit_id(repo, commit)
        if read_git(repo, "rev-parse", "--is-shallow-repository").strip() == b"true":
            raise StudyError(
                f"{repo} is a shallow clone: the history that would tell is not there",
                hint="git fetch --unshallow",
            )
        with _no_garbage_collection():
            self._read()

    def _read(self) -> None:
        raw = raw_commits(self.repo, self.id)
        told = zip(raw, changes(self.repo, raw), strict=True)
        self.commits = [_told(one, what, self.repo) for one, what in told]
        """Newest first: a commit stands before its parents."""
        self.by_id = {one.id: one for one in self.commits}
        self.recorded = {one.id: one for one in self.commits if isinstance(one, RecordedCommit)}
        """The commits with a record, newest first, by their ids."""
        self.inputs: dict[str, tuple[Input, ...]] = {}
        """What each record read, by its commit."""
        self.outputs: dict[str, tuple[str, ...]] = {}
        """The files that each record's declared outputs stood for when it had run, by its commit."""
        self.unmet: dict[str, tuple[str, ...]] = {}
        """The declared outputs of each record that stood for nothing, by its commit."""
        self._age = {one.id: n for n, one in enumerate(reversed(self.commits))}
        self._claims: dict[tuple[str, str], list[int]] = {}
        self._latest: dict[str, int] = {}
        self._origins: dict[tuple[str, str], int] = {}
        self._lines: dict[str, tuple[list[int], list[Entry | None]]] = {}
        self._steps: dict[str, int] = {}
        self._now: dict[str, list[str]] = {}
        self._subtrees: dict[tuple[str, str], SortedDict | None] = {}
        self.tree = self._walk()
        """Every path of the commit, sorted, with its entry."""
        self._check_tree()

    def _walk(self) -> SortedDict:
        """Go through all commits, each after its first parent and those of the commit's own line last;
        the tree of the commit."""
        after, tree, step = self._following(), SortedDict(), 0
        todo: list[tuple[Commit, Changes | None]] = [(one, None) for one in after[""]]
        while todo:
            step += 1
            commit, undoing = todo.pop()
            if undoing is not None:
                self._apply(tree, undoing, step)
                continue
            self._steps[commit.id] = step
            before = {path: tree.get(path) for path in commit.changes}
            if isinstance(commit, RecordedCommit):
                self.inputs[commit.id] = tuple(_inputs(commit.record, tree))
            self._apply(tree, commit.changes, step)
            self._note_origins(commit, before)
            if isinstance(commit, RecordedCommit):
                self._claim(commit, tree)
            if commit.id == self.id:
                break
            todo.append((commit, before))
            todo += [(one, None) for one in after.get(commit.id, ())]
        return tree

    def _following(self) -> dict[str, list[Commit]]:
        """The commits whose first parent is each; one of the commit's own line stands first."""
        line, at = set(), self.id
        while at:
            line.add(at)
            at = next(iter(self.by_id[at].parents), "")
        found: dict[str, list[Commit]] = {"": []}
        for commit in self.commits:
            found.setdefault(next(iter(commit.parents), ""), []).append(commit)
        return {
            parent: sorted(some, key=lambda one: one.id not in line)
            for parent, some in found.items()
        }

    def _apply(self, tree: SortedDict, what: Changes, step: int) -> None:
        for path, entry in what.items():
            if entry is None:
                tree.pop(path, None)
            else:
                tree[path] = entry
            steps, entries = self._lines.setdefault(path, ([], []))
            steps.append(step)
            entries.append(entry)

    def _note_origins(self, commit: Commit, before: Changes) -> None:
        age = self._age[commit.id]
        for path, entry in commit.changes.items():
            if entry and (before[path] is None or before[path].identity != entry.identity):
                held = (path, entry.identity)
                self._origins[held] = max(age, self._origins.get(held, 0))

    def _claim(self, commit: RecordedCommit, tree: SortedDict) -> None:
        stood = {
            spec: matches(tree, spec) for spec in commit.record.from_root(commit.record.outputs)
        }
        found = tuple(dict.fromkeys(path for paths in stood.values() for path in paths))
        self.outputs[commit.id] = found
        self.unmet[commit.id] = tuple(spec for spec, paths in stood.items() if not paths)
        age = self._age[commit.id]
        for path in found:
            insort(self._claims.setdefault((path, tree[path].identity), []), age)
            self._latest[path] = max(age, self._latest.get(path, 0))

    def _check_tree(self) -> None:
        """Raise StudyError unless the walk arrived at what git has."""
        real = listed_tree(self.repo, self.id)
        ours = {path: (entry.mode, entry.object) for path, entry in self.tree.items()}
        if real != ours:
            path = next(path for path in sorted({*real, *ours}) if real.get(path) != ours.get(path))
            raise StudyError(
                f"{path}: the history does not lead to what {self.id[:8]} holds", hint="git fsck"
            )

    @property
    def records(self) -> Iterator[RecordedCommit]:
        """The commits with a record, newest first."""
        return iter(self.recorded.values())

    def entry_before(self, commit: str, path: str) -> Entry | None:
        """What a path held in a commit's first parent."""
        return self._at(path, self._steps[commit] - 1)

    def entry_after(self, commit: str, path: str) -> Entry | None:
        """What a path held in a commit."""
        return self._at(path, self._steps[commit])

    def _at(self, path: str, step: int) -> Entry | None:
        steps, entries = self._lines.get(path, ((), ()))
        n = bisect_right(steps, step)
        return entries[n - 1] if n else None

    @cached_property
    def live(self) -> list[RecordedCommit]:
        """The records that made what is there now, or are the newest with their outputs; oldest first."""
        newest: dict[tuple[str, ...], str] = {}
        for commit in self.records:
            newest.setdefault(commit.record.from_root(commit.record.outputs), commit.id)
        making = {
            one.id for path, entry in self.tree.items() if (one := self.producer(path, entry))
        }
        wanted = making | set(newest.values())
        return [
            commit
            for commit in reversed(self.recorded.values())
            if commit.id in wanted and commit.record.outputs
        ]

    @property
    def paths(self) -> Iterable[str]:
        """Every path that any commit held."""
        return self._lines.keys()

    def introduced_by(self, path: str, entry: Entry) -> Commit:
        """The newest commit, with a record or without, that gave a path what an entry holds (that
        the path has in some commit)."""
        return self._aged(self._origins[path, entry.identity])

    def _aged(self, age: int) -> Commit:
        return self.commits[len(self.commits) - 1 - age]

    def _record_aged(self, age: int) -> RecordedCommit:
        return self.recorded[self._aged(age).id]

    def last_writer(self, path: str) -> RecordedCommit | None:
        """The newest record that had a path among its outputs, whatever it held."""
        age = self._latest.get(path)
        return None if age is None else self._record_aged(age)

    def stands(self, commit: str, path: str) -> bool:
        """Whether one of a record's outputs holds what it held when the record had run."""
        now, then = self.tree.get(path), self.entry_after(commit, path)
        return now is not None and then is not None and now.identity == then.identity

    def producer(
        self, path: str, entry: Entry | None = None, *, before: str | None = None
    ) -> RecordedCommit | None:
        """The newest record that gave a path an entry (that it has now) as a declared output; with
        `before`, of those that ran earlier."""
        ages = self._claims.get((path, (entry or self.tree[path]).identity), [])
        n = len(ages) if before is None else bisect_left(ages, self._age[before])
        return self._record_aged(ages[n - 1]) if n else None

    def makers(self, entry: Entry) -> Sequence[tuple[RecordedCommit, str]]:
        """The records that made what an entry holds, and under which path, oldest first."""
        return self._makers.get(entry.identity, ())

    @cached_property
    def _makers(self) -> dict[str, list[tuple[RecordedCommit, str]]]:
        found: dict[str, list[tuple[RecordedCommit, str]]] = {}
        for (path, identity), ages in self._claims.items():
            found.setdefault(identity, []).extend((self._record_aged(age), path) for age in ages)
        return {
            identity: sorted(some, key=lambda one: self._age[one[0].id])
            for identity, some in found.items()
        }

    def matching(self, spec: str) -> list[str]:
        """The paths that a declared path stands for now."""
        if spec not in self._now:
            self._now[spec] = matches(self.tree, spec)
        return self._now[spec]

    def subtree(self, link: str, commit: str) -> SortedDict | None:
        """The tree of an installed subdataset at a commit; None where that is not here."""
        if (link, commit) not in self._subtrees:
            self._subtrees[link, commit] = _tree_of(self.repo / link, commit)
        return self._subtrees[link, commit]

    def blob(self, entry: Entry) -> bytes:
        """The content of a file in git."""
        return read_git(self.repo, "cat-file", "blob", entry.object)

    @cached_property
    def dataset_id(self) -> str:
        """What the commit's dataset is called; empty for a repository that is no dataset."""
        place = f"{self.id}:.datalad/config"
        try:
            told = read_git(
                self.repo, "config", "--no-includes", "--blob", place, "datalad.dataset.id"
            )
        except StudyError:
            return ""
        return told.decode(errors="surrogateescape").strip()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Hold Python from looking, again and again, through all that is being read, and after through
    what was read: none of it is garbage."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.freeze()
            gc.enable()


def _told(one: RawCommit, what: Changes, repo: Path) -> Commit:
    record, malformed = record_of(one, repo)
    subject = one.message.partition("\n")[0].removeprefix(f"{TAG} ")
    told = (one.id, one.parents, one.author, one.date, subject)
    if record is None:
        return Commit(*told, record, malformed, what)
    return RecordedCommit(*told, record, malformed, what)


def _tree_of(repo: Path, commit: str) -> SortedDict | None:
    if not (repo / ".git").exists():  # git would ask the dataset around it
        return None
    try:
        return read_tree(repo, commit)
    except (StudyError, OSError):
        return None


def _inputs(record: RunRecord, tree: SortedDict) -> Iterator[Input]:
    """What a record's inputs were in the tree that it ran in."""
    for spec in record.from_root((*record.inputs, *record.extra_inputs)):
        found = matches(tree, spec)
        link = None if found else _link_above(spec, tree)
        if link:
            yield InputBelow(spec, link, tree[link], spec[len(link) + 1 :])
        elif not found:
            yield Input(spec, spec, None)
        for path in found:
            entry = tree[path]
            if entry.mode == GITLINK:
                yield InputBelow(spec, path, entry, ".")
            else:
                yield Input(spec, path, entry)


def _link_above(spec: str, tree: SortedDict) -> str | None:
    """The subdataset that a path lies in."""
    parts = spec.split("/")
    folders = ("/".join(parts[:n]) for n in range(1, len(parts)))
    return next(
        (path for path in folders if (entry := tree.get(path)) and entry.mode == GITLINK), None
    )
