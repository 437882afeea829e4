"""What others do in a dataset while a step runs there, for tests of how it lands."""

from __future__ import annotations

import stat
from collections.abc import Collection
from pathlib import Path

import pytest

from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import land_finished, sole_run
from helpers import Step, git, run

COUNTED = "echo x >> {count}; mkdir -p out; cat notes.txt inputs/source/notes.txt > out/a.txt"
"""A step that leaves a mark outside each time that it runs, and reads two files."""
COMMIT = "git commit -q --allow-empty -m other"
"""Somebody moves the tip."""


def counted(tmp_path: Path, during: str = "true") -> Step:
    """That step, with something that happens at its end."""
    script = COUNTED.format(count=tmp_path / "count")
    return Step("counted", f"{script}; {during}", inputs=("notes.txt", "inputs/source/notes.txt"))


def times(tmp_path: Path) -> int:
    """How often it ran."""
    return len((tmp_path / "count").read_text().splitlines())


def as_other(folder: Path, script: str) -> str:
    """What somebody does in the dataset meanwhile: in a shell of theirs."""
    return f"(cd {folder}; unset GIT_CONFIG_GLOBAL; {script}) >/dev/null"


def land(folder: Path, step: Step, machine: Machine, *, done: Collection[str] = ()) -> None:
    """What the next run does first: land what was finished."""
    with sole_run(folder, machine):
        land_finished(folder, [step], done=done, machine=machine, report=lambda *_: None)


def write_hook(folder: Path, name: str, script: str) -> Path:
    """A hook of git, in a folder of hooks."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def set_globally(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: dict[str, str]) -> None:
    """Settings of the user, in a file as git has it."""
    path = tmp_path / "gitconfig"
    for key, value in values.items():
        run("git", "config", "-f", path, key, value, cwd=tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))


def is_clean(folder: Path) -> bool:
    """Whether a dataset's tree is as its last commit."""
    return git(folder, "status", "--porcelain", "--ignore-submodules=none") == ""


def tip(folder: Path, revision: str = "HEAD") -> str:
    """The object of a revision."""
    return git(folder, "rev-parse", revision)


def subject(folder: Path, revision: str = "HEAD") -> str:
    """The first line of a commit's message."""
    return git(folder, "log", "-1", "--format=%s", revision)
