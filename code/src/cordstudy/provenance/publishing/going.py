"""The annexed files of a dataset that go out, and what its history ever held.

Owns: finding annexed files by paths, refusing content that is absent or damaged, and what the
history ever held and said, all of which goes out with a branch.
Does not own: what may go out (the caller), or where to (`outbox`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import holding, locations, proves
from cordstudy.provenance.calling.gitannex import ANY_BYTES
from cordstudy.provenance.history.gitlog import (
    Entry,
    changes,
    raw_commits,
    read_objects,
    read_tree,
)
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
    check_provable(files)
    held = holding(dataset, [(places[file.key], file.key) for file in files])
    for file in files:
        if places[file.key] not in held:
            raise StudyError(
                f"the content of {file.path} is damaged: its annex key is of other bytes",
                hint="`git annex fsck` sets it aside; then get it again",
            )


def check_provable(files: Sequence[Going]) -> None:
    """Raise StudyError for a file whose content nobody can tell from other content."""
    for file in files:
        if not proves(file.key):
            raise StudyError(
                f"{file.path}: its key, {file.key}, holds no checksum",
                hint=f"git annex migrate --backend=SHA256E {file.path}; or name other paths",
            )


def ever(dataset: Path) -> frozenset[tuple[str, Entry]]:
    """Each path that a commit of the history of HEAD holds, with each entry that it has there."""
    found: set[tuple[str, Entry]] = set()
    for change in changes(dataset, raw_commits(dataset, COMMIT)):
        found.update((path, entry) for path, entry in change.items() if entry)
    return frozenset(found)


def messages(dataset: Path) -> list[str]:
    """What each commit of the history of HEAD says, run records among it."""
    return [commit.message for commit in raw_commits(dataset, COMMIT)]


def texts(dataset: Path, held: Iterable[tuple[str, Entry]]) -> Iterator[tuple[str, str]]:
    """Path and text of those entries that git itself has; bytes that are no UTF-8 as lone
    surrogates."""
    found = sorted((path, entry.object) for path, entry in held if entry.is_plain)
    contents = read_objects(dataset, [name for _, name in found])
    for (path, _), content in zip(found, contents, strict=True):
        yield path, content.decode(errors=ANY_BYTES)
