"""Making a study again here: every step once more, with a verdict on each.

Owns: a verdict a step and what it was based on, and remembering it in this clone, so that what is
done once need not be done again.
Does not own: running a step again (`remaking.again`), which steps, or how alike two files are (told
by the caller's `compare`).
"""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.audit.differences import Compare, Differences
from cordstudy.provenance.audit.verdicts import Item, Verdict
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.remaking.again import OTHER, SAME, Again, Ending
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.step import Recorded
from cordstudy.provenance.running.workspace import Workspace

RECORDED = "recorded"
"""In place of a verdict: there was nothing to compare with, so that it has a new record here."""


@dataclass(frozen=True)
class Outcome(Verdict):
    """What came of a step; `record` is the one that came back, or the new one."""

    because: str = ""
    """An input that came out other, on which it was run."""

    @property
    def holds(self) -> bool:
        """Whether the promise is kept; of what was not compared nothing was promised."""
        return self.word == RECORDED or super().holds


class Reproduction:
    """Runs steps of a study again; `items` are those that are done, by the name of the step."""

    def __init__(
        self, study: Path, items: Mapping[str, Item], *, machine: Machine, compare: Compare
    ) -> None:
        self.study, self.items = study, items
        self.outcomes: dict[str, Outcome] = {}
        """By the name of the step, as they come."""
        machine.scratch.mkdir(parents=True, exist_ok=True)
        self._differences = Differences(study, machine.scratch, compare)
        self._described: dict[str, tuple[str, tuple[str, ...]]] = {}
        records = {name: item.record.commit for name, item in items.items()}
        self._again = Again(study, records, machine=machine, look=self._look)

    def run(self, step: Recorded) -> str:
        """Run one step; its verdict in a word."""
        self._again.run(step)
        outcome = self._outcome(step, self._again.endings[step.name])
        self.outcomes[step.name] = outcome
        _remember(self.study, outcome)
        return outcome.word

    def _look(self, step: Recorded, ws: Workspace, changes: Mapping[str, str]) -> None:
        item = self.items[step.name]
        self._described[step.name] = self._differences.described(item, ws, changes)

    def _outcome(self, step: Recorded, ending: Ending) -> Outcome:
        item = self.items.get(step.name)
        identical = item.identical if item else "n/a"
        word, differs = RECORDED, tuple[str, ...]()
        if ending.word == SAME:
            word = "identical"
        elif ending.word == OTHER:
            word, differs = self._described[step.name]
        return Outcome(
            name=step.name,
            record=ending.commit,
            identical=identical,
            word=word,
            differs=differs,
            seconds=0.0,
            because=ending.because,
        )


def outputs_here(history: History, step: Recorded, keys: frozenset[str]) -> bool:
    """Whether the content of all outputs of a step is among some keys; what git has is here."""
    for spec in step.outputs:
        for path in history.matching(spec):
            key = history.tree[path].key
            if key and key not in keys:
                return False
    return True


def _remember(study: Path, outcome: Outcome) -> None:
    path = _place(study)
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(f"{outcome.record}\t{outcome.word}\n")


def remembered(study: Path) -> Mapping[str, str]:
    """The records that came back here, or were made by making the study again, with the verdict."""
    try:
        lines = _place(study).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("\t") for line in lines if line.count("\t") == 1)


def _place(study: Path) -> Path:
    folder = git(study, "rev-parse", "--git-common-dir").strip()
    return study / folder / NAME / "reproduced.tsv"
