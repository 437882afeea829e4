"""Reading commits and trees from git so that nothing in them can pass for something else.

Owns: commits as git keeps them, what each changed against its first parent, trees, annex keys.
Does not own: what a message says (`records`), or what follows from a history (`history`).

Whatever stands in a message, a name or a path is delimited by size (`cat-file --batch`) or by NUL
(`-z`, which no path holds), and read by its place. No setting of git's says how it is read.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from sortedcontainers import SortedDict

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import read_git

GITLINK, LINK = "160000", "120000"
LARGEST_POINTER = 512
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
    """What a path holds in a tree: git's mode and object id, and the annex key of annexed content."""

    mode: str
    object: str
    key: str = ""

    @property
    def identity(self) -> str:
        """What is the same where two entries hold the same: a key, however git-annex keeps it, else
        an object as a file (executable or not), a link or a subdataset."""
        return f"annex {self.key}" if self.key else f"{self.mode[:3]} {self.object}"


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
    ids = (
        read_git(repo, "rev-list", "--topo-order", "--end-of-options", revision, "--")
        .decode()
        .split()
    )
    objects = read_objects(repo, ids)
    return [_commit(name, content) for name, content in zip(ids, objects, strict=True)]


def raw_commit(repo: Path, revision: str) -> RawCommit:
    """One commit. Raises StudyError where it is none."""
    name = commit_id(repo, revision)
    return _commit(name, next(read_objects(repo, [name])))


def commit_id(repo: Path, revision: str) -> str:
    """The commit that a revision means. Raises StudyError for none."""
    try:
        told = read_git(
            repo, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
    except StudyError as error:
        why = str(error).partition("): ")[2]
        raise StudyError(
            f"{repo} has no commit {revision}" + (f": {why}" if why else ""),
            hint="a history is asked of a git repository with a commit",
        ) from error
    return told.decode().split()[-1]


def read_objects(repo: Path, ids: Sequence[str]) -> Iterator[bytes]:
    """The content of objects, in the given order. Raises StudyError for one that is not here."""
    asked = "".join(f"{one}\n" for one in ids).encode()
    told = read_git(repo, "cat-file", "--batch", "--buffer", stdin=asked) if ids else b""
    at = 0
    for _ in ids:
        end = told.index(b"\n", at)
        name, *_, size = told[at:end].split(b" ")
        if not size.isdigit():
            raise StudyError(f"{repo} lacks the object {text(name)}", hint="git fsck; git fetch")
        yield told[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)


def _commit(name: str, content: bytes) -> RawCommit:
    """A commit object: headers up to an empty line, then the message, which git shows up to a NUL."""
    head, _, body = content.partition(b"\n\n")
    (_, tree), *pairs = [line.partition(b" ")[::2] for line in head.split(b"\n")]
    parents = [
        text(value) for _, value in itertools.takewhile(lambda pair: pair[0] == b"parent", pairs)
    ]
    who, date = _person(next((value for key, value in pairs if key == b"author"), b""))
    message = BLANK.sub(b"", body.partition(b"\0")[0], count=1)
    return RawCommit(name, text(tree), tuple(parents), who, date, text(message))


def _person(line: bytes) -> tuple[str, str]:
    """Who and when, of an author's line; the start of time where none stands there."""
    match = PERSON.fullmatch(line)
    if not match["seconds"]:
        return text(line), NO_DATE
    zone = match["zone"].decode()
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:])) * (-1 if zone[0] == "-" else 1)
    try:
        date = datetime.fromtimestamp(int(match["seconds"]), timezone(offset)).isoformat()
    except (ValueError, OverflowError, OSError):
        date = NO_DATE
    return text(match["who"]), date


def text(content: bytes) -> str:
    """Bytes of a history as text; what is no UTF-8 as lone surrogates."""
    return content.decode(errors="surrogateescape")


def changes(repo: Path, commits: Sequence[RawCommit]) -> list[dict[str, Entry | None]]:
    """What each commit changed against its first parent, by path (None: removed); keys are told."""
    trees = {one.id: one.tree for one in commits}
    empty = read_git(repo, "hash-object", "-t", "tree", "--stdin").decode().strip()
    try:
        pairs = [(trees[one.parents[0]] if one.parents else empty, one.tree) for one in commits]
    except KeyError as error:
        raise StudyError(
            f"{repo} lacks the commit {error}", hint="git fsck; git fetch --unshallow"
        ) from error
    told = read_git(
        repo,
        "diff-tree",
        "--stdin",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "--no-relative",
        "--ignore-submodules=none",
        stdin="".join(f"{a} {b}\n" for a, b in pairs).encode(),
    )
    found = _changes(text(told), pairs)
    keys = annex_keys(repo, (held for one in found for held in one.values() if held))
    return [{path: _entry(held, keys) for path, held in one.items()} for one in found]


Held = tuple[str, str]
"""Mode and object id."""


def _changes(told: str, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Held | None]]:
    """Understand `diff-tree --stdin -z`: the two trees on a line, then `:`, values, NUL, path, NUL each.

    Before a NUL stand in turn lines of trees and values, and a path, which is not looked into.
    """
    found: list[dict[str, Held | None]] = []
    metas, paths = told.split("\0")[0::2], told.split("\0")[1::2]
    for meta, path in itertools.zip_longest(metas, paths):
        *headers, values = meta.split("\n")
        for header in headers:
            if header != " ".join(pairs[len(found)]):
                raise StudyError(
                    f"git tells of other trees than {pairs[len(found)]}", hint="git fsck"
                )
            found.append({})
        if path is not None:
            _, mode, _, held, _ = values.split(" ")
            found[-1][path] = (mode, held) if held.strip("0") else None
    if len(found) < len(pairs):
        raise StudyError(f"git tells of {len(found)} of {len(pairs)} commits", hint="git fsck")
    return found


def listed_tree(repo: Path, tree: str) -> dict[str, Held]:
    """Every path of a tree or commit, with its mode and object. Raises StudyError where it is not here."""
    told = text(read_git(repo, "ls-tree", "-r", "-z", "--full-tree", tree))
    lines = [line.partition("\t")[::2] for line in told.split("\0") if line]
    found = {path: (meta[:6], meta.rpartition(" ")[2]) for meta, path in lines}
    if len(found) < len(lines):
        raise StudyError(f"{repo}: the tree of {tree[:12]} holds a path twice", hint="git fsck")
    return found


def read_tree(repo: Path, tree: str) -> SortedDict:
    """The same with an entry each, sorted."""
    found = listed_tree(repo, tree)
    keys = annex_keys(repo, found.values())
    return SortedDict((path, _entry(held, keys)) for path, held in found.items())


def _entry(held: Held | None, keys: Mapping[tuple[bool, str], str]) -> Entry | None:
    return Entry(*held, keys.get((held[0] == LINK, held[1]), "")) if held else None


def annex_keys(repo: Path, entries: Iterable[Held]) -> dict[tuple[bool, str], str]:
    """The annex key of links (True) and of small files that are pointers (False), by object."""
    links, files = set(), set()
    for mode, held in entries:
        if mode != GITLINK:
            (links if mode == LINK else files).add(held)
    found = {}
    for link, asked in ((True, sorted(links)), (False, _small(repo, sorted(files)))):
        for name, content in zip(asked, read_objects(repo, asked), strict=True):
            if key := annex_key(content, link=link):
                found[link, name] = key
    return found


def _small(repo: Path, files: Sequence[str]) -> list[str]:
    """The files that can be a pointer, by their size."""
    asked = "".join(f"{one}\n" for one in files).encode()
    lines = read_git(
        repo, "cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer", stdin=asked
    ).split(b"\n")
    sizes = [line.decode().split() for line in lines if line]
    return [name for name, size in sizes if size.isdigit() and 20 < int(size) <= LARGEST_POINTER]


def annex_key(content: bytes, *, link: bool) -> str:
    """The annex key that a link's target, or else a file, stands for; empty for another."""
    match = (ANNEX_LINK if link else ANNEX_POINTER).fullmatch(content)
    return text(match[1]) if match else ""


def object_id(content: bytes, *, like: str) -> str:
    """The id that git gives a file with this content, in a repository that has the id `like`."""
    digest = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return digest(b"blob %d\0" % len(content) + content).hexdigest()
