"""The faults of one record: against its commit, what it read, and the step that it is of.

Owns: what is wrong with a record that counts, as far as the history alone shows it.
Does not own: which records count, and the faults of files (`gate`), or what a study renders
(`rendered`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cordstudy.provenance.audit import attestations
from cordstudy.provenance.history.commits import Commit, InputBelow, RecordedCommit
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import WILD, Declared
from cordstudy.provenance.history.records import RunRecord
from cordstudy.provenance.history.since import same
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.rendered import Expected, Steps

ABSOLUTE = re.compile(r"(?:^|[\s'\"=:])(/[^\s'\"]+|~/[^\s'\"]*|[A-Za-z]:\\[^\s'\"]+)")


@dataclass(frozen=True)
class Fault:
    """One fault: its kind in a word or two, the path or record, what is wrong, and the commit to
    look at."""

    kind: str
    where: str
    what: str
    commit: str = ""


def name_of(commit: Commit) -> str:
    """A commit as a fault names it."""
    return f"{commit.id[:8]} {commit.subject}"


def of_absolute_path(text: str, commit: Commit) -> Iterator[Fault]:
    """The fault of a text of a record that names a place on one machine."""
    match = ABSOLUTE.search(text)
    if match:
        what = f"its record names {match[1]}"
        yield Fault("absolute path", name_of(commit), what, commit.id)


def of_record(
    history: History, commit: RecordedCommit, present: Declared | None
) -> Iterator[Fault]:
    """Whether a record and its commit agree; `present` is what steps make that there are now, None
    where that is not known."""
    yield from _of_outputs(history, commit, present)
    record, where = commit.record, name_of(commit)
    if record.exit:
        what = f"its command ended with exit code {record.exit}"
        yield Fault("failed command", where, what, commit.id)
    if record.dsid != history.dataset_id:
        what = f"its record is of the dataset {record.dsid or 'none'}"
        yield Fault("another dataset", where, what, commit.id)
    for text in (record.cmd, *record.inputs, *record.extra_inputs):
        yield from of_absolute_path(text, commit)


def _of_outputs(
    history: History, commit: RecordedCommit, present: Declared | None
) -> Iterator[Fault]:
    where = name_of(commit)
    declared = Declared(commit.record.from_root(commit.record.outputs))
    held = set(history.outputs[commit.id])
    for path, entry in commit.changes.items():
        if path in held or declared.covers(path):
            continue
        if not same(entry, history.entry_before(commit.id, path)):
            what = f"changed in {where!r}, which does not declare it"
            yield Fault("undeclared output", path, what, commit.id)
    for spec in history.unmet[commit.id]:
        what = f"declared by {where!r}, not there when it had run"
        yield Fault("output not made", spec, what, commit.id)
    for path in sorted(held):
        if path in history.tree or history.last_writer(path) is not commit:
            continue
        if present is None or present.covers(path):  # else that of a step which is no more
            yield Fault("output gone", path, f"made by {where!r}, removed since", commit.id)


def of_inputs(history: History, commit: RecordedCommit, folders: Sequence[str]) -> Iterator[Fault]:
    """Whether everything that a record read has an origin."""
    where = name_of(commit)
    inside = tuple(f"{folder}/" for folder in folders)
    for item in history.inputs(commit):
        if item.entry is None:
            if not WILD.search(item.spec):
                what = f"not there when {where!r} read it"
                yield Fault("input without origin", item.path, what, commit.id)
        elif isinstance(item, InputBelow) or not item.path.startswith(inside):
            continue  # the subdataset's history tells, or a person may have written it
        elif not history.producer(item.path, item.entry, before=commit.id):
            what = f"read by {where!r}; no record made it"
            yield Fault("input without origin", item.path, what, commit.id)


def of_step(
    history: History, commit: RecordedCommit, steps: Steps, profile: Profile
) -> Iterator[Fault]:
    """Whether a step's record has the command and the inputs that the study at its commit
    renders."""
    expected = steps.by_outputs.get(commit.record.from_root(commit.record.outputs))
    if expected is None:
        yield from _of_no_step(history, commit, steps, profile)
    else:
        yield from _against(commit, expected)


def _against(commit: RecordedCommit, expected: Expected) -> Iterator[Fault]:
    record, where = commit.record, name_of(commit)
    if record.cmd != expected.cmd:
        ours = _from_difference(record.cmd, expected.cmd)
        theirs = _from_difference(expected.cmd, record.cmd)
        what = f"`{ours}`, the study there renders `{theirs}`"
        yield Fault("edited command", where, what, commit.id)
    inputs = frozenset(record.from_root((*record.inputs, *record.extra_inputs)))
    differing = sorted(inputs ^ expected.inputs)
    if differing:
        path = differing[0]
        has, has_not = "the study there", "its record"
        if path in inputs:
            has, has_not = has_not, has
        what = f"{path}: {has} has it, {has_not} does not"
        yield Fault("edited inputs", where, what, commit.id)
    if posixpath.normpath(record.pwd) != ".":
        what = f"its record has it run in {record.pwd}"
        yield Fault("edited command", where, what, commit.id)


def _of_no_step(
    history: History, commit: RecordedCommit, steps: Steps, profile: Profile
) -> Iterator[Fault]:
    """Whether a record that has no step's outputs passes for a step's, or takes its place."""
    record, where = commit.record, name_of(commit)
    looks_like_a_step = _calls(record.cmd, profile.launcher) and not _is_attestation(
        record, profile
    )
    if looks_like_a_step and not steps.faults:  # else it may be of a study that cannot be read
        what = "no study there has a step with these outputs"
        yield Fault("edited command", where, what, commit.id)
        return
    for path in history.outputs[commit.id]:
        if history.stands(commit.id, path) and steps.outputs.covers(path):
            what = f"{path}: a step of a study there makes it, with others"
            yield Fault("edited outputs", where, what, commit.id)
            return


def _calls(cmd: str, launcher: str) -> bool:
    words = cmd.split()
    return bool(words) and posixpath.normpath(words[0]) == launcher


def _is_attestation(record: RunRecord, profile: Profile) -> bool:
    if not attestations.is_of_verdicts(record, profile):
        return False
    specs = record.from_root(record.outputs)
    return all(spec.startswith(f"{attestations.FOLDER}/") for spec in specs)


def _from_difference(command: str, other: str) -> str:
    """The words of a command from the one before the first that differs from another's."""
    words, others = command.split(), other.split()
    start = 0
    while start < min(len(words), len(others)) and words[start] == others[start]:
        start += 1
    shown = " ".join(words[max(0, start - 1) :])
    return shown if len(shown) <= 60 else f"{shown[:59]}…"
