"""Running steps again that are done: does each give again what the branch holds?

Owns: that what comes out the same makes no commit, with its content kept here and remembered as
come back; that what comes out other lands as a new record, and so do the steps that read it.
Does not own: the order of steps and how one runs (`running.runner`), or how alike two outputs are
(told by whoever asks to be shown them).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cordstudy.provenance.calling.content import annex_keys, listed
from cordstudy.provenance.history.paths import Declared
from cordstudy.provenance.remaking import came_back
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.kept import copy_content, keep
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.outcome import changed_outputs
from cordstudy.provenance.running.runner import (
    forget_progress,
    land_kept,
    ran,
    run_step,
)
from cordstudy.provenance.running.step import Recorded
from cordstudy.provenance.running.trees import changed_paths
from cordstudy.provenance.running.workspace import Workspace

SAME, OTHER, RECORDED = "same", "other", "recorded"
"""It came out as it was; other, and landed; it was run for the first time on what is here now."""
Look = Callable[[Recorded, Workspace, Mapping[str, str]], None]
"""Shown a workspace whose outputs are not as they were, and how git says so of each."""


@dataclass(frozen=True)
class Ending:
    """How a step ended that was to run again: `SAME`, `OTHER` or `RECORDED`."""

    word: str
    commit: str
    """The record that came back, or the one that landed."""
    changes: Mapping[str, str] = field(default_factory=dict)
    """How git says of each output that it is not as it was."""
    because: str = ""
    """An input that came out other, so that nothing could be compared."""


class Again:
    """Runs steps of a dataset again, each once; `records` are the newest of those that are done.

    A step without one, or that reads what came out other, is recorded as it would be by a run.
    """

    def __init__(
        self,
        dataset: Path,
        records: Mapping[str, str],
        *,
        machine: Machine,
        look: Look = lambda *_: None,
    ) -> None:
        self.dataset, self.records, self.machine, self.look = dataset, records, machine, look
        self.branch = current_branch(dataset)
        self.endings: dict[str, Ending] = {}
        """By the name of the step."""
        self._moved: set[str] = set()
        """The outputs that are not what they were."""
        self._guard = threading.Lock()

    def run(self, step: Recorded) -> str:
        """Run one step; the word for how it ended."""
        because = self._moved_input(step)
        record = self.records.get(step.name, "")
        if because or not record:
            ending = self._recorded(step, because)
        else:
            ending = self._again(step, record)
        with self._guard:
            self.endings[step.name] = ending
            self._moved |= ending.changes.keys()
        return ending.word

    def _moved_input(self, step: Recorded) -> str:
        """An input of a step that came out other than it was; empty for none."""
        declared = Declared(step.inputs)
        with self._guard:
            moved = sorted(self._moved)
        return next((path for path in moved if declared.covers(path)), "")

    def _recorded(self, step: Recorded, because: str) -> Ending:
        commit = run_step(self.dataset, step, machine=self.machine, branch=self.branch)
        paths = changed_paths(self.dataset, f"{commit}^", commit)
        return Ending(RECORDED, commit, dict.fromkeys(paths, "M"), because)

    def _again(self, step: Recorded, record: str) -> Ending:
        kept = None
        with ran(self.dataset, step, machine=self.machine, branch=self.branch, anew=True) as ws:
            changes = changed_outputs(ws, ws.base)
            if changes:
                self.look(step, ws, changes)
            came = _keys(ws, without=changes)
            if changes:
                kept = keep(ws)
            else:
                copy_content(ws.path, ws.outputs)
        came_back.note(self.dataset, record, came)
        if kept is None:
            forget_progress(step, machine=self.machine)
            return Ending(SAME, record)
        commit = land_kept(self.dataset, step, kept, machine=self.machine, branch=self.branch)
        return Ending(OTHER, commit, changes)


def _keys(ws: Workspace, *, without: Collection[str]) -> list[str]:
    """The annex keys of a workspace's outputs, but for some paths."""
    paths = [path for path in listed(ws.path, ws.outputs, private=True) if path not in without]
    return list(annex_keys(ws.path, paths, "--anything", private=True).values())
