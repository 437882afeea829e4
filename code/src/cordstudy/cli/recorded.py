"""What HEAD has recorded of a study, in the words that stand in README and docs.

Owns: each figure and sentence there that is a result, by the name of its part.
Does not own: the tables that they come from (`pipeline.judging`), or where they stand (`written`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cordstudy.base.errors import StudyError
from cordstudy.cli.committed import committed, committed_stamp
from cordstudy.cli.here import ROOT
from cordstudy.cli.parts import lines, wrapped
from cordstudy.cli.results import mean_dice
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.index import History
from cordstudy.study.keys import key_tables
from cordstudy.study.layout import Layout
from cordstudy.study.schema import Study
from cordstudy.study.steps import steps

if TYPE_CHECKING:
    from cordstudy.pipeline.judging.answer import Answer, Finding


@dataclass(frozen=True)
class Recorded:
    """A study as the history of HEAD has it."""

    study: Study

    @cached_property
    def history(self) -> History:
        """That of HEAD."""
        return History(ROOT)

    @cached_property
    def records(self) -> dict[str, RecordedCommit]:
        """The newest record of each step, by its name. Raises StudyError for a step that has
        none."""
        newest: dict[tuple[str, ...], RecordedCommit] = {}
        for commit in self.history.records:
            newest.setdefault(commit.record.from_root(commit.record.outputs), commit)
        records = {}
        for step in steps(self.study):
            if step.outputs not in newest:
                raise StudyError(f"{step.name} has no record", hint=f"code/study run {step.name}")
            records[step.name] = newest[step.outputs]
        return records

    @property
    def ids(self) -> dict[str, str]:
        """The commit of each step's newest record, by its subject."""
        return {commit.subject: commit.id for commit in self.records.values()}

    @property
    def objects(self) -> dict[str, str]:
        """The git object of each path."""
        return {path: entry.object for path, entry in self.history.tree.items()}

    @property
    def trainings(self) -> list[RecordedCommit]:
        """The records of trainings, in the order of the steps."""
        return [record for name, record in self.records.items() if name.startswith("train:")]

    @property
    def newest_training(self) -> str:
        """The commit of the last training, as eight digits."""
        ids = {record.id for record in self.trainings}
        return next(commit.id for commit in self.history.commits if commit.id in ids)[:8]


def _dice(recorded: Recorded) -> str:
    table = "\n".join(mean_dice(recorded.study))
    return lines(f"```\n{table}\n```")


def _answer(recorded: Recorded) -> str:
    answer = in_words(read_answer(recorded.study))
    warning = committed_stamp(recorded.study).warning
    return lines(wrapped(f"**Warning: {warning}** {answer}" if warning else answer))


def _steps(recorded: Recorded) -> str:
    return str(len(recorded.records))


def _minutes(recorded: Recorded) -> str:
    """What all steps took, one after the other."""
    seconds = 0.0
    for commit in recorded.records.values():
        seconds += (commit.record.resources or {}).get("wall_s", 0.0)
    return f"{seconds / 60:.0f}"


def _training_steps(recorded: Recorded) -> str:
    """Epochs times batches of an epoch; several numbers where models were trained unlike."""
    counts = set()
    for commit in recorded.trainings:
        words = shlex.split(commit.record.cmd)
        counts.add(_option(words, "--epochs") * _option(words, "--iterations"))
    return " or ".join(f"{count:,}" for count in sorted(counts))


def _keys(_: Recorded) -> str:
    """The tables of all keys of a study's TOML, which no record tells of."""
    return lines(key_tables())


def _option(words: Sequence[str], name: str) -> int:
    return int(words[words.index(name) + 1])


TOLD: Mapping[str, Callable[[Recorded], str]] = {
    "dice": _dice,
    "answer": _answer,
    "steps": _steps,
    "minutes": _minutes,
    "training-steps": _training_steps,
    "keys": _keys,
}
"""What stands in a part of each name."""


def read_answer(study: Study) -> Answer:
    """The answer that the committed comparisons give: none to be trusted where training and test
    data overlap."""
    from cordstudy.pipeline.judging.answer import answer  # pandas, SciPy: 1 s
    from cordstudy.pipeline.judging.comparisons import read_comparisons
    from cordstudy.pipeline.judging.settings import read_settings

    layout = Layout(study)
    with committed(f"{layout.evaluation}/comparisons.tsv") as table:
        comparisons = read_comparisons(table)
    with committed(layout.judging) as judging:
        told = answer(comparisons, read_settings(judging))
    return replace(told, short=committed_stamp(study).answer(told.short))


def in_words(answer: Answer) -> str:
    """The sentences of the answer; with intervals where it rests on them."""
    sentences = [f"**{answer.short}.**"]
    if answer.unseen:
        told = _told(answer.unseen, "the best specific model", intervals=True)
        general = answer.unseen[0].comparison.model
        sentences.append(f"On data that no model has seen, {general} is {told}.")
    if answer.home:
        told = _told(answer.home, "the model trained there", intervals=False)
        sentences.append(f"On the specific models' own ground, it is {told}.")
    return " ".join(sentences)


def _told(findings: Sequence[Finding], whom: str, *, intervals: bool) -> str:
    from cordstudy.pipeline.judging.answer import grouped

    phrases = []
    for words, alike in grouped(findings):
        places = []
        for finding in alike:
            numbers = finding.numbers if intervals else finding.brief
            places.append(f"{finding.testset} ({numbers})")
        phrases.append(f"{words} {whom} on {listed(places)}")
    return ", and ".join(phrases)


def listed(words: Sequence[str]) -> str:
    """Words after each other, `and` before the last; empty for none."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
