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
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sortedcontainers import SortedDict

from cordstudy.errors import StudyError
from cordstudy.provenance.gitannex import read_git

GITLINK, LINK = "160000", "120000"
LARGEST_POINTER = 512
KEY = rb"[A-Z0-9_]+(?:-[a-zA-Z][0-9]+)*--[^/\0\n]+"
ANNEX_LINK = re.compile(rb"(?:\.\./)*\.git/(?:modules/(?:(?!\.\.?/)[^/\0]+/)+)?annex/objects/"
                        rb"(?:\w{2,3}/\w{2,3}/)?(" + KEY + rb")/\1")  # fmt: skip
"""A link that git-annex writes: into the annex of its own repository, and nowhere else."""
ANNEX_POINTER = re.compile(rb"/annex/objects/(" + KEY + rb")\n?")
BLANK = re.compile(rb"\A(?:[ \t\r]*\n)+")
PERSON = re.compile(rb"(?P<who>.*?)(?: (?P<seconds>-?\d{1,18}) (?P<zone>[+-]\d{4}))?", re.DOTALL)
NO_DATE = datetime.fromtimestamp(0, timezone.utc).isoformat()


@dataclass(frozen=True, slots=True)
class Entry:
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
    ids = read_git(repo, "rev-list", "--topo-order", "--end-of-options", revision, "--").decode().split()
    objects = read_objects(repo, ids)
    return [_commit(name, content) for name, content in zip(ids, objects, strict=True)]


def commit_id(repo: Path, revision: str) -> str:
    """The commit that a revision means. Raises StudyError for none."""
    try:
        told = read_git(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except StudyError as error:
        raise StudyError(
            f"{repo} has no commit {revision}", hint="a history is asked of a git repository with a commit"
        ) from error
    return told.decode().split()[-1]


def read_objects(repo: Path, ids: Sequence[str]) -> Iterator[bytes]:
    """The content of objects, in the given order. Raises StudyError for one that is not here."""
    asked = "".join(f"{one}\n" for one in ids).encode()
    told = read_git(repo, "cat-file", "--batch", "--buffer", stdin=asked) if ids else b""
    at = 0
    for _ in ids:
        end = told.index(b"\n", at)
        fields = told[at:end].decode().split()
        if len(fields) != 3:
            raise StudyError(f"{repo} lacks the object {fields[0]}", hint="git fsck; git fetch")
        size = int(fields[2])
        yield told[end + 1 : end + 1 + size]
        at = end + 2 + size


def _commit(name: str, content: bytes) -> RawCommit:
    """A commit object: headers up to an empty line, then the message, which git shows up to a NUL."""
    head, _, body = content.partition(b"\n\n")
    (_, tree), *pairs = [line.partition(b" ")[::2] for line in head.split(b"\n")]
    parents = [text(value) for _, value in itertools.takewhile(lambda pair: pair[0] == b"parent", pairs)]
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
        raise StudyError(f"{repo} lacks the commit {error}", hint="git fsck; git fetch --unshallow") from error
    told = read_git(repo, "diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--no-relative",
                    "--ignore-submodules=none", stdin="".join(f"{a} {b}\n" for a, b in pairs).encode())  # fmt: skip
    found = list(_changes(told, pairs))
    keys = annex_keys(repo, (entry for one in found for entry in one.values() if entry))
    return [{path: _with_key(entry, keys) for path, entry in one.items()} for one in found]


def _changes(told: bytes, pairs: Sequence[tuple[str, str]]) -> Iterator[dict[str, Entry | None]]:
    """Understand `diff-tree --stdin -z`: the two trees on a line, then `:`, values, NUL, path, NUL each."""
    at = 0
    for pair in pairs:
        line = f"{pair[0]} {pair[1]}\n".encode()
        if not told.startswith(line, at):
            raise StudyError(f"git tells of other trees than {line.decode().strip()}", hint="git fsck")
        at += len(line)
        found: dict[str, Entry | None] = {}
        while told.startswith(b":", at):
            middle = told.index(b"\0", at)
            end = told.index(b"\0", middle + 1)
            _, mode, _, held, _ = told[at:middle].decode().split()
            found[text(told[middle + 1 : end])] = Entry(mode, held) if held.strip("0") else None
            at = end + 1
        yield found


def read_tree(repo: Path, tree: str) -> SortedDict:
    """Every path of a tree or commit with its entry, sorted. Raises StudyError where it is not here."""
    told = read_git(repo, "ls-tree", "-r", "-z", "--full-tree", tree)
    lines = [line.partition(b"\t")[::2] for line in told.split(b"\0") if line]
    found = {text(path): Entry(meta.decode().split()[0], meta.decode().split()[2]) for meta, path in lines}
    if len(found) < len(lines):
        raise StudyError(f"{repo}: the tree of {tree[:12]} holds a path twice", hint="git fsck")
    keys = annex_keys(repo, found.values())
    return SortedDict((path, _with_key(entry, keys)) for path, entry in found.items())


def _with_key(entry: Entry | None, keys: Mapping[tuple[bool, str], str]) -> Entry | None:
    key = keys.get((entry.mode == LINK, entry.object)) if entry else None
    return Entry(entry.mode, entry.object, key) if key else entry


def annex_keys(repo: Path, entries: Iterable[Entry]) -> dict[tuple[bool, str], str]:
    """The annex key of links (True) and of small files that are pointers (False), by object."""
    links, files = set(), set()
    for entry in entries:
        if entry.mode != GITLINK:
            (links if entry.mode == LINK else files).add(entry.object)
    found = {}
    for link, asked in ((True, sorted(links)), (False, _small(repo, sorted(files)))):
        for name, content in zip(asked, read_objects(repo, asked), strict=True):
            if key := annex_key(content, link=link):
                found[link, name] = key
    return found


def _small(repo: Path, files: Sequence[str]) -> list[str]:
    """The files that can be a pointer, by their size."""
    asked = "".join(f"{one}\n" for one in files).encode()
    lines = read_git(repo, "cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer", stdin=asked).split(b"\n")
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
