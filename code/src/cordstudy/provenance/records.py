"""DataLad run records: reading them from a history.

Owns: the text of a `[DATALAD RUNCMD]` commit message and the values in it.
Does not own: making records (`datalad run` does), or what they imply (`status`).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.gitannex import git

MESSAGE = re.compile(
    r"\[DATALAD RUNCMD\] (?P<subject>.*?)\n+=== Do not change lines below ===\n(?P<json>.*)\n"
    r"\^\^\^ Do not change lines above \^\^\^",
    re.DOTALL,
)


@dataclass(frozen=True)
class RunRecord:
    """One `datalad run`, as its commit says."""

    commit: str
    parent: str
    subject: str
    cmd: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    exit: int
    pwd: str
    """The folder that the command ran in, and that inputs and outputs are relative to."""
    dsid: str
    chain: tuple[str, ...]
    """The commits that a `datalad rerun` went back to, oldest first."""

    def from_root(self, specs: Sequence[str]) -> tuple[str, ...]:
        """Inputs or outputs relative to the dataset's root."""
        return tuple(posixpath.normpath(posixpath.join(self.pwd, spec)) for spec in specs)


def parse_message(text: str, *, commit: str = "", parent: str = "") -> RunRecord | None:
    """The record in a commit message; None for any other message."""
    match = MESSAGE.match(text)
    if not match:
        return None
    info = json.loads(match["json"])
    if not isinstance(info, dict):  # a sidecar's id: its file is not part of the message
        return None
    command = info["cmd"]
    return RunRecord(
        commit=commit,
        parent=parent,
        subject=match["subject"],
        cmd=command if isinstance(command, str) else " ".join(command),
        inputs=tuple(info.get("inputs") or ()),
        outputs=tuple(info.get("outputs") or ()),
        exit=int(info.get("exit") or 0),
        pwd=info.get("pwd") or ".",
        dsid=info.get("dsid") or "",
        chain=tuple(info.get("chain") or ()),
    )


def read_records(repo: Path, *, commit: str = "HEAD") -> Iterator[RunRecord]:
    """Every record in the history of a commit, newest first."""
    text = git(repo, "log", commit, "--topo-order", "-z", "--format=%H %P%n%B")
    for entry in filter(None, text.split("\0")):
        ids, _, body = entry.partition("\n")
        found, *parents = ids.split()
        record = parse_message(body, commit=found, parent=parents[0] if parents else "")
        if record:
            yield record


def render_message(subject: str, *, cmd: str, dsid: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """The commit message that `datalad run` writes for a command that succeeded at the root."""
    info = {
        "chain": [], "cmd": cmd, "dsid": dsid, "exit": 0, "extra_inputs": [],
        "inputs": list(inputs), "outputs": list(outputs), "pwd": ".",
    }  # fmt: skip
    text = json.dumps(info, indent=1, sort_keys=True, ensure_ascii=False)
    return (
        f"[DATALAD RUNCMD] {subject}\n\n=== Do not change lines below ===\n{text}\n^^^ Do not change lines above ^^^\n"
    )
