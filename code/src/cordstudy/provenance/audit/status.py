"""Which steps of a study are done, and why the others are not.

Owns: comparing a rendered step with the newest record of its outputs; what runs or failed here.
Does not own: the history (`history`) or running what is not done (`run`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import GITLINK
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import commit_id
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import join
from cordstudy.provenance.history.since import changed
from cordstudy.provenance.running.notes import read_note
from cordstudy.provenance.running.step import Recorded, Writers


@dataclass(frozen=True)
class State:
    """`word` is done, stale, missing, failed or running; `commit` is the newest record.

    `changes` say what changed since it, or what the failure said: a line each.
    """

    word: str
    changes: tuple[str, ...] = ()
    commit: str = ""

    @property
    def why(self) -> str:
        """The first change, and how many more there are."""
        if not self.changes:
            return ""
        more = f" (and {len(self.changes) - 1} more)" if len(self.changes) > 1 else ""
        return self.changes[0] + more


def states(
    study: Path,
    steps: Sequence[Recorded],
    *,
    logs: Path | None = None,
    history: History | None = None,
) -> dict[str, State]:
    """The state of each step by name, in the given (topological) order.

    A step is done when its newest record has its command and its declared paths, and neither
    its inputs nor its outputs have changed since; and when so are the steps that it builds on.
    What runs or failed on this machine is read from `logs`; the history of HEAD where none is
    given.
    """
    history = history or History(study)
    newest = _newest_records(history)
    found: dict[str, State] = {}
    undone = Writers()
    for step in steps:
        state = _by_record(history, step, newest.get(step.outputs))
        if state.word == "done":
            unready = _not_done_below(step, undone, found)
            if unready:
                state = State("stale", (unready,), state.commit)
        if logs:
            state = _here(logs, step.name, state) or state
        found[step.name] = state
        if state.word != "done":
            undone.add(step)
    return found


def _newest_records(history: History) -> dict[tuple[str, ...], RecordedCommit]:
    """The newest record of each set of outputs."""
    newest: dict[tuple[str, ...], RecordedCommit] = {}
    for commit in history.records:
        newest.setdefault(commit.record.from_root(commit.record.outputs), commit)
    return newest


def _by_record(history: History, step: Recorded, commit: RecordedCommit | None) -> State:
    """The state of a step by its newest record alone."""
    if commit is None:
        return State("missing")
    changes = tuple(_changes(history, step, commit))
    return State("stale" if changes else "done", changes, commit.id)


def _not_done_below(step: Recorded, undone: Writers, found: Mapping[str, State]) -> str:
    """The first of the steps before a step that it builds on and that is not done; empty for
    none."""
    for other in undone.below(step):
        return f"builds on {other.name}, which is {found[other.name].word}"
    return ""


def _changes(history: History, step: Recorded, commit: RecordedCommit) -> Iterator[str]:
    """All that differs between a step and its record, and between then and now."""
    record = commit.record
    if record.exit:
        yield f"its command ended with exit code {record.exit}"
    command = join(step.argv)
    if record.cmd != command:
        yield f"its command changed: {_first_difference(record.cmd, command)}"
    declared = record.from_root(record.inputs)
    if declared != step.inputs:
        more = sorted(set(declared) ^ set(step.inputs)) or ["in another order"]
        yield f"it declares other inputs: {more[0]}"
    for line in changed(history, commit):
        yield f"its input changed: {line}"
    yield from _changed_outputs(history, step, commit)


def _changed_outputs(history: History, step: Recorded, commit: RecordedCommit) -> Iterator[str]:
    held = history.outputs[commit.id]
    paths = list(held)
    for spec in step.outputs:
        paths += history.matching(spec)
    for path in dict.fromkeys(paths):
        if path not in history.tree:
            yield f"its output is gone: {path}"
        elif path not in held:
            yield f"its output is new: {path}"
        elif not history.stands(commit.id, path):
            yield f"its output changed: {path}"


def _first_difference(then: str, now: str) -> str:
    """The first words of two commands that differ."""
    pairs = zip([*then.split(), ""], [*now.split(), ""])
    for before, after in pairs:
        if before != after:
            return f"{before or 'nothing'} → {after or 'nothing'}"
    return "nothing → nothing"


def left_behind(history: History) -> list[str]:
    """The installed subdatasets that stand at another commit than the history pins: a line each."""
    lines = []
    for path, entry in history.tree.items():
        if entry.mode != GITLINK or not (history.repo / path / ".git").exists():
            continue
        try:
            here = commit_id(history.repo / path, "HEAD")
        except StudyError:
            here = "no commit"
        if here != entry.object:
            lines.append(f"{path} is installed at {here[:9]}, pinned at {entry.object[:8]}")
    return lines


def _here(logs: Path, step: str, state: State) -> State | None:
    """Running, or failed and not done since; None for neither, and for a note that cannot be
    read."""
    note = read_note(logs, step)
    if note is None:
        return None
    if note.word == "running":
        alive = Path(f"/proc/{note.process}").exists()
        return State("running", (f"process {note.process}",), state.commit) if alive else None
    if state.word == "done":
        return None
    return State("failed", (note.told, *state.changes), state.commit)
