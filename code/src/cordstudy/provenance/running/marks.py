"""Whose a workspace's folder is, and whether what it holds may go.

Owns: the mark in each such folder, the finished step that makes it stay, removing it, and what a
run that was killed left of them.
Does not own: what is in a workspace (`workspace`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cordstudy.provenance.calling import guard

MARK = "workspace.json"
"""In each workspace's folder: whose it is, and the step's name."""
UNFINISHED, DONE = "unfinished", "finished"
"""A file beside it has the one name until the step is finished, then the other: a full disk lets it
be renamed."""


TRY = re.compile(r"@[\d_]+\.\d+$")
"""Which try of a step it is, behind the step's name (`machine.full_name`)."""


def mark(folder: Path, dataset: Path, step: str) -> None:
    """Say whose workspace a folder is, and of which step."""
    content = {"dataset": str(dataset.resolve()), "step": step, "host": socket.gethostname()}
    (folder / MARK).write_text(json.dumps(content))
    (folder / UNFINISHED).touch()


def finish(folder: Path) -> None:
    """Have a workspace stay until what it holds has been brought home (`let_go`)."""
    (folder / UNFINISHED).rename(folder / DONE)


def let_go(folder: Path) -> None:
    """Have a workspace be removed as soon as it may."""
    (folder / DONE).unlink()


def finished_step(folder: Path) -> str:
    """The name of the finished step that a workspace still holds; empty for none."""
    if not (folder / DONE).exists():
        return ""
    return str(_marked(folder).get("step") or "")


def _marked(folder: Path) -> Mapping[str, object]:
    """What a workspace's mark says; nothing for a folder without one."""
    try:
        content = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def left_behind(dataset: Path, scratch: Path, *, step: str = "", host: str = "") -> list[Path]:
    """The workspaces of this dataset that a killed run left, of a step or of all, on a host or on
    all that share the folder; what still works in them is ended.

    A folder without the dataset's mark is nobody's business.
    """
    own = [path for path, name in _own(dataset, scratch, host) if step in ("", name)]
    for folder in own:
        guard.end_all(str(folder))
    return own


def workspaces_of(dataset: Path, scratch: Path, *, step: str) -> list[Path]:
    """The workspaces of a step of this dataset that are in a folder, at work or not."""
    return [path for path, name in _own(dataset, scratch, "") if name == step]


def steps_left_behind(dataset: Path, scratch: Path, *, host: str) -> list[str]:
    """The names of the steps of which there are workspaces of this dataset that were made on a
    host, at work or not."""
    return sorted({name for _, name in _own(dataset, scratch, host)})


def _own(dataset: Path, scratch: Path, host: str) -> Iterator[tuple[Path, str]]:
    """The workspaces of this dataset, each with the name of its step."""
    owner = str(dataset.resolve())
    for path in sorted(scratch.resolve().glob(f"*/{MARK}")):
        marked = _marked(path.parent)
        if marked.get("dataset") == owner and host in ("", marked.get("host")):
            yield path.parent, TRY.sub("", str(marked.get("step")))


def remove_tree(path: Path) -> None:
    """Remove a clone with its write-protected annex folders; files keep their modes, as
    their content is shared with the dataset by hard links.

    However deep its folders are: each is moved to the top and emptied there. The mark goes last.
    """
    n = 0
    while True:
        removed = False
        for top in _entries(path):
            if not top.is_dir(follow_symlinks=False):
                if top.name != MARK:
                    removed |= _done(os.unlink, top.path)
                continue
            for entry in _entries(top.path):
                if entry.is_dir(follow_symlinks=False):
                    n += 1
                    place = path / f".gone-{n}"
                    _done(os.chmod, entry.path, 0o755)
                    removed |= _done(os.rename, entry.path, place)
                else:
                    removed |= _done(os.unlink, entry.path)
            removed |= _done(os.rmdir, top.path)
        if not removed:
            break
    shutil.rmtree(path, ignore_errors=True)


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder, which can then be taken out."""
    try:
        os.chmod(folder, 0o755)
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _done(change: Callable[..., None], *values: str | Path | int) -> bool:
    """Whether a change could be made."""
    try:
        change(*values)
    except OSError:
        return False
    return True
