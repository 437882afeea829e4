"""What HEAD holds and has recorded of a study, and words for what is not there.

Owns: reading a table, a JSON file or a lock out of the history; the newest record of each step
that has one.
Does not own: the history (`provenance.history`), or what any of it means (`data`, `training`,
`results`).
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO

from cordstudy.base.errors import StudyError, inline
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.history.gitlog import text as decoded
from cordstudy.provenance.history.index import History
from cordstudy.study.layout import Layout
from cordstudy.study.schema import Study
from cordstudy.study.step import Step
from cordstudy.study.steps import steps

LOCK = "code/requirements/steps.lock"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

Row = Mapping[str, str]


def missing(what: str) -> str:
    """The words that stand in place of what the study does not tell."""
    return f"**[not told: {what}]**"


@dataclass(frozen=True)
class Committed:
    """A study as the history of HEAD has it. What is not there is None or empty, never an error."""

    study: Study
    history: History

    @property
    def layout(self) -> Layout:
        """Where the study's files are."""
        return Layout(self.study)

    @cached_property
    def records(self) -> dict[str, RecordedCommit]:
        """The newest record of each step that has one, by the step's name; of the study whose
        models are judged, those of its trainings."""
        newest: dict[tuple[str, ...], RecordedCommit] = {}
        for commit in self.history.records:
            newest.setdefault(commit.record.from_root(commit.record.outputs), commit)
        told = [*self._trainings, *self._steps]
        return {step.name: newest[step.outputs] for step in told if step.outputs in newest}

    @property
    def unrecorded(self) -> list[str]:
        """The steps that have no record."""
        return [step.name for step in self._steps if step.name not in self.records]

    @cached_property
    def _steps(self) -> list[Step]:
        return steps(self.study)

    @property
    def _trainings(self) -> list[Step]:
        """The trainings of another study whose models are judged."""
        other = self.study.trained_in
        return [step for step in steps(other) if step.command == "train"] if other else []

    def unmade(self, paths: Iterable[str]) -> list[str]:
        """Those of some paths that are there and that no record made."""
        there = [path for path in paths if path in self.history.tree]
        return [path for path in there if self.history.producer(path) is None]

    def text(self, path: str) -> str:
        """The text of a file; empty where there is none."""
        return self._content(self.history.tree.get(path))

    def rows(self, path: str) -> list[Row]:
        """The rows of a TSV of this study's own; none where there is no such file."""
        reader = csv.DictReader(StringIO(self.text(path)), delimiter="\t", restval="")
        return [{name: inline(cell) for name, cell in row.items()} for row in reader]

    def values(self, path: str) -> dict[str, object]:
        """The JSON object in a file; empty where there is no such file."""
        try:
            found = json.loads(self.text(path) or "{}")
        except ValueError as error:
            raise StudyError(f"{path}: {error}", hint=f"code/study audit {path}") from error
        return found if isinstance(found, dict) else {}

    def words(self, step: str) -> list[str]:
        """The recorded command of a step; empty where it has no record."""
        commit = self.records.get(step)
        return shlex.split(commit.record.cmd) if commit else []

    def versions(self, step: str) -> dict[str, str]:
        """The packages that a step ran with, as the lock among its record's inputs pins them."""
        commit = self.records.get(step)
        if commit is None or LOCK not in commit.record.from_root(commit.record.inputs):
            return {}
        return dict(PINNED.findall(self._content(self.history.entry_after(commit.id, LOCK))))

    def _content(self, entry: Entry | None) -> str:
        """The text of a file in git; empty for none, and for one whose content is annexed."""
        if entry is None or not entry.is_plain:
            return ""
        return decoded(self.history.blob(entry))


def option(words: list[str], name: str) -> str | None:
    """The value of an option in a command; None where it is not given."""
    return words[words.index(name) + 1] if name in words[:-1] else None
