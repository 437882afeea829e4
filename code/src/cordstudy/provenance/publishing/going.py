"""The annexed files of a dataset that go out, and what its history ever held.

Owns: finding annexed files by paths, refusing content that is absent or damaged, and which folders
and texts were ever in the history, all of which goes out with a branch.
Does not own: what may go out (the caller), or where to (`outbox`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import holding, locations, proves
from cordstudy.provenance.calling.gitannex import ANY_BYTES, ZERO, read_git
from cordstudy.provenance.history.gitlog import read_objects, read_tree
from cordstudy.provenance.history.paths import Declared

SIZE = re.compile(r"-s([0-9]+)")
COMMIT = "HEAD"


@dataclass(frozen=True)
class Going:
    """An annexed file of HEAD: its path, and the key of its content."""

    path: str
    key: str

    @property
    def size(self) -> int:
        """Of its content, in bytes, as its key says; 0 where it does not."""
        match = SIZE.search(self.key.partition("--")[0])
        return int(match[1]) if match else 0


def annexed_files(dataset: Path, wanted: Sequence[str]) -> list[Going]:
    """The annexed files of HEAD that paths, globs and folders stand for."""
    declared = Declared(wanted)
    tree = read_tree(dataset, COMMIT)
    return [
        Going(path, entry.key)
        for path, entry in tree.items()
        if entry.key and declared.covers(path)
    ]


def keys_of(files: Sequence[Going]) -> list[str]:
    """The keys of files, each once."""
    return list(dict.fromkeys(file.key for file in files))


def here(dataset: Path, files: Sequence[Going]) -> list[Going]:
    """Those files whose content a clone has."""
    places = locations(dataset, keys_of(files))
    return [file for file in files if file.key in places]


def check_whole(dataset: Path, files: Sequence[Going]) -> None:
    """Raise StudyError unless the content of each file is here, and is what its key says."""
    places = locations(dataset, keys_of(files))
    absent = [file.path for file in files if file.key not in places]
    if absent:
        raise StudyError(
            f"the content of {len(absent)} of {len(files)} files is not here, "
            f"the first {absent[0]}",
            hint=f"datalad get {absent[0]}; or name the paths that are to go out",
        )
    for file in files:
        if not proves(file.key):
            raise StudyError(f"{file.path}: its key, {file.key}, holds no checksum")
    held = holding(dataset, [(places[file.key], file.key) for file in files])
    for file in files:
        if places[file.key] not in held:
            raise StudyError(
                f"the content of {file.path} is damaged: its annex key is of other bytes",
                hint="`git annex fsck` sets it aside; then get it again",
            )


def names_ever(dataset: Path, folder: str) -> set[str]:
    """The folders right below a folder that any commit of the history of HEAD has touched."""
    names = set()
    for path, _ in _changes(dataset, folder):
        rest = path.removeprefix(f"{folder}/").split("/")
        if len(rest) > 1:
            names.add(rest[0])
    return names


def texts_ever(dataset: Path, glob: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of each version, in the history of HEAD, of the files of a glob."""
    found = {(path, name) for path, name in _changes(dataset, f":(glob){glob}") if name}
    pairs = sorted(found)
    contents = read_objects(dataset, [name for _, name in pairs])
    for (path, _), content in zip(pairs, contents, strict=True):
        yield path, content


def _changes(dataset: Path, spec: str) -> Iterator[tuple[str, str]]:
    """Each path that a commit changed, against any of its parents, and the object that it then
    held; empty for none."""
    options = ("--format=", "--raw", "-z", "--no-abbrev", "--no-renames", "-m", "--root")
    answer = read_git(dataset, "log", *options, "--full-history", COMMIT, "--", spec)
    words = answer.decode(errors=ANY_BYTES).split("\0")
    for meta, path in zip(words[0::2], words[1::2]):
        name = meta.split(" ")[3]
        yield path, "" if name == ZERO else name
