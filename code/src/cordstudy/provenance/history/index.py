"""The index of a history: who made each file, from what, and what has changed since.

Owns: the questions that can be asked of a history.
Does not own: reading commits and trees (`commits`, `gitlog`), the walk through them (`walk`), the
text of records (`records`), verdicts on them (`gate`, `status`), or content: annex keys come from
links and pointers, which are git objects.

At the end of the walk the tree must be the one that git has: no text of the history's can have
hidden a change.

What two entries hold is the same where their `identity` is: a key, or an object; no mode.
"""

from __future__ import annotations

import gc
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import read_git, tree_entries
from cordstudy.provenance.history.code import Sources
from cordstudy.provenance.history.commits import (
    Commit,
    Input,
    RecordedCommit,
    inputs_of,
    read_commits,
)
from cordstudy.provenance.history.gitlog import Entry, Tree, commit_id, dataset_id, read_tree
from cordstudy.provenance.history.paths import matches
from cordstudy.provenance.history.walk import Walk


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
        self._inputs: dict[str, Sequence[Input]] = {}
        self._matching: dict[str, list[str]] = {}
        self._subtrees: dict[tuple[str, str], Tree | None] = {}
        self._sources: dict[str, Sources] = {}

    def _read(self) -> None:
        self.commits = read_commits(self.repo, self.id)
        """Newest first: a commit stands before its parents."""
        self.by_id = {commit.id: commit for commit in self.commits}
        self.recorded = {
            commit.id: commit for commit in self.commits if isinstance(commit, RecordedCommit)
        }
        """The commits with a record, newest first, by their ids."""
        self._walk = Walk(self.commits, self.id)
        self.tree = self._walk.tree
        """Every path of the commit, sorted, with its entry."""
        self.outputs = self._walk.outputs
        """The files that each record's declared outputs stood for when it had run, by its
        commit."""
        self.unmet = self._walk.unmet
        """The declared outputs of each record that stood for nothing, by its commit."""
        self._check_tree()

    def _check_tree(self) -> None:
        """Raise StudyError unless the walk arrived at what git has."""
        real = tree_entries(self.repo, self.id)
        ours = {path: (entry.mode, entry.object) for path, entry in self.tree.items()}
        if real == ours:
            return
        for path in sorted({*real, *ours}):
            if real.get(path) != ours.get(path):
                raise StudyError(
                    f"{path}: the history does not lead to what {self.id[:8]} holds",
                    hint="git fsck",
                )

    @property
    def records(self) -> Iterator[RecordedCommit]:
        """The commits with a record, newest first."""
        return iter(self.recorded.values())

    @cached_property
    def live(self) -> list[RecordedCommit]:
        """The records that made what is there now, or are the newest that declare their outputs;
        oldest first."""
        wanted = set(_newest_with_outputs(self.records))
        for path in self.tree:
            producer = self.producer(path)
            if producer:
                wanted.add(producer.id)
        oldest_first = reversed(self.recorded.values())
        return [c for c in oldest_first if c.id in wanted and c.record.outputs]

    def inputs(self, commit: RecordedCommit) -> Sequence[Input]:
        """What a record read."""
        if commit.id not in self._inputs:
            tree = self._walk.tree_before(commit)
            self._inputs[commit.id] = tuple(inputs_of(commit.record, tree))
        return self._inputs[commit.id]

    def producer(
        self, path: str, entry: Entry | None = None, *, before: str | None = None
    ) -> RecordedCommit | None:
        """The newest record that gave a path an entry (that it has now) as a declared output; with
        `before`, of those that ran earlier."""
        identity = (entry or self.tree[path]).identity
        ages = self._walk.claims.get((path, identity), [])
        n = len(ages) if before is None else bisect_left(ages, self._walk.ages[before])
        return self._record_aged(ages[n - 1]) if n else None

    def makers(self, entry: Entry) -> Sequence[tuple[RecordedCommit, str]]:
        """The records that made what an entry holds, and under which path, oldest first."""
        return self._makers.get(entry.identity, ())

    @cached_property
    def _makers(self) -> dict[str, list[tuple[RecordedCommit, str]]]:
        by_identity: dict[str, list[tuple[int, str]]] = {}
        for (path, identity), ages in self._walk.claims.items():
            by_identity.setdefault(identity, []).extend((age, path) for age in ages)
        makers = {}
        for identity, claims in by_identity.items():
            claims.sort(key=lambda claim: claim[0])
            makers[identity] = [(self._record_aged(age), path) for age, path in claims]
        return makers

    def last_writer(self, path: str) -> RecordedCommit | None:
        """The newest record that had a path among its outputs, whatever it held."""
        age = self._walk.last_claims.get(path)
        return None if age is None else self._record_aged(age)

    def introduced_by(self, path: str, entry: Entry) -> Commit:
        """The newest commit, with a record or without, that gave a path what an entry holds (that
        the path has in some commit)."""
        return self._aged(self._walk.introductions[path, entry.identity])

    def _aged(self, age: int) -> Commit:
        return self.commits[len(self.commits) - 1 - age]

    def _record_aged(self, age: int) -> RecordedCommit:
        return self.recorded[self._aged(age).id]

    def entry_before(self, commit: str, path: str) -> Entry | None:
        """What a path held in a commit's first parent."""
        return self._walk.entry_at(path, self._walk.steps[commit] - 1)

    def entry_after(self, commit: str, path: str) -> Entry | None:
        """What a path held in a commit."""
        return self._walk.entry_at(path, self._walk.steps[commit])

    def stands(self, commit: str, path: str) -> bool:
        """Whether one of a record's outputs holds what it held when the record had run."""
        now, then = self.tree.get(path), self.entry_after(commit, path)
        return now is not None and then is not None and now.identity == then.identity

    @property
    def paths(self) -> Iterable[str]:
        """Every path that any commit held."""
        return self._walk.lines.keys()

    def matching(self, spec: str) -> list[str]:
        """The paths that a declared path stands for now."""
        if spec not in self._matching:
            self._matching[spec] = matches(self.tree, spec)
        return self._matching[spec]

    def subtree(self, link: str, commit: str) -> Tree | None:
        """The tree of an installed subdataset at a commit; None where that is not here."""
        if (link, commit) not in self._subtrees:
            self._subtrees[link, commit] = _tree_of(self.repo / link, commit)
        return self._subtrees[link, commit]

    def sources(self, link: str = "") -> Sources:
        """The files of code in git, here or in an installed subdataset."""
        if link not in self._sources:
            self._sources[link] = Sources(self.repo / link)
        return self._sources[link]

    def blob(self, entry: Entry) -> bytes:
        """The content of a file in git."""
        return read_git(self.repo, "cat-file", "blob", entry.object)

    @cached_property
    def dataset_id(self) -> str:
        """What the commit's dataset is called; empty for a repository that is no dataset."""
        return dataset_id(self.repo, self.id)


def _newest_with_outputs(newest_first: Iterable[RecordedCommit]) -> Iterator[str]:
    """The records but for those whose outputs a newer one declares too, all of them: a step may
    have come to write more."""
    declaring: dict[str, set[str]] = {}
    for commit in newest_first:
        outputs = commit.record.from_root(commit.record.outputs)
        newer = [declaring.get(spec, set()) for spec in outputs]
        if not newer or not set.intersection(*newer):
            yield commit.id
            for spec in outputs:
                declaring.setdefault(spec, set()).add(commit.id)


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


def _tree_of(repo: Path, commit: str) -> Tree | None:
    if not (repo / ".git").exists():  # git would ask the dataset around it
        return None
    try:
        return read_tree(repo, commit)
    except (StudyError, OSError):
        return None
