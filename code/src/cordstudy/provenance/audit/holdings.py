"""What annexed content the folders of a dataset hold here, and what could be made again.

Owns: counting it, from keys, links and records, each key once a folder.
Does not own: making it again (`remaking`), or letting it go (`datalad drop`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.calling.content import keys_here
from cordstudy.provenance.calling.gitannex import GITLINK, is_annex
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.index import History
from cordstudy.provenance.remaking.came_back import noted

SIZE = re.compile(r"-s(\d+)(?:-|$)")
DEPTH = 3
"""So many names of a path make a folder of the table."""


@dataclass(frozen=True)
class Holding:
    """What a folder, or a subdataset, holds, in bytes."""

    folder: str
    here: int
    recorded: int
    """All that its links name, wherever it is."""
    came_back: int = 0
    """Of what is here: what came back identical on this machine."""
    made: int = 0
    """Of what is here: what a record made."""
    wall_s: float = 0.0
    """How long the records took that made all that its links name; their inputs not counted."""
    is_installed: bool = True


def holdings(dataset: Path, history: History) -> list[Holding]:
    """What each folder holds of a dataset's own, and each subdataset, by path."""
    keys = keys_here(dataset) if is_annex(dataset) else frozenset()
    came = noted(dataset)
    rows = []
    for folder, paths in _by_folder(history).items():
        rows.append(_folder(history, folder, paths, keys, came))
    for path, entry in history.tree.items():
        if entry.mode == GITLINK:
            rows.append(_subdataset(history, path, entry.object))
    return sorted(rows, key=lambda row: row.folder)


def _by_folder(history: History) -> dict[str, list[str]]:
    """The annexed files of each folder."""
    folders: dict[str, list[str]] = {}
    for path, entry in history.tree.items():
        if entry.key:
            names = path.split("/")[:-1][:DEPTH]
            folders.setdefault("/".join(names) or ".", []).append(path)
    return folders


def _folder(
    history: History,
    folder: str,
    paths: Iterable[str],
    keys: frozenset[str],
    came: Mapping[str, str],
) -> Holding:
    named = {history.tree[path].key: path for path in paths}
    here = [key for key in named if key in keys]
    makers: dict[str, RecordedCommit] = {}
    for key, path in named.items():
        maker = history.producer(path)
        if maker:
            makers[key] = maker
    records = {maker.id: maker.record for maker in makers.values()}
    measured = [record.resources for record in records.values() if record.resources]
    return Holding(
        folder,
        here=_sum(here),
        recorded=_sum(named),
        came_back=_sum(key for key in here if key in came),
        made=_sum(key for key in here if key in makers),
        wall_s=sum(resources["wall_s"] for resources in measured),
    )


def _subdataset(history: History, path: str, commit: str) -> Holding:
    """What a subdataset holds; its own records are its own affair."""
    place = history.repo / path
    tree = history.subtree(path, commit)
    if tree is None or not is_annex(place):
        return Holding(path, here=0, recorded=0, is_installed=False)
    named = {entry.key for entry in tree.values() if entry.key}
    return Holding(path, here=_sum(named & keys_here(place)), recorded=_sum(named))


def _sum(keys: Iterable[str]) -> int:
    """The size of some keys, which say it; of one that does not, nothing is known."""
    sizes = 0
    for key in keys:
        match = SIZE.search(key.partition("--")[0])
        sizes += int(match[1]) if match else 0
    return sizes
