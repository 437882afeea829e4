"""What the outputs of a record are, run again, against what they were.

Owns: which files differ, and keeping those that do not for records that build on them.
Does not own: running the record (`verifier`), or how alike two files are (told by the caller).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.verdicts import Item, worst
from cordstudy.provenance.calling.content import copy, get_keys, listed, locations
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import Entry, read_tree
from cordstudy.provenance.history.paths import covers
from cordstudy.provenance.remaking.came_back import REMOTE
from cordstudy.provenance.running.outcome import changed_outputs
from cordstudy.provenance.running.workspace import Workspace

Compare = Callable[[Path, Path, float | None], tuple[str, str]]
"""Recorded file, file made anew, tolerance: a word, and how they differ."""
ONE_SIDED = {"A": "made now, not then", "D": "made then, not now"}


class Differences:
    """Compares what comes out in workspaces with what a study holds."""

    def __init__(self, study: Path, place: Path, compare: Compare) -> None:
        self.study, self.place, self.compare = study, place, compare

    def of(self, item: Item, ws: Workspace) -> tuple[str, tuple[str, ...]]:
        """The word for all outputs of a record, and how each that is not the same differs; what is
        the same is kept."""
        changes = changed_outputs(ws, item.record.commit)
        _keep(ws, [path for path in listed(ws.path, ws.outputs) if path not in changes])
        return self.described(item, ws, changes)

    def described(
        self, item: Item, ws: Workspace, changes: Mapping[str, str]
    ) -> tuple[str, tuple[str, ...]]:
        """The word for what changed of a record's outputs, and how each differs."""
        words: list[str] = []
        lines: list[str] = []
        for path, change in sorted(changes.items()):
            if change in ONE_SIDED:
                word, how = "different", ONE_SIDED[change]
            else:
                word, how = self._alike(item, ws, path)
            words.append(word)
            lines.append(f"{path}: {how}")
        return worst(words), tuple(lines)

    def _alike(self, item: Item, ws: Workspace, path: str) -> tuple[str, str]:
        """How a file that came out with other bytes differs from the recorded one."""
        entry = read_tree(self.study, item.record.commit)[path]
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            recorded = Path(folder) / Path(path).name
            if not self._put(entry, recorded):
                return "different", "other bytes; the recorded content is not here to compare"
            try:
                return self.compare(recorded, ws.path / path, _tolerance(item, path))
            except StudyError as error:  # such as a checkpoint that is no data
                return "different", str(error)

    def _put(self, entry: Entry, recorded: Path) -> bool:
        """Put the content of an entry where it can be read; whether it is here, or at a remote that
        has it without running anything."""
        if not entry.key:
            recorded.write_bytes(read_git(self.study, "cat-file", "blob", entry.object))
            return True
        if not locations(self.study, [entry.key]):
            get_keys(self.study, [entry.key], without=REMOTE)
        place = locations(self.study, [entry.key]).get(entry.key)
        if place is None:
            return False
        recorded.symlink_to(place.resolve())
        return True


def _tolerance(item: Item, path: str) -> float | None:
    for glob, tolerance in item.tolerances:
        if covers([glob], path):
            return tolerance
    return None


def _keep(ws: Workspace, paths: list[str]) -> None:
    """Bring the content of files to the store, where records that read them find it."""
    copy(ws.path, paths, "origin", private=True)
