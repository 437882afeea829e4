"""Which steps of a study are done, and why the others are not.

Owns: comparing a rendered step with the newest record of its outputs; what runs or failed here.
Does not own: the history (`history`) or running what is not done (`run`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.history.gitlog import GITLINK, commit_id
from cordstudy.provenance.history.index import History, RecordedCommit
from cordstudy.provenance.history.records import join
from cordstudy.provenance.history.since import changed
from cordstudy.provenance.running.notes import read_note
from cordstudy.provenance.running.step import Recorded, builds_on


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
        more = f" (and {len(self.changes) - 1} more)" if len(self.changes) > 1 else ""
        return self.changes[0] + more if self.changes else ""


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
    What runs or failed on this machine is read from `logs`; the history of HEAD where none is given.
    """
    history = history or History(study)
    newest: dict[tuple[str, ...], RecordedCommit] = {}
    for commit in history.records:
        newest.setdefault(commit.record.from_root(commit.record.outputs), commit)
    found: dict[str, State] = {}
    for step in steps:
        commit = newest.get(step.outputs)
        changes = tuple(_changes(history, step, commit)) if commit else ()
        word = "missing" if not commit else "stale" if changes else "done"
        state = State(word, changes, commit.id if commit else "")
        waits = [other.name for other in steps if other.name in found and builds_on(step, other)]
        unready = next((name for name in waits if found[name].word != "done"), None)
        if state.word == "done" and unready:
            state = State(
                "stale", (f"builds on {unready}, which is {found[unready].word}",), state.commit
            )
        found[step.name] = (_here(logs, step.name, state) if logs else None) or state
    return found


def _changes(history: History, step: Recorded, commit: RecordedCommit) -> Iterator[str]:
    """All that differs between a step and its record, and between then and now."""
    record = commit.record
    if record.exit:
        yield f"its command ended with exit code {record.exit}"
    if record.cmd != join(step.argv):
        yield f"its command changed: {_apart(record.cmd, join(step.argv))}"
    declared = record.from_root(record.inputs)
    if declared != step.inputs:
        more = sorted(set(declared) ^ set(step.inputs)) or ["in another order"]
        yield f"it declares other inputs: {more[0]}"
    yield from (f"its input changed: {line}" for line in changed(history, commit))
    held = history.outputs[commit.id]
    for path in dict.fromkeys(
        (*held, *(path for spec in step.outputs for path in history.matching(spec)))
    ):
        if path not in history.tree:
            yield f"its output is gone: {path}"
        elif path not in held:
            yield f"its output is new: {path}"
        elif not history.stands(commit.id, path):
            yield f"its output changed: {path}"


def _apart(then: str, now: str) -> str:
    """The first words of two commands that differ."""
    pairs = zip([*then.split(), ""], [*now.split(), ""])
    one, other = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return f"{one or 'nothing'} → {other or 'nothing'}"


def left_behind(history: History) -> list[str]:
    """The installed subdatasets that stand at another commit than the history pins: a line each."""
    told = []
    for path, entry in history.tree.items():
        if entry.mode != GITLINK or not (history.repo / path / ".git").exists():
            continue
        try:
            here = commit_id(history.repo / path, "HEAD")
        except StudyError:
            here = "no commit"
        if here != entry.object:
            told.append(f"{path} is installed at {here[:9]}, pinned at {entry.object[:8]}")
    return told


def _here(logs: Path, step: str, state: State) -> State | None:
    """Running, or failed and not done since; None for neither, and for a note that cannot be read."""
    left = read_note(logs, step)
    if left is None:
        return None
    if left.word == "running":
        alive = Path(f"/proc/{left.process}").exists()
        return State("running", (f"process {left.process}",), state.commit) if alive else None
    return (
        None if state.word == "done" else State("failed", (left.told, *state.changes), state.commit)
    )
