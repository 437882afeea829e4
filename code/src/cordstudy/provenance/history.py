"""The index of a history: who made each file, from what, and what has changed since.

Owns: reading git's history once, and the questions that can be asked of it.
Does not own: the text of records (`records`), verdicts on them (`audit`, `status`), or content:
annex keys come from links and pointers, which are git objects.

One `git log` gives every commit with the blobs that it changed; walking it from the oldest on
gives each record the tree that it ran in. Merges are read against their first parent, so that a
`datalad run` whose command commits (a run commit with two parents) is one record like others.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sortedcontainers import SortedDict

from cordstudy.errors import StudyError
from cordstudy.provenance.gitannex import ZERO, git, git_bytes, tree_entries
from cordstudy.provenance.paths import WILD, matches
from cordstudy.provenance.records import RunRecord, parse_message

LOG = ("log", "--topo-order", "-z", "--raw", "--no-renames", "--no-abbrev", "-r", "--diff-merges=first-parent",
       "--root", "--format=format:%x01%H%x00%P%x00%an%x00%ae%x00%aI%x00%B%x02")  # fmt: skip
GITLINK = "160000"
LARGEST_POINTER = 512


@dataclass(frozen=True)
class Entry:
    """What a path holds in a tree: git's mode and object id."""

    mode: str
    object: str


@dataclass(frozen=True)
class Commit:
    """One commit, with the entries that it changed by path (None: removed)."""

    id: str
    parents: tuple[str, ...]
    author: str
    date: str
    subject: str
    record: RunRecord | None
    changes: Mapping[str, Entry | None]


@dataclass(frozen=True)
class Input:
    """What one declared input of a record was when it ran: a file, or a path in a subdataset.

    `entry` is None where nothing was there; for a path in a subdataset it is the gitlink, and
    `below` the path in it.
    """

    spec: str
    path: str
    entry: Entry | None
    below: str = ""


class History:
    """The index of the history of one commit. Raises StudyError for a shallow clone."""

    def __init__(self, repo: Path, commit: str = "HEAD") -> None:
        if git(repo, "rev-parse", "--is-shallow-repository").strip() == "true":
            raise StudyError(
                f"{repo} is a shallow clone: the history that would tell is not there", hint="git fetch --unshallow"
            )
        self.repo = repo
        self.commits = list(_commits(repo, commit))
        """Newest first: a commit stands before its parents."""
        self.id = self.commits[0].id
        self.by_id = {one.id: one for one in self.commits}
        self.inputs: dict[str, tuple[Input, ...]] = {}
        """What each record read, by its commit."""
        self.outputs: dict[str, tuple[str, ...]] = {}
        """The files that each record's declared outputs stood for when it had run, by its commit."""
        self._claims: dict[tuple[str, str], list[str]] = {}
        self._origins: dict[tuple[str, str], str] = {}
        self._latest: dict[str, str] = {}
        self._held: dict[tuple[str, str], Entry] = {}
        self._subtrees: dict[tuple[str, str], SortedDict | None] = {}
        self._subkeys: dict[tuple[str, str], dict[str, str]] = {}
        self.tree = self._walk()
        """Every path of the commit, sorted, with its entry."""

    def _walk(self) -> SortedDict:
        """Go from the oldest commit on, with the tree of each; the tree of the last."""
        children = Counter(one.parents[0] for one in self.commits if one.parents)
        kept: dict[str, SortedDict] = {}
        at, tree = "", SortedDict()
        for commit in reversed(self.commits):
            parent = commit.parents[0] if commit.parents else ""
            if parent != at:
                tree = kept[parent].copy() if parent else SortedDict()
            if commit.record:
                self.inputs[commit.id] = tuple(_inputs(commit.record, tree))
            for path, entry in commit.changes.items():
                if entry is None:
                    tree.pop(path, None)
                else:
                    tree[path] = entry
                    self._origins[path, entry.object] = commit.id
            if commit.record:
                self._claim(commit, tree)
            at = commit.id
            if children[commit.id] > 1 or (children[commit.id] and not self._next_is_child(commit)):
                kept[commit.id] = tree.copy()
        return tree

    @cached_property
    def _following(self) -> dict[str, str]:
        """The commit that is walked after each."""
        ids = [one.id for one in reversed(self.commits)]
        return dict(itertools.pairwise(ids))

    def _next_is_child(self, commit: Commit) -> bool:
        after = self._following.get(commit.id)
        return bool(after) and self.by_id[after].parents[:1] == (commit.id,)

    def _claim(self, commit: Commit, tree: SortedDict) -> None:
        specs = commit.record.from_root(commit.record.outputs)
        found = tuple(dict.fromkeys(path for spec in specs for path in matches(tree, spec)))
        self.outputs[commit.id] = found
        for path in found:
            self._claims.setdefault((path, tree[path].object), []).append(commit.id)
            self._latest[path] = commit.id
            self._held[commit.id, path] = tree[path]

    @property
    def records(self) -> Iterator[Commit]:
        """The commits with a record, newest first."""
        return (commit for commit in self.commits if commit.record)

    def origin(self, path: str) -> Commit:
        """The newest commit that put there what a path holds now."""
        return self.by_id[self._origins[path, self.tree[path].object]]

    def put(self, path: str, entry: Entry) -> Commit | None:
        """The newest commit that gave a path an entry."""
        found = self._origins.get((path, entry.object))
        return self.by_id[found] if found else None

    def claims(self, path: str, entry: Entry | None = None) -> list[Commit]:
        """The records that gave a path the entry (that it has now) as a declared output, newest first."""
        held = (entry or self.tree[path]).object
        return [self.by_id[one] for one in reversed(self._claims.get((path, held), ()))]

    def claims_latest(self, path: str) -> str:
        """The newest record that had a path among its outputs, whatever it held."""
        return self._latest.get(path, "")

    def held(self, commit: str, path: str) -> Entry:
        """What one of a record's outputs was when it had run."""
        return self._held[commit, path]

    def producer(self, path: str, entry: Entry | None = None, *, before: str | None = None) -> Commit | None:
        """The newest record that gave a path an entry; with `before`, of those that ran earlier."""
        for commit in self.claims(path, entry):
            if before is None or self._order[commit.id] > self._order[before]:
                return commit
        return None

    @cached_property
    def _order(self) -> dict[str, int]:
        return {commit.id: n for n, commit in enumerate(self.commits)}

    @cached_property
    def keys(self) -> dict[str, str]:
        """The annex key of each object that is a link or pointer to annexed content."""
        entries = {entry for commit in self.commits for entry in commit.changes.values() if entry}
        return _keys(self.repo, entries)

    def key(self, entry: Entry) -> str:
        """The annex key of an entry; empty for what is in git."""
        return self.keys.get(entry.object, "")

    @cached_property
    def made(self) -> dict[str, list[tuple[Commit, str]]]:
        """The records that made a content, by key or object, oldest first, and under which path."""
        found: dict[str, list[tuple[Commit, str]]] = {}
        for (path, held), ids in self._claims.items():
            for one in ids:
                found.setdefault(self.keys.get(held, held), []).append((self.by_id[one], path))
        return found

    def changed(self, commit: Commit) -> list[str]:
        """The inputs of a record that are no longer what they were, as `path: how`."""
        told = []
        for item in self.inputs[commit.id]:
            if item.below:
                told += self._changed_below(item)
                continue
            now = self.tree.get(item.path)
            if now != item.entry:
                told.append(f"{item.path}: {_difference(item.entry, now)}")
        return told + self._appeared(commit)

    def _changed_below(self, item: Input) -> list[str]:
        """What differs in a subdataset, in the paths that were declared; where it is not
        installed, that its pin moved."""
        now = self.tree.get(item.path)
        if now == item.entry:
            return []
        if now is None:
            return [f"{item.path}: gone"]
        moved = f"{item.entry.object[:8]} → {now.object[:8]}"
        sides = [self.subtree(item.path, one.object) for one in (item.entry, now)]
        if None in sides:
            return [f"{item.path}: moved {moved}"]
        paths = dict.fromkeys(path for side in sides for path in matches(side, item.below))
        return [
            f"{item.path}/{path}: {_difference(sides[0].get(path), sides[1].get(path))} ({moved})"
            for path in paths
            if sides[0].get(path) != sides[1].get(path)
        ]

    def subtree(self, link: str, commit: str) -> SortedDict | None:
        """The tree of an installed subdataset at a commit; None where that is not here."""
        if (link, commit) not in self._subtrees:
            self._subtrees[link, commit] = _tree_of(self.repo / link, commit)
        return self._subtrees[link, commit]

    def subkeys(self, link: str, commit: str) -> dict[str, str]:
        """The annex keys in an installed subdataset at a commit, by object."""
        if (link, commit) not in self._subkeys:
            entries = (self.subtree(link, commit) or {}).values()
            self._subkeys[link, commit] = _keys(self.repo / link, set(entries))
        return self._subkeys[link, commit]

    def _appeared(self, commit: Commit) -> list[str]:
        """Files that a declared glob stands for now and did not then; not what the record itself made."""
        record = commit.record
        then = {*(item.path for item in self.inputs[commit.id]), *self.outputs[commit.id]}
        specs = [spec for spec in record.from_root(record.inputs) if WILD.search(spec)]
        new = dict.fromkeys(path for spec in specs for path in matches(self.tree, spec) if path not in then)
        return [f"{path}: new" for path in new]


def _difference(then: Entry | None, now: Entry | None) -> str:
    if then is None or now is None:
        return "new" if then is None else "gone"
    return f"{then.object[:8]} → {now.object[:8]}"


def _inputs(record: RunRecord, tree: SortedDict) -> Iterator[Input]:
    """What a record's inputs were in the tree that it ran in."""
    for spec in record.from_root((*record.inputs, *record.extra_inputs)):
        found = matches(tree, spec)
        link = None if found else _link_above(spec, tree)
        if link:
            yield Input(spec, link, tree[link], spec[len(link) + 1 :])
        elif not found:
            yield Input(spec, spec, None)
        for path in found:
            yield Input(spec, path, tree[path], "." if tree[path].mode == GITLINK else "")


def _link_above(spec: str, tree: SortedDict) -> str | None:
    """The subdataset that a path lies in."""
    parts = spec.split("/")
    folders = ("/".join(parts[:n]) for n in range(1, len(parts)))
    return next((path for path in folders if (entry := tree.get(path)) and entry.mode == GITLINK), None)


def _commits(repo: Path, commit: str) -> Iterator[Commit]:
    for entry in git(repo, *LOG, commit).split("\x01")[1:]:
        about, _, raw = entry.partition("\x02")
        name, parents, author, mail, date, body = about.split("\0", 5)
        record = parse_message(body, commit=name, parent=parents.split(" ")[0], repo=repo)
        subject = body.partition("\n")[0].removeprefix("[DATALAD RUNCMD] ")
        yield Commit(name, tuple(parents.split()), f"{author} <{mail}>", date, subject, record, _changes(raw))


def _changes(raw: str) -> dict[str, Entry | None]:
    tokens = [token.lstrip("\n") for token in raw.split("\0")]
    start = next((n for n, token in enumerate(tokens) if token.startswith(":")), len(tokens))
    found = {}
    for meta, path in zip(tokens[start::2], tokens[start + 1 :: 2]):
        if not meta:
            break
        _, mode, _, blob, _ = meta.split()
        found[path] = None if blob == ZERO else Entry(mode, blob)
    return found


def _tree_of(repo: Path, commit: str) -> SortedDict | None:
    try:
        return SortedDict({path: Entry(*pair) for path, pair in tree_entries(repo, commit).items()})
    except (StudyError, OSError):
        return None


def _keys(repo: Path, entries: Sequence[Entry]) -> dict[str, str]:
    """The annex key of links and of small files that are pointers, by object."""
    links = {entry.object for entry in entries if entry.mode == "120000"}
    files = {entry.object for entry in entries if entry.mode.startswith("100")}
    sizes = (
        line.split() for line in _cat(repo, "--batch-check=%(objectname) %(objectsize)", files).decode().split("\n")
    )
    small = {pair[0] for pair in sizes if len(pair) == 2 and 20 < int(pair[1]) <= LARGEST_POINTER}
    out, found, at = _cat(repo, "--batch", links | small), {}, 0
    while at < len(out):
        end = out.index(b"\n", at)
        name, _, size = out[at:end].decode().split()
        text = out[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
        if name in links and b"annex/objects/" in text:
            found[name] = text.decode(errors="surrogateescape").rpartition("/")[2]
        elif text.startswith(b"/annex/objects/"):
            found[name] = text.partition(b"\n")[0].decode(errors="surrogateescape").rpartition("/")[2]
    return found


def _cat(repo: Path, form: str, objects: set[str]) -> bytes:
    return git_bytes(repo, "cat-file", form, "--buffer", stdin="".join(f"{one}\n" for one in sorted(objects)).encode())
