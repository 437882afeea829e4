"""What came back identical on this machine: keys, and the records that made them again here.

Owns: the file that remembers it in a clone, and telling git-annex that the remote has them.
Does not own: making anything again (`remake`, `audit.reproduction`).

Only such keys does the remote vouch for: that a record exists proves nothing, as a command may give
other bytes each time, or give none on this machine.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Mapping
from pathlib import Path

from cordstudy.provenance.calling.gitannex import annex, git, git_ok
from cordstudy.provenance.profile import NAME

REMOTE = "rerun"
"""What the remote is called in a clone."""


def note(dataset: Path, record: str, keys: Iterable[str]) -> None:
    """Remember that keys came back identical here by running a record (its commit) again."""
    known = noted(dataset)
    new = [key for key in keys if known.get(key) != record]
    if not new:
        return
    path = _place(dataset)
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write("".join(f"{key}\t{record}\n" for key in new))
    register(dataset, new)


def noted(dataset: Path) -> Mapping[str, str]:
    """The keys that came back here, each with the newest record that gave it."""
    try:
        lines = _place(dataset).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("\t") for line in lines if line.count("\t") == 1)


def register(dataset: Path, keys: Iterable[str]) -> None:
    """Tell git-annex that the remote has keys, where it is enabled: `drop` then asks it."""
    if not git_ok(dataset, "config", f"remote.{REMOTE}.annex-uuid"):
        return
    uuid = git(dataset, "config", f"remote.{REMOTE}.annex-uuid").strip()
    lines = "".join(f"{key} {uuid} 1\n" for key in keys)
    annex(dataset, "setpresentkey", "--batch", stdin=lines)


def _place(dataset: Path) -> Path:
    folder = git(dataset, "rev-parse", "--git-common-dir").strip()
    return dataset / folder / NAME / "came-back.tsv"
