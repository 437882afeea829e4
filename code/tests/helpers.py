"""What tests call: commands, git, a study's own launcher, a step of a few shell words."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
TINY = Path(__file__).with_name("tiny.toml")


def run(
    *argv: str | Path, cwd: Path, check: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; with `check` its failure is the test's."""
    done = subprocess.run(
        list(map(str, argv)),
        cwd=cwd,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | env,
    )
    assert done.returncode == 0 or not check, (
        f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def study(
    folder: Path, *arguments: str | Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a study's own launcher."""
    return run(folder / "code/study", *arguments, cwd=folder, check=check)


def git(folder: Path, *arguments: str | Path) -> str:
    """Run git; its output without the last newline."""
    return run("git", *arguments, cwd=folder).stdout.rstrip("\n")


def commit(folder: Path, message: str, *paths: str | Path) -> None:
    """Commit paths as they are."""
    git(folder, "add", "--", *paths)
    git(folder, "commit", "-q", "-m", message, "--", *paths)


def log_of(folder: Path) -> dict[str, tuple[str, dict]]:
    """Commit and run record of each step, by subject."""
    found = {}
    for entry in git(folder, "log", "-z", "--format=%H%n%B").split("\0"):
        name, _, body = entry.partition("\n")
        if body.startswith("[DATALAD RUNCMD] "):
            text = body.split("=== Do not change lines below ===\n")[1].split(
                "\n^^^ Do not change"
            )[0]
            found[body.splitlines()[0].removeprefix("[DATALAD RUNCMD] ")] = (name, json.loads(text))
    return found


@dataclass(frozen=True)
class Step:
    """A step of a few shell words."""

    name: str
    script: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("out/a.txt",)

    @property
    def argv(self) -> tuple[str, ...]:
        return ("sh", "-c", self.script)

    @property
    def message(self) -> str:
        return f"Do {self.name}"
