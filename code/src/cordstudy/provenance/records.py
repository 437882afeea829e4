"""DataLad run records: reading them from a history.

Owns: the text of a `[DATALAD RUNCMD]` commit message and the values in it.
Does not own: making records (`datalad run` does), or what they imply (`status`).
"""

from __future__ import annotations

import gzip
import json
import lzma
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.errors import StudyError
from cordstudy.provenance.gitannex import annex, git, git_bytes

MESSAGE = re.compile(
    r"\[DATALAD RUNCMD\] (?P<subject>.*?)\n+=== Do not change lines below ===\n(?P<json>.*)\n"
    r"\^\^\^ Do not change lines above \^\^\^",
    re.DOTALL,
)

RESOURCES = "Resources: "
"""Starts the line under a record that says what its command took."""


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
    extra_inputs: tuple[str, ...] = ()
    """Such as the image of a `datalad containers-run`."""
    resources: Mapping[str, float] | None = None
    """Wall and CPU time (`wall_s`, `cpu_s`) and peak memory (`peak_mib`), where they were measured."""

    def from_root(self, specs: Sequence[str]) -> tuple[str, ...]:
        """Inputs or outputs relative to the dataset's root."""
        return tuple(posixpath.normpath(posixpath.join(self.pwd, spec)) for spec in specs)


def parse_message(text: str, *, commit: str = "", parent: str = "", repo: Path | None = None) -> RunRecord | None:
    """The record in a commit message; None for any other message.

    A record that is kept in a sidecar file is read from the commit in `repo`, and is None
    where the file's content is not here. Raises StudyError for a record that is no JSON.
    """
    match = MESSAGE.match(text)
    if not match:
        return None
    try:
        info = json.loads(match["json"])
        if isinstance(info, str):
            info = _sidecar(repo, commit, info) if repo else None
    except ValueError as error:
        raise StudyError(f"commit {commit}: its run record is no JSON: {error}", hint="was it edited?") from error
    if not isinstance(info, dict):
        return None
    command = info["cmd"]
    return RunRecord(
        commit=commit,
        parent=parent,
        subject=match["subject"],
        cmd=command if isinstance(command, str) else shlex.join(command),
        inputs=tuple(info.get("inputs") or ()),
        outputs=tuple(info.get("outputs") or ()),
        exit=int(info.get("exit") or 0),
        pwd=info.get("pwd") or ".",
        dsid=info.get("dsid") or "",
        chain=tuple(info.get("chain") or ()),
        extra_inputs=tuple(info.get("extra_inputs") or ()),
        resources=_resources(text[match.end() :]),
    )


def _resources(rest: str) -> Mapping[str, float] | None:
    """What con-duct measured, from what follows a record in its message."""
    line = next((line for line in rest.splitlines() if line.startswith(RESOURCES)), "")
    return json.loads(line.removeprefix(RESOURCES)) if line else None


def _sidecar(repo: Path, commit: str, name: str) -> object:
    """The content of a sidecar record, a line of JSON, packed or not; None where it is not here."""
    try:
        packed = git_bytes(repo, "cat-file", "blob", f"{commit}:.datalad/runinfo/{name}", stdin=b"")
        if b"annex/objects/" in packed[:200]:
            key = packed.decode().strip().rpartition("/")[2]
            packed = (repo / annex(repo, "contentlocation", key).strip()).read_bytes()
    except StudyError:
        return None
    for start, unpack in ((b"\x1f\x8b", gzip.decompress), (b"\xfd7zXZ", lzma.decompress)):
        packed = unpack(packed) if packed.startswith(start) else packed
    return json.loads(packed.splitlines()[0])


def read_records(repo: Path, *, commit: str = "HEAD") -> Iterator[RunRecord]:
    """Every record in the history of a commit, newest first."""
    text = git(repo, "log", commit, "--topo-order", "-z", "--format=%H %P%n%B")
    for entry in filter(None, text.split("\0")):
        ids, _, body = entry.partition("\n")
        found, *parents = ids.split()
        record = parse_message(body, commit=found, parent=parents[0] if parents else "", repo=repo)
        if record:
            yield record


def join(argv: Sequence[str]) -> str:
    """A command as `datalad run` writes it into a record; one word is a shell's line."""
    return argv[0] if len(argv) == 1 else shlex.join(argv)


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
