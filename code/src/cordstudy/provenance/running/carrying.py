"""Carrying annexed content in a dataset's own history, and getting it from there.

Owns: bringing what is carried up to date in a commit, and the git-annex remote, of this clone
alone, that gives it.
Does not own: the files and their limits (`history.carried`), or which content is wanted (told by
the caller).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import annex_keys
from cordstudy.provenance.calling.gitannex import annex, git, git_ok
from cordstudy.provenance.history.carried import (
    FOLDER,
    LARGEST_TOTAL,
    Carried,
    carried,
    is_checkable,
    is_content_of,
    place_of,
    size_of,
)
from cordstudy.provenance.history.gitlog import Tree, read_tree
from cordstudy.provenance.history.paths import Declared
from cordstudy.provenance.running.landing import commit_files

REMOTE = "carried"
"""What the remote is called in a clone."""


@dataclass(frozen=True)
class Cargo:
    """What a commit carries and what it should: files that are there, those of them that nothing
    wants any more, and by key the wanted paths that are not carried."""

    files: Sequence[Carried]
    names: Mapping[str, str]
    """The path in the dataset of each wanted key."""
    spare: Sequence[Carried]
    lacking: Mapping[str, str]


def cargo(dataset: Path, wanted: Sequence[str], *, commit: str = "HEAD") -> Cargo:
    """Look at what a commit carries; `wanted` are globs of the paths whose content it should."""
    tree = read_tree(dataset, commit)
    files = carried(dataset, tree)
    names = _wanted_keys(tree, wanted)
    held = {file.key for file in files}
    spare = [file for file in files if file.key not in names]
    lacking = {key: path for key, path in names.items() if key not in held}
    return Cargo(files, names, spare, lacking)


def _wanted_keys(tree: Tree, wanted: Sequence[str]) -> dict[str, str]:
    """The first path of each annexed key that globs stand for."""
    declared = Declared(wanted)
    names: dict[str, str] = {}
    for path, entry in tree.items():
        if entry.key and declared.covers(path):
            names.setdefault(entry.key, path)
    return names


def update(dataset: Path, wanted: Sequence[str]) -> str:
    """Commit what is wanted and here, and take out what is not wanted; the commit, empty where all
    is as it should be.

    Raises StudyError for content that is not here, and where it would be too much.
    """
    now = cargo(dataset, wanted)
    if not (now.spare or now.lacking):
        return ""
    total = sum(size_of(key) for key in now.names)
    if total > LARGEST_TOTAL:
        raise StudyError(
            f"{total / 10**6:.1f} MB would be carried, more than {LARGEST_TOTAL / 10**6:.0f}",
            hint="each clone of the dataset has it: carry less (code/docs/decisions/0008)",
        )
    entries: dict[str, bytes | None] = {file.path: None for file in now.spare}
    for key, content in _contents(dataset, now.lacking).items():
        entries[place_of(key)] = content
    return commit_files(dataset, lambda _: entries, _message(now))


def _contents(dataset: Path, lacking: Mapping[str, str]) -> dict[str, bytes]:
    """The content of wanted keys, by key. Raises StudyError for one that is not here as it is."""
    here = set(annex_keys(dataset, list(lacking.values()), "--in=here").values())
    contents = {}
    for key, path in lacking.items():
        if not is_checkable(key):
            raise StudyError(f"{path}: its key, {key}, holds no SHA256 to check a copy by")
        if key not in here:
            raise StudyError(f"the content of {path} is not here", hint=f"datalad get {path}")
        contents[key] = (dataset / path).read_bytes()
        if not is_content_of(key, contents[key]):
            raise StudyError(
                f"the content of {path} is not what its key says", hint="git annex fsck"
            )
    return contents


def _message(now: Cargo) -> str:
    lines = [f"now     {path}" for path in now.lacking.values()]
    lines += [f"no more {file.key or file.path}" for file in now.spare]
    body = "\n".join(lines)
    return f"chore(carried): bring up to date what travels with the history\n\n{body}\n"


def enable(dataset: Path) -> list[Carried]:
    """Have `git annex get` find what is carried, offline, and `drop` know of it; what it is.

    To be repeated where the clone has moved, and after what is carried has changed. Raises
    StudyError for a file that is not what its key says.
    """
    files = [file for file in carried(dataset, read_tree(dataset, "HEAD")) if file.key]
    here = [file for file in files if (dataset / file.path).is_file()]
    if not here:
        return []
    _set_remote(dataset)
    # git-annex takes a file's being there for its content: none is told of that was not read
    whole = [file for file in here if file.holds((dataset / file.path).read_bytes())]
    _register(dataset, [file.key for file in whole])
    damaged = [file.path for file in here if file not in whole]
    if damaged:
        raise StudyError(
            f"{damaged[0]} is not the content that it is carried as", hint="git restore it"
        )
    return whole


def _set_remote(dataset: Path) -> None:
    """Make the remote, or tell it where the clone now is. It is of this clone alone: nothing of it
    enters what is shared."""
    place = f"directory={(dataset / FOLDER).resolve()}"
    if git_ok(dataset, "config", f"remote.{REMOTE}.annex-uuid"):
        annex(dataset, "enableremote", "-q", REMOTE, place)
    else:
        options = ("type=directory", place, "encryption=none")
        annex(dataset, "initremote", "-q", "--private", REMOTE, *options)
    for name in ("annex-speculate-present", "annex-readonly"):
        git(dataset, "config", f"remote.{REMOTE}.{name}", "true")


def _register(dataset: Path, keys: Sequence[str]) -> None:
    """Tell git-annex which keys the remote has, and has no more: `drop` asks what it was told."""
    uuid = git(dataset, "config", f"remote.{REMOTE}.annex-uuid").strip()
    known = set(annex(dataset, "findkeys", f"--in={REMOTE}").split())
    lines = [f"{key} {uuid} 1\n" for key in keys]
    lines += [f"{key} {uuid} 0\n" for key in sorted(known - set(keys))]
    annex(dataset, "setpresentkey", "--batch", stdin="".join(lines))
