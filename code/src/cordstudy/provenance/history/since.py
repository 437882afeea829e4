"""What has changed since a record read it.

Owns: comparing the inputs of a record with what its history's commit holds, in subdatasets too.
Does not own: the index (`history`), or what a change means for a step (`status`).
"""

from __future__ import annotations

from collections.abc import Iterator

from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.history.index import History, InputBelow, RecordedCommit
from cordstudy.provenance.history.paths import WILD, matches


def changed(history: History, commit: RecordedCommit) -> list[str]:
    """The inputs of a record that are no longer what they were, as `path: how`."""
    told: list[str] = []
    for item in history.inputs[commit.id]:
        now = history.tree.get(item.path)
        if same(item.entry, now):
            continue
        told += (
            _in_subdataset(history, item, now)
            if isinstance(item, InputBelow)
            else [f"{item.path}: {_difference(item.entry, now)}"]
        )
    return [*told, *_appeared(history, commit)]


def same(one: Entry | None, other: Entry | None) -> bool:
    """Whether two entries hold the same, or neither is there."""
    return one == other or (
        one is not None and other is not None and one.identity == other.identity
    )


def _in_subdataset(history: History, item: InputBelow, now: Entry | None) -> Iterator[str]:
    """What differs in a subdataset, in the paths that were declared; where it is not
    installed, that its pin moved."""
    if now is None:
        yield f"{item.path}: gone"
        return
    moved = f"{item.entry.object[:8]} → {now.object[:8]}"
    sides = [history.subtree(item.path, one.object) for one in (item.entry, now)]
    if None in sides:
        yield f"{item.path}: moved {moved}"
        return
    for path in dict.fromkeys(path for side in sides for path in matches(side, item.below)):
        then, here = (side.get(path) for side in sides)
        if not same(then, here):
            yield f"{item.path}/{path}: {_difference(then, here)} ({moved})"


def _appeared(history: History, commit: RecordedCommit) -> list[str]:
    """Files that a declared glob stands for now and did not then; not what the record itself made."""
    record = commit.record
    then = {*(item.path for item in history.inputs[commit.id]), *history.outputs[commit.id]}
    specs = [spec for spec in record.from_root(record.inputs) if WILD.search(spec)]
    new = dict.fromkeys(
        path for spec in specs for path in history.matching(spec) if path not in then
    )
    return [f"{path}: new" for path in new]


def _difference(then: Entry | None, now: Entry | None) -> str:
    if then is None or now is None:
        return "new" if then is None else "gone"
    return f"{then.object[:8]} → {now.object[:8]}"
