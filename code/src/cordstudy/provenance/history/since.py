"""What has changed since a record read it.

Owns: comparing the inputs of a record with what its history's commit holds, in subdatasets too;
that code which only reads otherwise has not changed.
Does not own: the index (`index`), what code says (`code`), or what a change means for a step
(`status`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cordstudy.provenance.history.commits import InputBelow, RecordedCommit
from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import WILD, matches

Pair = tuple[Entry | None, Entry | None]
"""What a path held then, and holds now."""


def changed(history: History, commit: RecordedCommit) -> list[str]:
    """The inputs of a record that are no longer what they were, as `path: how`.

    A file of Python code that git keeps is what it was while it says the same (`code`).
    """
    inputs = history.inputs(commit)
    own: dict[str, Pair] = {}
    for item in inputs:
        if not isinstance(item, InputBelow):
            own[item.path] = (item.entry, history.tree.get(item.path))
    differences = _differences(history, own)
    lines: list[str] = []
    for item in inputs:
        if isinstance(item, InputBelow):
            lines += _in_subdataset(history, item)
        elif item.path in differences:
            lines.append(f"{item.path}: {differences[item.path]}")
    return [*lines, *_appeared(history, commit)]


def same(one: Entry | None, other: Entry | None) -> bool:
    """Whether two entries hold the same, or neither is there."""
    if one is None or other is None:
        return one is other
    return one.identity == other.identity


def _in_subdataset(history: History, item: InputBelow) -> list[str]:
    """What differs in a subdataset, in the paths that were declared; where it is not
    installed, that its pin moved."""
    now = history.tree.get(item.path)
    if same(item.entry, now):
        return []
    if now is None:
        return [f"{item.path}: gone"]
    moved = f"{item.entry.object[:8]} → {now.object[:8]}"
    old_tree = history.subtree(item.path, item.entry.object)
    new_tree = history.subtree(item.path, now.object)
    if old_tree is None or new_tree is None:
        return [f"{item.path}: moved {moved}"]
    paths = [*matches(old_tree, item.below), *matches(new_tree, item.below)]
    pairs = {path: (old_tree.get(path), new_tree.get(path)) for path in paths}
    differences = _differences(history, pairs, link=item.path)
    return [f"{item.path}/{path}: {how} ({moved})" for path, how in differences.items()]


def _differences(history: History, pairs: Mapping[str, Pair], *, link: str = "") -> dict[str, str]:
    """How paths differ that do, in the dataset or a subdataset."""
    differing = {path: pair for path, pair in pairs.items() if not same(*pair)}
    reworded = _reworded(history, differing, link=link)
    return {path: _how(*pair) for path, pair in differing.items() if path not in reworded}


def _reworded(history: History, pairs: Mapping[str, Pair], *, link: str) -> set[str]:
    """The paths at which two files of code say the same in other words."""
    objects: dict[str, tuple[str, str]] = {}
    for path, (then, now) in pairs.items():
        if then is None or now is None or not path.endswith(".py"):
            continue
        if then.is_plain and now.is_plain:
            objects[path] = (then.object, now.object)
    if not objects:
        return set()
    alike = history.sources(link).alike(objects.values())
    return {path for path, pair in objects.items() if pair in alike}


def _appeared(history: History, commit: RecordedCommit) -> Iterable[str]:
    """Files that a declared glob stands for now and did not then; not what the record itself
    made."""
    known = {item.path for item in history.inputs(commit)} | {*history.outputs[commit.id]}
    new: dict[str, None] = {}
    for spec in commit.record.from_root(commit.record.inputs):
        if WILD.search(spec):
            new |= dict.fromkeys(path for path in history.matching(spec) if path not in known)
    return [f"{path}: new" for path in new]


def _how(then: Entry | None, now: Entry | None) -> str:
    if now is None:
        return "gone"
    if then is None:
        return "new"
    return f"{then.object[:8]} → {now.object[:8]}"
