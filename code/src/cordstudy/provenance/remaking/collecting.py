"""Taking what a record made again out of its workspace, and nothing else.

Owns: which files count, handing content to git-annex, which checks it, and what came out other.
Does not own: running the record (`execution`).

What a command left is not trusted: no git runs in its workspace, a link is no file, and a file is
what its key says or it stays there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cordstudy.provenance.calling.content import inject, locations
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.remaking.limits import size_of
from cordstudy.provenance.running.workspace import Workspace

Others = Mapping[str, str]
"""Files that did not come out as they were, each with how."""


def collect(ws: Workspace, made: Mapping[str, Entry]) -> tuple[list[str], Others]:
    """Give the dataset the annexed content that came out as it was; its keys, and the rest."""
    others: dict[str, str] = {}
    places: dict[str, Path] = {}
    taken: dict[str, str] = {}
    keys = ws.folder / "keys"
    keys.mkdir()
    here = locations(ws.dataset, [entry.key for entry in made.values() if entry.key])
    in_git: dict[str, str] = {}
    for path, entry in made.items():
        why = _unfit(ws.path, path, entry)
        if why:
            others[path] = why
        elif not entry.key:
            in_git[path] = entry.object
        elif not (ws.path / path).is_symlink() and entry.key not in {*here, *taken}:
            taken[entry.key] = path
            places[path] = keys / entry.key.replace("/", "%")
            (ws.path / path).rename(places[path])
    others |= _other_in_git(ws, in_git)
    inject(ws.dataset, list(places.values()))
    for path, place in places.items():
        if place.exists():
            others[path] = "other bytes of the same number"
    return _came(ws, made, others), others


def _came(ws: Workspace, made: Mapping[str, Entry], others: Others) -> list[str]:
    """The keys of what came out as it was, but for links to what was there before."""
    keys: dict[str, None] = {}
    for path, entry in made.items():
        if entry.key and path not in others and not (ws.path / path).is_symlink():
            keys[entry.key] = None
    return list(keys)


def _unfit(root: Path, path: str, entry: Entry) -> str:
    """Why what lies at a path cannot be what was made; empty where it can."""
    file = root / path
    if os.path.realpath(file.parent) != str(file.parent):
        return "a folder in its path is a link"
    try:
        status = file.lstat()
    except OSError:
        return "it was not made"
    if stat.S_ISLNK(status.st_mode):
        return _unfit_link(file, entry)
    if not stat.S_ISREG(status.st_mode):
        return "it is no file"
    if entry.key and size_of(entry.key) and status.st_size != size_of(entry.key):
        return f"{status.st_size} bytes, recorded {size_of(entry.key)}"
    return ""


def _unfit_link(file: Path, entry: Entry) -> str:
    """The same of a link: one to the content of a key is what `git annex add` would make of it, as
    of a step that passes on what it read."""
    if entry.key and os.path.basename(os.readlink(file)) == entry.key:
        return ""
    return "it is no file" if entry.key or not entry.mode.startswith("12") else ""


def _other_in_git(ws: Workspace, objects: Mapping[str, str]) -> Others:
    """Those files that git keeps which came out other."""
    plain = [path for path in objects if not (ws.path / path).is_symlink()]
    names = "".join(f"{ws.path / path}\n" for path in plain)
    asked = ("hash-object", "--no-filters", "--stdin-paths")
    now = git(ws.dataset, *asked, stdin=names, private=True).split() if plain else []
    others = {}
    for path, name in zip(plain, now, strict=True):
        if name != objects[path]:
            others[path] = "other bytes"
    return others
