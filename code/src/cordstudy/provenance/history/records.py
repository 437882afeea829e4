"""DataLad run records: reading them from a history.

Owns: the text of a `[DATALAD RUNCMD]` commit message and the values in it, checked strictly: what a
message says is anybody's, and becomes paths and commands here.
Does not own: making records (`datalad run` does), or what they imply (`status`).

DataLad's own reader (`datalad.local.rerun.get_run_info`, a second to import) is not used: it takes
what it finds between the first and the last of the lines that mark a record, checks no value but
that there is a command, and reads a sidecar file by whatever path the message names, as it is in
the working tree and not at the commit, and at any length. For messages of DataLad's the two give
the same, which a test holds.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.provenance.history.gitlog import RawCommit, raw_commits
from cordstudy.provenance.history.sidecars import read_sidecar

TAG = "[DATALAD RUNCMD]"
START = "=== Do not change lines below ==="
END = "^^^ Do not change lines above ^^^"
RESOURCES = "Resources: "
"""Starts the line under a record that says what its command took."""


class MalformedRecord(StudyError):
    """A commit message that says it is a run record and cannot be read as one; `why`."""

    def __init__(self, commit: str, why: str) -> None:
        super().__init__(
            f"commit {commit[:12]}: malformed record: {why}",
            hint="was it edited? git show the commit",
        )
        self.why = why


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
    """Wall and CPU time (`wall_s`, `cpu_s`) and peak memory (`peak_mib`), where measured."""
    fault: str = ""
    """What is wrong beside the record, in the lines under it."""

    def from_root(self, specs: Sequence[str]) -> tuple[str, ...]:
        """Inputs or outputs relative to the dataset's root."""
        return tuple(_from_root(self.pwd, spec) for spec in specs)

    def calls(self, program: str, command: str) -> bool:
        """Whether it ran a program with the name of one of its commands."""
        words = self.cmd.split()
        return words[:1] == [program] and command in words[1:]


@cache
def _from_root(pwd: str, spec: str) -> str:
    return posixpath.normpath(posixpath.join(pwd, spec))


def _is_argument(text: str) -> str:
    """Text that a command line or a path can hold."""
    if "\0" in text:
        raise ValueError("it holds a NUL")
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a character") from error
    return text


Text = Annotated[str, AfterValidator(_is_argument)]
Place = Annotated[Text, Field(max_length=4096)]
"""A path, no longer than Linux has one."""


class _Info(BaseModel):
    """The values of a record; what else stands there is other tools'."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    cmd: Text | Annotated[list[Text], Field(min_length=1)]
    inputs: list[Place] | None = None
    outputs: list[Place] | None = None
    extra_inputs: list[Place] | None = None
    chain: list[Text] | None = None
    exit: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    pwd: Place | None = None
    dsid: Text | None = None


class _Resources(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    wall_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    cpu_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    peak_mib: Annotated[float, Field(ge=0, allow_inf_nan=False)]


def parse_message(
    text: str, *, commit: str = "", parent: str = "", repo: Path | None = None
) -> RunRecord | None:
    """The record in a commit message; None for any other message.

    A record that is kept in a sidecar file is read from the commit in `repo`. Raises
    MalformedRecord for a message that says that it is a record and is none: its tag without its
    block, its block without its tag, two of them, or values that no `datalad run` writes.
    """
    lines = text.split("\n")
    if not text.startswith(TAG) and START not in lines:
        return None
    if not text.startswith(f"{TAG} "):
        raise MalformedRecord(commit, f"the message does not start with {TAG}")
    if lines.count(START) != 1 or lines.count(END) != 1 or lines.index(END) < lines.index(START):
        raise MalformedRecord(commit, "the message does not hold one block of values")
    start, end = lines.index(START), lines.index(END)
    info = _info("\n".join(lines[start + 1 : end]), commit, repo)
    resources, fault = _resources(lines[end + 1 :])
    command = info.cmd
    return RunRecord(
        commit=commit,
        parent=parent,
        subject=lines[0].removeprefix(f"{TAG} "),
        cmd=command if isinstance(command, str) else shlex.join(command),
        inputs=tuple(info.inputs or ()),
        outputs=tuple(info.outputs or ()),
        exit=info.exit or 0,
        pwd=info.pwd or ".",
        dsid=info.dsid or "",
        chain=tuple(info.chain or ()),
        extra_inputs=tuple(info.extra_inputs or ()),
        resources=resources,
        fault=fault,
    )


def _info(text: str, commit: str, repo: Path | None) -> _Info:
    """The values of a record's block, or of the sidecar file that it names."""
    try:
        content = _parse(text)
        if isinstance(content, str):
            if repo is None:
                raise ValueError("its values are in a sidecar file")
            content = _parse(read_sidecar(repo, commit, content))
        info = _Info.model_validate(content)
        _check_places(info)
    except RecursionError as error:
        raise MalformedRecord(commit, "its values are nested too deep") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"][:1])
        raise MalformedRecord(commit, f"{key or 'its values'}: {first['msg']}") from error
    except (ValueError, StudyError) as error:
        raise MalformedRecord(commit, str(error)) from error
    return info


def _parse(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"its values are no JSON: {error}") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands there twice")
    return values


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no value of a record")


def _check_places(info: _Info) -> None:
    """Raise ValueError for a folder or an output outside the dataset: they would be worked in, and
    removed."""
    folder = info.pwd or "."
    _check_place("pwd", folder)
    for spec in info.outputs or ():
        _check_place("outputs", _from_root(folder, spec))


def _check_place(key: str, path: str) -> None:
    place = posixpath.normpath(path)
    if place.startswith("/"):
        raise ValueError(f"{key}: an absolute path: {path}")
    if place == ".." or place.startswith("../"):
        raise ValueError(f"{key}: out of the dataset: {path}")


def _resources(lines: Sequence[str]) -> tuple[Mapping[str, float] | None, str]:
    """What con-duct measured, from what follows a record in its message; and what is wrong
    there."""
    for line in lines:
        if line.startswith(RESOURCES):
            break
    else:
        return None, ""
    try:
        measured = _Resources.model_validate(_parse(line.removeprefix(RESOURCES)))
    except (ValueError, RecursionError):
        return None, "its line of resources holds no measurement"
    return measured.model_dump(), ""


def record_of(commit: RawCommit, repo: Path) -> tuple[RunRecord | None, str]:
    """The record of a commit, and why there is none where its message says so."""
    parent = commit.parents[0] if commit.parents else ""
    try:
        return parse_message(commit.message, commit=commit.id, parent=parent, repo=repo), ""
    except MalformedRecord as error:
        return None, error.why


def read_records(repo: Path, *, commit: str = "HEAD") -> Iterator[RunRecord]:
    """Every record in the history of a commit, or in a range, newest first; malformed ones are left
    out."""
    for raw in raw_commits(repo, commit):
        record, _ = record_of(raw, repo)
        if record:
            yield record


def join(argv: Sequence[str]) -> str:
    """A command as `datalad run` writes it into a record; one word is a shell's line."""
    return argv[0] if len(argv) == 1 else shlex.join(literal(argv))


def literal(argv: Sequence[str]) -> list[str]:
    """Words in which `datalad run` finds nothing to fill in: what is in braces it takes for its
    own."""
    return [word.replace("{", "{{").replace("}", "}}") for word in argv]


def render_message(
    subject: str, *, cmd: str, dsid: str, inputs: Sequence[str], outputs: Sequence[str]
) -> str:
    """The commit message that `datalad run` writes for a command that succeeded at the root."""
    info = {
        "chain": [],
        "cmd": cmd,
        "dsid": dsid,
        "exit": 0,
        "extra_inputs": [],
        "inputs": list(inputs),
        "outputs": list(outputs),
        "pwd": ".",
    }
    text = json.dumps(info, indent=1, sort_keys=True, ensure_ascii=False)
    return f"{TAG} {subject}\n\n{START}\n{text}\n{END}\n"
