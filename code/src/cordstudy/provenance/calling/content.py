"""Annexed content by declared paths: what is here, getting what is not, and what is damaged.

Owns: asking git which files paths stand for, and git-annex about their content.
Does not own: where content should be (`workspace`, `sources`), or verdicts on it (`gate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import annex, annex_lines, git

CHECKSUMS = ("SHA", "MD5", "BLAKE", "SKEIN")
"""How the names of git-annex's backends start whose keys hold a checksum."""
CHUNK = 200
"""Files that one `git annex calckey` is asked about."""


def damaged_files(repo: Path, files: Sequence[str], *, private: bool = False) -> list[str]:
    """Those annexed files whose content is here and has another checksum than their key says.

    By `git annex calckey`, which changes nothing; `git annex fsck` would move what is damaged away.
    Keys that hold no checksum (URL, WORM) cannot be checked.
    """
    by_backend: dict[str, list[tuple[str, str]]] = {}
    for path, key in annex_keys(repo, files, "--in=here", private=private).items():
        by_backend.setdefault(key.partition("-")[0], []).append((key, path))
    found = []
    for backend, some in by_backend.items():
        if backend.startswith(CHECKSUMS):
            for start in range(0, len(some), CHUNK):
                paths = [path for _, path in some[start : start + CHUNK]]
                now = annex(
                    repo, "calckey", f"--backend={backend}", "--", *paths, private=private
                ).split()
                found += [
                    path
                    for (key, path), new in zip(some[start : start + CHUNK], now, strict=True)
                    if key.partition(".")[0] != new.partition(".")[0]
                ]
    return found


def listed(repo: Path, specs: Sequence[str], *, private: bool = False) -> list[str]:
    """The files of a clone that paths, globs and folders stand for."""
    if not specs:  # to git, no path is every path
        return []
    told = git(repo, "ls-files", "-z", "--", *pathspecs(specs), private=private)
    return [path for path in told.split("\0") if path]


def pathspecs(specs: Sequence[str]) -> list[str]:
    """Git's form of declared paths: globs, of which one may name a folder for all below it."""
    return [f":(glob){pattern}" for spec in specs for pattern in (spec, f"{spec}/**")]


def annexed(repo: Path, files: Sequence[str], *matching: str, private: bool = False) -> list[str]:
    """Those of the files that are annexed, locked or not, and match git-annex's options."""
    return list(annex_keys(repo, files, *matching, private=private))


def annex_keys(
    repo: Path, files: Sequence[str], *matching: str, private: bool = False
) -> dict[str, str]:
    """The keys of those files, by file.

    Git-annex answers file by file, in order, and with an empty line for a file that is none of those; what
    it prints of a name is quoted, so that it is not asked for. Raises StudyError for a name that it cannot be
    asked about.
    """
    check_names(files)
    asked = "".join(f"{path}\0" for path in files)
    told = annex(
        repo,
        "find",
        *matching,
        "--format=\\000${key}\\000",
        "--batch",
        "-z",
        stdin=asked,
        private=private,
    )
    found, at = {}, 0
    for path in files:
        if told[at] == "\n":
            at += 1
            continue
        end = told.index("\0", at + 1)
        found[path] = told[at + 1 : end]
        at = end + 1
    return found


def check_names(files: Sequence[str]) -> None:
    """Raise StudyError for a name with a line's end, which git-annex takes for two, or for none."""
    if odd := next((path for path in files if "\n" in path), ""):
        raise StudyError(
            f"{odd!r}: git-annex cannot be asked about a name with a line's end",
            hint="rename the file",
        )


def get(repo: Path, files: Sequence[str], *options: str, private: bool = False) -> list[str]:
    """Ask git-annex for content that is not here; the files that are still without it."""
    absent = annexed(repo, files, "--not", "--in=here", private=private)
    if not absent:
        return []
    asked = "".join(f"{path}\0" for path in absent)
    lines = annex_lines(
        repo, "get", "--json", *options, "--batch", "-z", stdin=asked, private=private
    )
    for _ in tqdm(
        lines, total=len(absent), desc=f"get {repo.name}", unit="file", disable=None, leave=False
    ):
        pass  # in batch mode git-annex says neither reliably which, nor whether any, failed
    return annexed(repo, absent, "--not", "--in=here", private=private)


def get_keys(repo: Path, keys: Sequence[str]) -> None:
    """Ask git-annex for content by key, whatever a clone has checked out."""
    asked = "".join(f"{key}\n" for key in keys)
    lines = annex_lines(repo, "get", "--json", "--batch-keys", stdin=asked)
    for _ in tqdm(lines, total=len(keys), desc="get", unit="file", disable=None, leave=False):
        pass
