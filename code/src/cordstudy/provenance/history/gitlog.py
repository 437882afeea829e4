"""Reading commits and trees from git so that nothing in them can pass for something else.

Owns: commits as git keeps them, what each changed against its first parent, trees, annex keys.
Does not own: what a message says (`records`), or what follows from a history (`index`).

Whatever stands in a message, a name or a path is delimited by size (`cat-file --batch`) or by NUL
(`-z`, which no path holds), and read by its place. No setting of git's says how it is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sortedcontainers import SortedDict

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import GITLINK, Held, read_git, tree_entries

LINK = "120000"
PLAIN = "100"
"""How the mode of a file starts that is no link and no subdataset."""
SMALLEST_POINTER = 20
LARGEST_POINTER = 512
"""Bytes that a file has which stands for annexed content."""
KEY = rb"[A-Z0-9_]+(?:-[a-zA-Z][0-9]+)*--[^/\0\n]+"
ANNEX_LINK = re.compile(
    rb"(?:\.\./)*\.git/(?:modules/(?:(?!\.\.?/)[^/\0]+/)+)?annex/objects/"
    rb"(?:\w{2,3}/\w{2,3}/)?(" + KEY + rb")/\1"
)
"""A link that git-annex writes: into the annex of its own repository, and nowhere else."""
ANNEX_POINTER = re.compile(rb"/annex/objects/(" + KEY + rb")\n?")
BLANK = re.compile(rb"\A(?:[ \t\r]*\n)+")
PERSON = re.compile(rb"(?P<who>.*?)(?: (?P<seconds>-?\d{1,18}) (?P<zone>[+-]\d{4}))?", re.DOTALL)
NO_DATE = datetime.fromtimestamp(0, UTC).isoformat()


class Entry(NamedTuple):
    """What a path holds in a tree: git's mode and object id, and the key of annexed content."""

    mode: str
    object: str
    key: str = ""

    @property
    def identity(self) -> str:
        """What is the same where two entries hold the same: a key, however git-annex keeps it, else
        an object as a file (executable or not), a link or a subdataset."""
        return f"annex {self.key}" if self.key else f"{self.mode[:3]} {self.object}"

    @property
    def is_plain(self) -> bool:
        """Whether it is a file whose content git itself has."""
        return self.mode.startswith(PLAIN) and not self.key


if TYPE_CHECKING:

    class Tree(dict[str, Entry]):
        """Every path of a tree with its entry, sorted."""

        def irange(
            self,
            minimum: str | None = None,
            maximum: str | None = None,
            inclusive: tuple[bool, bool] = (True, True),
        ) -> Iterator[str]: ...

else:
    Tree = SortedDict  # whose makers give it no types


@dataclass(frozen=True)
class RawCommit:
    """One commit as git keeps it; bytes that are no UTF-8 are lone surrogates."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    date: str
    message: str


def raw_commits(repo: Path, revision: str) -> list[RawCommit]:
    """The commits of a revision, or of a range, newest first: each before its parents.

    Raises StudyError where there is none.
    """
    if ".." not in revision:
        revision = commit_id(repo, revision)
    listed = read_git(repo, "rev-list", "--topo-order", "--end-of-options", revision, "--")
    ids = listed.decode().split()
    objects = read_objects(repo, ids)
    return [_parse_commit(name, content) for name, content in zip(ids, objects, strict=True)]


def raw_commit(repo: Path, revision: str) -> RawCommit:
    """One commit. Raises StudyError where it is none."""
    name = commit_id(repo, revision)
    return _parse_commit(name, next(read_objects(repo, [name])))


def commit_id(repo: Path, revision: str) -> str:
    """The commit that a revision means. Raises StudyError for none."""
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        answer = read_git(repo, *asked)
    except StudyError as error:
        why = str(error).partition("): ")[2]
        raise StudyError(
            f"{repo} has no commit {revision}" + (f": {why}" if why else ""),
            hint="a history is asked of a git repository with a commit",
        ) from error
    return answer.decode().split()[-1]


def dataset_id(repo: Path, commit: str = "HEAD") -> str:
    """What the dataset of a commit is called; empty for a repository that is no dataset."""
    place = f"{commit}:.datalad/config"
    try:
        answer = read_git(repo, "config", "--no-includes", "--blob", place, "datalad.dataset.id")
    except StudyError:
        return ""
    return text(answer).strip()


def read_objects(repo: Path, ids: Sequence[str]) -> Iterator[bytes]:
    """The content of objects, in the given order. Raises StudyError for one that is not here."""
    if not ids:
        return
    answer = read_git(repo, "cat-file", "--batch", "--buffer", stdin=_lines(ids))
    start = 0
    for _ in ids:
        end = answer.index(b"\n", start)
        name, *_, size = answer[start:end].split(b" ")
        if not size.isdigit():
            raise StudyError(f"{repo} lacks the object {text(name)}", hint="git fsck; git fetch")
        content = end + 1
        yield answer[content : content + int(size)]
        start = content + int(size) + 1


def _lines(words: Iterable[str]) -> bytes:
    """Words as git reads them from its input, a line each."""
    return "".join(f"{word}\n" for word in words).encode()


def _parse_commit(name: str, content: bytes) -> RawCommit:
    """A commit object: headers up to an empty line, then the message; git shows it up to a NUL."""
    head, _, body = content.partition(b"\n\n")
    tree, *headers = [_header(line) for line in head.split(b"\n")]
    parents = takewhile(lambda header: header[0] == b"parent", headers)
    authors = [value for key, value in headers if key == b"author"]
    author, date = _person(authors[0] if authors else b"")
    return RawCommit(
        id=name,
        tree=text(tree[1]),
        parents=tuple(text(value) for _, value in parents),
        author=author,
        date=date,
        message=text(BLANK.sub(b"", body.partition(b"\0")[0], count=1)),
    )


def _header(line: bytes) -> tuple[bytes, bytes]:
    """Key and value of a commit's header."""
    key, _, value = line.partition(b" ")
    return key, value


def _person(line: bytes) -> tuple[str, str]:
    """Who and when, of an author's line; the start of time where none stands there."""
    match = PERSON.fullmatch(line)
    if match is None or not match["seconds"]:
        return text(line), NO_DATE
    return text(match["who"]), _date(int(match["seconds"]), match["zone"].decode())


def _date(seconds: int, zone: str) -> str:
    """A date with its zone (`+0130`); the start of time for one that no calendar has."""
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    if zone.startswith("-"):
        offset = -offset
    try:
        return datetime.fromtimestamp(seconds, timezone(offset)).isoformat()
    except (ValueError, OverflowError, OSError):
        return NO_DATE


def text(content: bytes) -> str:
    """Bytes of a history as text; what is no UTF-8 as lone surrogates."""
    return content.decode(errors="surrogateescape")


def changes(repo: Path, commits: Sequence[RawCommit]) -> list[dict[str, Entry | None]]:
    """What each commit changed against its first parent, by path (None: removed); keys are told."""
    pairs = _tree_pairs(repo, commits)
    options = ("--raw", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules=none")
    asked = _lines(f"{before} {after}" for before, after in pairs)
    answer = read_git(repo, "diff-tree", "--stdin", "-r", "-z", *options, stdin=asked)
    changed = _parse_changes(text(answer), pairs)
    every: list[Held] = []
    for change in changed:
        every += [held for held in change.values() if held]
    keys = annex_keys(repo, every)
    told: list[dict[str, Entry | None]] = []
    for change in changed:
        told.append({path: held and _entry(held, keys) for path, held in change.items()})
    return told


def _tree_pairs(repo: Path, commits: Sequence[RawCommit]) -> list[tuple[str, str]]:
    """The trees of each commit's first parent and of itself."""
    trees = {commit.id: commit.tree for commit in commits}
    empty = read_git(repo, "hash-object", "-t", "tree", "--stdin").decode().strip()
    pairs = []
    for commit in commits:
        before = trees.get(commit.parents[0]) if commit.parents else empty
        if before is None:
            raise StudyError(
                f"{repo} lacks the commit {commit.parents[0]!r}",
                hint="git fsck; git fetch --unshallow",
            )
        pairs.append((before, commit.tree))
    return pairs


def _parse_changes(answer: str, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Held | None]]:
    """Understand `diff-tree --stdin -z`: the two trees on a line, then `:`, values, NUL, path, NUL
    each.

    Before a NUL stand in turn lines of trees and values, and a path, which is not looked into.
    """
    changed: list[dict[str, Held | None]] = []
    fields = answer.split("\0")
    for meta, path in zip_longest(fields[0::2], fields[1::2]):
        *headers, values = meta.split("\n")
        for header in headers:
            pair = pairs[len(changed)]
            if header != " ".join(pair):
                raise StudyError(f"git tells of other trees than {pair}", hint="git fsck")
            changed.append({})
        if path is not None:
            _, mode, _, name, _ = values.split(" ")
            is_removed = not name.strip("0")
            changed[-1][path] = None if is_removed else (mode, name)
    if len(changed) < len(pairs):
        raise StudyError(f"git tells of {len(changed)} of {len(pairs)} commits", hint="git fsck")
    return changed


def read_tree(repo: Path, tree: str) -> Tree:
    """Every path of a tree or commit with its entry, sorted. Raises StudyError where it is not
    here."""
    listed = tree_entries(repo, tree)
    keys = annex_keys(repo, listed.values())
    return Tree((path, _entry(held, keys)) for path, held in listed.items())


def _entry(held: Held, keys: Mapping[tuple[bool, str], str]) -> Entry:
    mode, name = held
    return Entry(mode, name, keys.get((mode == LINK, name), ""))


def annex_keys(repo: Path, entries: Iterable[Held]) -> dict[tuple[bool, str], str]:
    """The annex key of links (True) and of small files that are pointers (False), by object."""
    links: set[str] = set()
    files: set[str] = set()
    for mode, name in entries:
        if mode == LINK:
            links.add(name)
        elif mode != GITLINK:
            files.add(name)
    pointers = _of_pointer_size(repo, sorted(files))
    keys = {}
    for is_link, names in ((True, sorted(links)), (False, pointers)):
        for name, content in zip(names, read_objects(repo, names), strict=True):
            key = annex_key(content, link=is_link)
            if key:
                keys[is_link, name] = key
    return keys


def _of_pointer_size(repo: Path, files: Sequence[str]) -> list[str]:
    """The files that can be a pointer, by their size."""
    form = "--batch-check=%(objectname) %(objectsize)"
    answer = read_git(repo, "cat-file", form, "--buffer", stdin=_lines(files))
    small = []
    for line in answer.decode().splitlines():
        name, size = line.split()
        if size.isdigit() and SMALLEST_POINTER < int(size) <= LARGEST_POINTER:
            small.append(name)
    return small


def annex_key(content: bytes, *, link: bool) -> str:
    """The annex key that a link's target, or else a file, stands for; empty for another."""
    match = (ANNEX_LINK if link else ANNEX_POINTER).fullmatch(content)
    return text(match[1]) if match else ""


def object_id(content: bytes, *, like: str) -> str:
    """The id that git gives a file with this content, in a repository that has the id `like`."""
    digest = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return digest(b"blob %d\0" % len(content) + content).hexdigest()
