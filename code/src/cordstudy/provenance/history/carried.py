"""Annexed content that travels in a dataset's own history, as plain files.

Owns: where such a file is (as git-annex's directory remote has it), which key it is said to hold,
whether it does, and how much of it a commit and a whole history have.
Does not own: which content is carried and putting it there (`running.carrying`), or faults
(`audit.faults_of_carried`).

All is read from git's objects: it works in a bare clone, and nothing is believed of a name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import Tree, read_objects
from cordstudy.provenance.history.paths import below

FOLDER = ".datalad/carried"
LARGEST_TOTAL = 20 * 10**6
"""Bytes that one commit may carry: every clone has them twice, in git and in its tree."""
LARGEST_HISTORY = 150 * 10**6
"""Bytes of all that a history ever carried: every clone has them once."""
KEY = re.compile(r"SHA256E?-s(?P<size>[0-9]+)--(?P<digest>[0-9a-f]{64})(?:\.[A-Za-z0-9_-]+)*")
"""Keys that hold a checksum of ours, by which any copy can be checked."""


@dataclass(frozen=True)
class Carried:
    """A file below the folder: its path, git's object, the size of that, and the key that it is
    said to hold, empty for a file that is not where a key's content belongs."""

    path: str
    object: str
    size: int
    key: str

    def holds(self, content: bytes) -> bool:
        """Whether content is what its key says."""
        return is_content_of(self.key, content)


def is_content_of(key: str, content: bytes) -> bool:
    """Whether content is what a key says; False for a key that holds no checksum of ours."""
    match = KEY.fullmatch(key)
    if match is None or len(content) != int(match["size"]):
        return False
    return hashlib.sha256(content).hexdigest() == match["digest"]


def is_checkable(key: str) -> bool:
    """Whether a key holds a checksum of ours."""
    return KEY.fullmatch(key) is not None


def size_of(key: str) -> int:
    """The size of a checkable key's content, in bytes."""
    match = KEY.fullmatch(key)
    return int(match["size"]) if match else 0


def place_of(key: str) -> str:
    """Where the content of a key is carried, from the dataset's root."""
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    return f"{FOLDER}/{digest[:3]}/{digest[3:6]}/{key}/{key}"


def carried(repo: Path, tree: Tree) -> list[Carried]:
    """What a tree carries, by path; links and subdatasets there hold no key."""
    paths = below(tree, FOLDER)
    sizes = _sizes(repo, [tree[path].object for path in paths])
    found = []
    for path in paths:
        entry = tree[path]
        key = path.rpartition("/")[2]
        is_in_place = entry.is_plain and is_checkable(key) and path == place_of(key)
        size = sizes.get(entry.object, 0)
        found.append(Carried(path, entry.object, size, key if is_in_place else ""))
    return found


def corrupted(repo: Path, files: Sequence[Carried]) -> list[Carried]:
    """Those files in the place of a key that do not hold its content."""
    damaged, read = [], []
    for file in files:
        if file.key and file.size == size_of(file.key):
            read.append(file)
        elif file.key:
            damaged.append(file)
    contents = read_objects(repo, [file.object for file in read])
    for file, content in zip(read, contents, strict=True):
        if not file.holds(content):
            damaged.append(file)
    return damaged


def total_of_history(repo: Path, commit: str) -> int:
    """The bytes of all files that any commit of a history carried, each counted once."""
    asked = ("rev-list", "--objects", "--full-history", commit, "--", FOLDER)
    listed = read_git(repo, *asked).decode(errors="surrogateescape")
    names = {line.partition(" ")[0] for line in listed.splitlines() if f" {FOLDER}/" in line}
    return sum(_sizes(repo, sorted(names)).values())


def _sizes(repo: Path, objects: Iterable[str]) -> dict[str, int]:
    """The sizes of those objects that are files."""
    asked = "".join(f"{name}\n" for name in objects).encode()
    form = "--batch-check=%(objecttype) %(objectname) %(objectsize)"
    sizes = {}
    for line in read_git(repo, "cat-file", form, stdin=asked).decode().splitlines():
        kind, *words = line.split(" ")
        if kind == "blob":
            sizes[words[0]] = int(words[1])
    return sizes
