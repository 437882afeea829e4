"""Which steps of a study are done, and why the others are not.

Owns: comparing a rendered step with the newest record of its outputs.
Does not own: the records (`records`) or running what is not done (`run`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cordstudy.provenance.gitannex import git, gitlinks
from cordstudy.provenance.records import RunRecord, read_records


class Recorded(Protocol):
    """What a step must tell so that it can be run and found again."""

    name: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class State:
    """`word` is done, stale or missing; `why` says what changed; `commit` is the newest record."""

    word: str
    why: str = ""
    commit: str = ""


def states(study: Path, steps: Sequence[Recorded]) -> dict[str, State]:
    """The state of each step by name, in the given (topological) order.

    A step is done when its newest record has its command and its declared paths, and neither
    its inputs nor its outputs have changed since; and when so are the steps that it builds on.
    """
    newest: dict[tuple[str, ...], RunRecord] = {}
    for record in read_records(study):
        newest.setdefault(record.outputs, record)
    links = gitlinks(study, "HEAD")
    found: dict[str, State] = {}
    for step in steps:
        record = newest.get(step.outputs)
        state = _state(study, step, record, links) if record else State("missing")
        waits = [other.name for other in steps if other.name in found and builds_on(step, other)]
        unready = next((name for name in waits if found[name].word != "done"), None)
        if state.word == "done" and unready:
            state = State("stale", f"builds on {unready}, which is {found[unready].word}", state.commit)
        found[step.name] = state
    return found


def builds_on(step: Recorded, other: Recorded) -> bool:
    """Whether an input of one step lies under an output of another."""
    outputs = [_stem(spec) for spec in other.outputs]
    return any(_stem(spec).startswith(o) or o.startswith(_stem(spec)) for spec in step.inputs for o in outputs)


def _stem(spec: str) -> str:
    """What comes before the first wildcard of a path."""
    return spec.split("*")[0]


def _state(study: Path, step: Recorded, record: RunRecord, links: Iterable[str]) -> State:
    if record.cmd != shlex.join(step.argv):
        return State("stale", "its command changed", record.commit)
    if record.inputs != step.inputs:
        changed = sorted(set(record.inputs) ^ set(step.inputs))
        return State("stale", f"it declares other inputs: {changed[0]}", record.commit)
    for label, commit, specs in (("input", record.parent, step.inputs), ("output", record.commit, step.outputs)):
        if not specs:  # to git, no path is every path
            continue
        changed = git(study, "diff", "--name-only", commit, "HEAD", "--", *_pathspecs(specs, links)).splitlines()
        if changed:
            return State("stale", f"its {label} {changed[0]} changed", record.commit)
    return State("done", commit=record.commit)


def _pathspecs(specs: Iterable[str], links: Iterable[str]) -> list[str]:
    """Git's form of declared paths; one inside a subdataset stands for its gitlink."""
    found = set()
    for spec in specs:
        link = next((name for name in links if spec.startswith(f"{name}/")), None)
        found |= {f":(glob){link}"} if link else {f":(glob){spec}", f":(glob){spec}/**"}
    return sorted(found)
