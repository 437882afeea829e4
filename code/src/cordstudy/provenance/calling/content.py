"""Annexed content by declared paths: what is here, getting what is not, and what is damaged.

Owns: asking git which files paths stand for, and git-annex about their content.
Does not own: where content should be (`workspace`, `sources`), or verdicts on it (`gate`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import annex, git, transfer

CHECKSUMS = ("SHA", "MD5", "BLAKE", "SKEIN")
"""How the names of git-annex's backends start whose keys hold a checksum."""
PROVING = re.compile(
    r"(?:SHA(?:1|224|256|384|512)|SHA3_(?:224|256|384|512)|SKEIN(?:256|512)|MD5"
    r"|BLAKE2(?:B|BP|S|SP)(?:160|224|256|384|512)|BLAKE3_256)E?-[^/]*"
)
"""The keys that git-annex itself checks; it takes any bytes for one of another backend, whatever
that is called."""
CHUNK = 200
"""Files that git-annex is told of in one command."""


def damaged_files(repo: Path, files: Sequence[str], *, private: bool = False) -> list[str]:
    """Those annexed files whose content is here and has another checksum than their key says.

    By `git annex calckey`, which changes nothing; `git annex fsck` would move what is damaged away.
    Keys that hold no checksum (URL, WORM) cannot be checked.
    """
    by_backend: dict[str, dict[str, str]] = {}
    for path, key in annex_keys(repo, files, "--in=here", private=private).items():
        backend = key.partition("-")[0]
        if backend.startswith(CHECKSUMS):
            by_backend.setdefault(backend, {})[path] = key
    damaged = []
    for backend, keys in by_backend.items():
        paths = list(keys)
        for start in range(0, len(paths), CHUNK):
            asked = paths[start : start + CHUNK]
            real_keys = _calculated_keys(repo, backend, asked, private=private)
            for path, real_key in zip(asked, real_keys, strict=True):
                if _checksum(keys[path]) != _checksum(real_key):
                    damaged.append(path)
    return damaged


def proves(key: str) -> bool:
    """Whether content can be checked against a key."""
    return PROVING.fullmatch(key) is not None


def holding(repo: Path, files: Sequence[tuple[Path, str]]) -> set[Path]:
    """Those files whose content is what a key (that proves) says, of pairs of the two."""
    by_backend: dict[str, list[tuple[Path, str]]] = {}
    for file, key in files:
        by_backend.setdefault(key.partition("-")[0], []).append((file, key))
    held = set()
    for backend, pairs in by_backend.items():
        for start in range(0, len(pairs), CHUNK):
            asked = pairs[start : start + CHUNK]
            paths = [str(file) for file, _ in asked]
            real_keys = _calculated_keys(repo, backend, paths, private=False)
            for (file, key), real_key in zip(asked, real_keys, strict=True):
                if _checksum(key) == _checksum(real_key):
                    held.add(file)
    return held


def _calculated_keys(repo: Path, backend: str, paths: Sequence[str], *, private: bool) -> list[str]:
    """The keys that the content of files has."""
    answer = annex(repo, "calckey", f"--backend={backend}", "--", *paths, private=private)
    return answer.split()


def _checksum(key: str) -> str:
    """A key without the extension of a file's name, which is not of its content."""
    return key.partition(".")[0]


def listed(repo: Path, specs: Sequence[str], *, private: bool = False) -> list[str]:
    """The files of a clone that paths, globs and folders stand for."""
    found: set[str] = set()
    for start in range(0, len(specs), CHUNK):  # none at all would stand for every file
        some = pathspecs(specs[start : start + CHUNK])
        found.update(git(repo, "ls-files", "-z", "--", *some, private=private).split("\0")[:-1])
    return sorted(found)


def pathspecs(specs: Sequence[str]) -> list[str]:
    """Git's form of declared paths: globs, of which one may name a folder for all below it.

    What they mean, and where git's meaning differs, `history.paths` says.
    """
    patterns = []
    for spec in specs:
        patterns += [f":(glob){spec}", f":(glob){spec}/**"]
    return patterns


def annexed(repo: Path, files: Sequence[str], *matching: str, private: bool = False) -> list[str]:
    """Those of the files that are annexed, locked or not, and match git-annex's options."""
    return list(annex_keys(repo, files, *matching, private=private))


def annex_keys(
    repo: Path, files: Sequence[str], *matching: str, private: bool = False
) -> dict[str, str]:
    """The keys of those files, by file.

    Git-annex answers file by file, in order, and with an empty line for a file that is none of
    those; what it prints of a name is quoted, so that it is not asked for. Raises StudyError for a
    name that it cannot be asked about.
    """
    if not files:  # nothing to start git-annex for
        return {}
    check_names(files)
    options = ("--format=\\000${key}\\000", "--batch", "-z")
    answer = annex(repo, "find", *matching, *options, stdin=_nul_ended(files), private=private)
    keys = {}
    start = 0
    for path in files:
        if answer[start] == "\n":
            start += 1
            continue
        end = answer.index("\0", start + 1)
        keys[path] = answer[start + 1 : end]
        start = end + 1
    return keys


def keys_here(repo: Path) -> frozenset[str]:
    """The keys of all annexed files of a tree whose content is here."""
    return frozenset(annex(repo, "find", "--in=here", "--format=${key}\\n").splitlines())


def _nul_ended(names: Sequence[str]) -> str:
    """Names as git-annex reads them with `-z`."""
    return "".join(f"{name}\0" for name in names)


def check_names(files: Sequence[str]) -> None:
    """Raise StudyError for a name with a line's end, which git-annex takes for two, or for none."""
    for path in files:
        if "\n" in path:
            raise StudyError(
                f"{path!r}: git-annex cannot be asked about a name with a line's end",
                hint="rename the file",
            )


def get(repo: Path, files: Sequence[str], *options: str, private: bool = False) -> list[str]:
    """Ask git-annex for content that is not here; the files that are still without it."""
    absent = annexed(repo, files, "--not", "--in=here", private=private)
    if not absent:
        return []
    argv = ("get", "--json", *options, "--batch", "-z")
    lines = transfer(repo, *argv, stdin=_nul_ended(absent), private=private)
    _show_progress(lines, total=len(absent), label=f"get {repo.name}")
    # in batch mode git-annex says neither reliably which, nor whether any, failed
    return annexed(repo, absent, "--not", "--in=here", private=private)


def copy(repo: Path, files: Sequence[str], remote: str, *, private: bool = False) -> None:
    """Have a remote hold the content of annexed files that is here.

    Raises StudyError where it does not, also for what is not here.
    """
    if not files:
        return
    argv = ("copy", "-q", f"--to={remote}", "--batch", "-z")
    for _ in transfer(repo, *argv, stdin=_nul_ended(files), private=private):
        pass
    absent = annexed(repo, files, "--not", f"--in={remote}", private=private)
    if absent:
        raise StudyError(
            f"the content of {len(absent)} files could not be copied, the first {absent[0]}"
        )


def locations(repo: Path, keys: Sequence[str]) -> dict[str, Path]:
    """Where a clone has the content of keys, of those that it has."""
    if not keys:
        return {}
    asked = "".join(f"{key}\n" for key in keys)
    answer = annex(repo, "contentlocation", "--batch", stdin=asked)
    places = {}
    for key, place in zip(keys, answer.split("\n")):
        if place:
            places[key] = repo / place
    return places


def inject(repo: Path, files: Sequence[Path], *, private: bool = False) -> None:
    """Have git-annex take files that are named like keys; it leaves those of other content."""
    for start in range(0, len(files), CHUNK):
        chunk = [str(file) for file in files[start : start + CHUNK]]
        try:
            annex(repo, "reinject", "-q", "--guesskeys", "--", *chunk, private=private)
        except StudyError:  # of some; they lie where they were
            continue


def get_keys(repo: Path, keys: Sequence[str], *, without: str = "") -> None:
    """Ask git-annex for content by key, whatever a clone has checked out; `without` is a remote
    that is not asked."""
    asked = "".join(f"{key}\n" for key in keys)
    ignoring = ("-c", f"remote.{without}.annex-ignore=true") if without else ()
    lines = transfer(repo, "get", "--json", *ignoring, "--batch-keys", stdin=asked)
    _show_progress(lines, total=len(keys), label="get")


def _show_progress(lines: Iterable[str], *, total: int, label: str) -> None:
    """Wait for git-annex's answers, a line each; that some are missing is the caller's to see."""
    shown = tqdm(lines, total=total, desc=label, unit="file", disable=None, leave=False)
    with suppress(StudyError), shown:
        for _ in shown:
            pass
