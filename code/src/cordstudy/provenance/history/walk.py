"""One walk through a history: what every path held when, and who claimed it.

Owns: going through every commit from the oldest on with the tree of each, and what is noted there.
Does not own: the commits (`commits`), or the questions that are asked of it all (`index`).

Between branches it takes changes back rather than copy trees. Merges are read against their first
parent, so that a `datalad run` whose command commits (a run commit with two parents) is one record
like others.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from functools import cached_property

from sortedcontainers import SortedList

from cordstudy.provenance.history.commits import Changes, Commit, RecordedCommit
from cordstudy.provenance.history.gitlog import Entry, Tree
from cordstudy.provenance.history.paths import matches


class Walk:
    """What is known after walking through commits (newest first) to one of them, `last`.

    Commits are told of by their ages: 0 is the oldest.
    """

    def __init__(self, commits: Sequence[Commit], last: str) -> None:
        self.ages = {commit.id: age for age, commit in enumerate(reversed(commits))}
        self.tree = Tree()
        """Every path of the commit that was walked to."""
        self.outputs: dict[str, tuple[str, ...]] = {}
        """The files that each record's declared outputs stood for when it had run, by its
        commit."""
        self.unmet: dict[str, tuple[str, ...]] = {}
        """The declared outputs of each record that stood for nothing, by its commit."""
        self.claims: dict[tuple[str, str], list[int]] = {}
        """The records that had a path with an identity among their outputs, oldest first."""
        self.last_claims: dict[str, int] = {}
        """The newest record that had a path among its outputs."""
        self.introductions: dict[tuple[str, str], int] = {}
        """The newest commit that gave a path an identity."""
        self.steps: dict[str, int] = {}
        """When each commit was walked through."""
        self.lines: dict[str, tuple[list[int], list[Entry | None]]] = {}
        """What each path came to hold, and at which steps."""
        self._go(commits, last)

    @cached_property
    def paths(self) -> SortedList:
        """Every path that any commit held, sorted."""
        return SortedList(self.lines)

    def tree_before(self, commit: Commit) -> TreeAt:
        """The tree that a commit's changes are told against: that of its first parent."""
        return TreeAt(self, self.steps[commit.id] - 1)

    def entry_at(self, path: str, step: int) -> Entry | None:
        """What a path held after a step."""
        if path not in self.lines:
            return None
        steps, entries = self.lines[path]
        n = bisect_right(steps, step)
        return entries[n - 1] if n else None

    def _go(self, commits: Sequence[Commit], last: str) -> None:
        """Go through all commits, each after its first parent, and those that lead to the last one
        after all others of theirs."""
        children = _by_first_parent(commits, last)
        step = 0
        # commits to walk through, or, with what was there before them, to take back
        todo: list[tuple[Commit, Changes | None]] = [(commit, None) for commit in children[""]]
        while todo:
            step += 1
            commit, before = todo.pop()
            if before is not None:
                self._apply(before, step)
                continue
            before = {path: self.tree.get(path) for path in commit.changes}
            self._pass(commit, before, step)
            if commit.id == last:
                break
            todo.append((commit, before))
            for child in children.get(commit.id, ()):
                todo.append((child, None))

    def _pass(self, commit: Commit, before: Changes, step: int) -> None:
        """Walk through one commit."""
        self.steps[commit.id] = step
        self._apply(commit.changes, step)
        self._note_introductions(commit, before)
        if isinstance(commit, RecordedCommit):
            self._note_claims(commit)

    def _apply(self, changes: Changes, step: int) -> None:
        for path, entry in changes.items():
            if entry is None:
                self.tree.pop(path, None)
            else:
                self.tree[path] = entry
            steps, entries = self.lines.setdefault(path, ([], []))
            steps.append(step)
            entries.append(entry)

    def _note_introductions(self, commit: Commit, before: Changes) -> None:
        age = self.ages[commit.id]
        for path, entry in commit.changes.items():
            if entry is None:
                continue
            old = before[path]
            if old is None or old.identity != entry.identity:
                key = (path, entry.identity)
                self.introductions[key] = max(age, self.introductions.get(key, 0))

    def _note_claims(self, commit: RecordedCommit) -> None:
        unmet = []
        outputs: dict[str, None] = {}
        for spec in dict.fromkeys(commit.record.from_root(commit.record.outputs)):
            paths = matches(self.tree, spec)
            outputs |= dict.fromkeys(paths)
            if not paths:
                unmet.append(spec)
        self.outputs[commit.id] = tuple(outputs)
        self.unmet[commit.id] = tuple(unmet)
        age = self.ages[commit.id]
        for path in outputs:
            insort(self.claims.setdefault((path, self.tree[path].identity), []), age)
            self.last_claims[path] = max(age, self.last_claims.get(path, 0))


class TreeAt:
    """The tree after a step of a walk, looked up in what every path came to hold."""

    def __init__(self, walk: Walk, step: int) -> None:
        self._walk, self._step = walk, step

    def get(self, path: str) -> Entry | None:
        """What a path held."""
        return self._walk.entry_at(path, self._step)

    def __contains__(self, path: object, /) -> bool:
        return isinstance(path, str) and self.get(path) is not None

    def __iter__(self) -> Iterator[str]:
        return self.irange()

    def irange(
        self,
        minimum: str | None = None,
        maximum: str | None = None,
        inclusive: tuple[bool, bool] = (True, True),
    ) -> Iterator[str]:
        """The paths in a range, sorted."""
        return filter(self.__contains__, self._walk.paths.irange(minimum, maximum, inclusive))


def _by_first_parent(commits: Sequence[Commit], last: str) -> dict[str, list[Commit]]:
    """The commits whose first parent is each (empty: none); one that leads to the last commit
    stands first."""
    by_id = {commit.id: commit for commit in commits}
    line = set()
    at = last
    while at:
        line.add(at)
        at = by_id[at].first_parent
    children: dict[str, list[Commit]] = {"": []}
    for commit in commits:
        children.setdefault(commit.first_parent, []).append(commit)
    for siblings in children.values():
        siblings.sort(key=lambda commit: commit.id not in line)
    return children
