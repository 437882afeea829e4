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

from cordstudy.provenance.calling.content import holding, inject, locations, proves
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.remaking.limits import size_of
from cordstudy.provenance.running.workspace import Workspace

Others = Mapping[str, str]
"""Files that did not come out as they were, each with how."""
OTHER_BYTES = "other bytes of the same number"


def collect(ws: Workspace, made: Mapping[str, Entry]) -> tuple[list[str], Others]:
    """Give the dataset the annexed content that came out as it was; its keys, and the rest.

    Only a key whose content was checked counts: of two files of one key, and of one whose content
    is here already, git-annex is not asked, and they are checked all the same.
    """
    others: dict[str, str] = {}
    by_key: dict[str, dict[str, Path]] = {}
    keys = ws.folder / "keys"
    keys.mkdir()
    in_git: dict[str, str] = {}
    for path, entry in made.items():
        why = _unfit(ws.path, path, entry)
        if why:
            others[path] = why
        elif not entry.key:
            in_git[path] = entry.object
        elif not (ws.path / path).is_symlink():  # else it links to what was there before
            by_key.setdefault(entry.key, {})[path] = ws.path / path
    others |= _other_in_git(ws, in_git)
    here = locations(ws.dataset, list(by_key))
    alone: dict[str, tuple[str, Path]] = {}
    checked: list[tuple[Path, str]] = []
    for key, files in by_key.items():
        if key in here or len(files) > 1:
            checked += [(file, key) for file in files.values()]
        else:
            [(path, file)] = files.items()
            alone[key] = (path, _named(file, keys, key))
    held = holding(ws.dataset, checked)
    came = []
    places = [place for _, place in alone.values()]
    for key, files in by_key.items():
        right = [file for file in files.values() if file in held]
        others |= {
            p: OTHER_BYTES for p, file in files.items() if key not in alone and file not in held
        }
        if right:
            came.append(key)
            if key not in here:
                places.append(_named(right[0], keys, key))
    inject(ws.dataset, places)
    for key, (path, place) in alone.items():
        if place.exists():
            others[path] = OTHER_BYTES
        else:
            came.append(key)
    return came, others


def _named(file: Path, folder: Path, key: str) -> Path:
    """A file moved to where it is named like its key."""
    place = folder / key.replace("/", "%")
    file.rename(place)
    return place


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
    if entry.key and not proves(entry.key):
        return "its key holds no checksum"
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
    plain = [path for path in objects if not (ws.path / path).is_symlink() and "\n" not in path]
    names = "".join(f"{ws.path / path}\n" for path in plain)
    asked = ("hash-object", "--no-filters", "--stdin-paths")
    now = git(ws.dataset, *asked, stdin=names, private=True).split() if plain else []
    others = {}
    for path, name in zip(plain, now, strict=True):
        if name != objects[path]:
            others[path] = "other bytes"
    return others
