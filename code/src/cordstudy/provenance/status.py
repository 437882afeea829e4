"""Which steps of a study are done, and why the others are not.

Owns: comparing a rendered step with the newest record of its outputs; what runs or failed here.
Does not own: the history (`history`) or running what is not done (`run`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cordstudy.provenance.history import Commit, History
from cordstudy.provenance.paths import matches
from cordstudy.provenance.records import join


class Recorded(Protocol):
    """What a step must tell so that it can be run and found again."""

    name: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str


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


def states(study: Path, steps: Sequence[Recorded], *, logs: Path | None = None) -> dict[str, State]:
    """The state of each step by name, in the given (topological) order.

    A step is done when its newest record has its command and its declared paths, and neither
    its inputs nor its outputs have changed since; and when so are the steps that it builds on.
    What runs or failed on this machine is read from `logs`.
    """
    history = History(study)
    newest: dict[tuple[str, ...], Commit] = {}
    for commit in history.records:
        newest.setdefault(commit.record.outputs, commit)
    found: dict[str, State] = {}
    for step in steps:
        commit = newest.get(step.outputs)
        changes = tuple(_changes(history, step, commit)) if commit else ()
        word = "missing" if not commit else "stale" if changes else "done"
        state = State(word, changes, commit.id if commit else "")
        waits = [other.name for other in steps if other.name in found and builds_on(step, other)]
        unready = next((name for name in waits if found[name].word != "done"), None)
        if state.word == "done" and unready:
            state = State("stale", (f"builds on {unready}, which is {found[unready].word}",), state.commit)
        found[step.name] = (_here(logs, step.name, state) if logs else None) or state
    return found


def builds_on(step: Recorded, other: Recorded) -> bool:
    """Whether an input of one step lies under an output of another."""
    outputs = [_stem(spec) for spec in other.outputs]
    return any(_stem(spec).startswith(o) or o.startswith(_stem(spec)) for spec in step.inputs for o in outputs)


def _stem(spec: str) -> str:
    """What comes before the first wildcard of a path."""
    return spec.split("*")[0]


def _changes(history: History, step: Recorded, commit: Commit) -> list[str]:
    """All that differs between a step and its record, and between then and now."""
    record = commit.record
    told = []
    if record.cmd != join(step.argv):
        told.append(f"its command changed: {_apart(record.cmd, join(step.argv))}")
    if record.inputs != step.inputs:
        told.append(f"it declares other inputs: {sorted(set(record.inputs) ^ set(step.inputs))[0]}")
    told += [f"its input changed: {line}" for line in history.changed(commit)]
    held = history.outputs[commit.id]
    for path in dict.fromkeys((*held, *(p for spec in record.outputs for p in matches(history.tree, spec)))):
        if path not in history.tree:
            told.append(f"its output is gone: {path}")
        elif commit not in history.claims(path):
            told.append(f"its output {'changed' if path in held else 'is new'}: {path}")
    return told


def _apart(then: str, now: str) -> str:
    """The first words of two commands that differ."""
    pairs = zip([*then.split(), ""], [*now.split(), ""])
    one, other = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return f"{one or 'nothing'} → {other or 'nothing'}"


def note(logs: Path, step: str, word: str, told: str = "") -> None:
    """Remember that a step runs or failed here; forget it with `done`."""
    path = _note(logs, step)
    if word == "done":
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"word": word, "told": told, "process": os.getpid()}))


def _note(logs: Path, step: str) -> Path:
    return logs / f"{step.replace(':', '-')}.state"


def _here(logs: Path, step: str, state: State) -> State | None:
    """Running, or failed and not done since; None for neither."""
    path = _note(logs, step)
    if not path.is_file():
        return None
    content = json.loads(path.read_text())
    if content["word"] == "running":
        alive = Path(f"/proc/{content['process']}").exists()
        return State("running", (f"process {content['process']}",), state.commit) if alive else None
    return None if state.word == "done" else State("failed", (content["told"], *state.changes), state.commit)
