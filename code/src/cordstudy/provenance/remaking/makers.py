"""Which records made what content, declared or not.

Owns: the records that gave a key, and the files that each record made and read.
Does not own: the history (`history.index`), or running a record again (`remake`).

Plain `datalad run` often declares nothing: what its commit changed counts as what it made. What
came out as it was is in no commit's changes: declared outputs count too. What a record read it only
passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cordstudy.provenance.calling.gitannex import GITLINK
from cordstudy.provenance.history.commits import Input, RecordedCommit
from cordstudy.provenance.history.gitlog import Entry, read_tree
from cordstudy.provenance.history.index import History

EVERYTHING = "**"
"""All of a dataset, as a declared path."""


class Makers:
    """The records of a history by the keys of what they made."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._by_key: dict[str, list[RecordedCommit]] = {}
        for commit in history.records:
            read = {item.entry.key for item in history.inputs(commit) if item.entry}
            for key in dict.fromkeys(entry.key for entry in self.made_by(commit).values()):
                if key and key not in read:
                    self._by_key.setdefault(key, []).append(commit)
        self._ages = {commit.id: age for age, commit in enumerate(history.commits)}

    def of(self, key: str, *, before: RecordedCommit | None = None) -> Sequence[RecordedCommit]:
        """The records that made a key, newest first; with `before`, of those that are older."""
        found = self._by_key.get(key, [])
        if before is None:
            return found
        return [commit for commit in found if self._ages[commit.id] > self._ages[before.id]]

    def made_by(self, commit: RecordedCommit) -> Mapping[str, Entry]:
        """The files that a record made, and what they held."""
        made: dict[str, Entry] = {}
        for path, entry in commit.changes.items():
            if entry is not None:
                made[path] = entry
        for path in self.history.outputs[commit.id]:
            held = self.history.entry_after(commit.id, path)
            if held is not None:
                made[path] = held
        return {path: entry for path, entry in made.items() if entry.mode != GITLINK}

    def read_by(self, commit: RecordedCommit) -> Sequence[Input]:
        """What a record read: what it declares, or all that was there."""
        if declares(commit):
            return self.history.inputs(commit)
        found: list[Input] = []
        for path, entry in read_tree(self.history.repo, commit.first_parent).items():
            if entry.mode != GITLINK:
                found.append(Input(EVERYTHING, path, entry))
        return found

    def path_of(self, commit: RecordedCommit, key: str) -> str:
        """A file in which a record made a key (that it made)."""
        return next(path for path, entry in self.made_by(commit).items() if entry.key == key)


def declares(commit: RecordedCommit) -> bool:
    """Whether a record says what it read."""
    return bool(commit.record.inputs or commit.record.extra_inputs)
