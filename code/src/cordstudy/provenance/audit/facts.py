"""What is told of each run to other tools: its command, who and when, what it read and made; and
how the dataset is cited.

Owns: the facts, out of a history.
Does not own: the index that they come from (`history`), or any form of telling (`exports`).

An input or output is told with its path and what it held: an annex key, or git's object id; a file
of a subdataset that is not installed, with the subdataset's commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cordstudy.provenance.citation import PLACE, Citation, parse_citation
from cordstudy.provenance.history.commits import Input, InputBelow, RecordedCommit
from cordstudy.provenance.history.gitlog import Entry, read_objects
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import matches
from cordstudy.provenance.profile import Profile

File = tuple[str, str]
"""A path and what it held."""


@dataclass(frozen=True)
class Fact:
    """One run: its commit, what it did, who when, what it read and made, its environment's lock."""

    commit: str
    subject: str
    command: str
    author: str
    date: str
    inputs: tuple[File, ...]
    outputs: tuple[File, ...]
    environment: str


@dataclass(frozen=True)
class Told:
    """All that is told of a dataset: the runs that made what is there now, oldest first, at which
    commit, of what dataset, how that commit says that it is cited."""

    facts: tuple[Fact, ...]
    head: str
    profile: Profile
    cited: Citation


def facts(history: History, profile: Profile) -> Told:
    """The facts of a history at its commit."""
    runs = [_fact(history, commit, profile) for commit in history.live]
    return Told(tuple(runs), history.id, profile, _citation(history))


def _citation(history: History) -> Citation:
    """What the commit's CITATION.cff says; of a dataset without one nothing is known."""
    entry = history.tree.get(PLACE)
    if entry is None or not entry.is_plain:
        return parse_citation("{}")
    [content] = read_objects(history.repo, [entry.object])
    return parse_citation(content.decode("utf-8-sig", errors="replace"))


def entity_name(file: File) -> str:
    """The name of what a path held: two versions of a file are two entities."""
    path, held = file
    return f"{path}#{held}"


def _fact(history: History, commit: RecordedCommit, profile: Profile) -> Fact:
    read: dict[str, str] = {}
    for item in history.inputs(commit):
        read.update(_held(history, item))
    made: dict[str, str] = {}
    for path in history.outputs[commit.id]:
        entry = history.entry_after(commit.id, path)
        if entry:
            made[path] = _identity(entry)
    return Fact(
        commit=commit.id,
        subject=commit.subject,
        command=commit.record.cmd,
        author=commit.author,
        date=commit.date,
        inputs=tuple(sorted(read.items())),
        outputs=tuple(sorted(made.items())),
        environment=read.get(profile.lock, ""),
    )


def _held(history: History, item: Input) -> Iterator[File]:
    """The files that an input stood for."""
    if item.entry is None:
        return
    if not isinstance(item, InputBelow):
        yield item.path, _identity(item.entry)
        return
    tree = history.subtree(item.path, item.entry.object)
    if tree is None:
        yield item.spec, item.entry.object
        return
    for path in matches(tree, item.below):
        yield f"{item.path}/{path}", _identity(tree[path])


def _identity(entry: Entry) -> str:
    return entry.key or entry.object
