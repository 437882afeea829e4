"""What a user does with a clone in which content is made again, and plain DataLad records."""

from __future__ import annotations

import subprocess
from pathlib import Path

from helpers import REPOSITORY, run

Done = subprocess.CompletedProcess[str]
SUB = "inputs/source"


def get(folder: Path, *paths: str, check: bool = True) -> Done:
    """`datalad get`, as a user calls it."""
    return run("datalad", "get", *paths, cwd=folder, check=check)


def recompute(folder: Path, *words: str, check: bool = True) -> Done:
    """`code/study recompute` of this repository about another dataset."""
    word, *options = words
    argv = (REPOSITORY / "code/study", "recompute", word, "--dataset", folder, *options)
    return run(*argv, cwd=folder, check=check)


def here(folder: Path) -> set[str]:
    """The annexed files whose content a clone has."""
    return set(run("git", "annex", "find", "--in=here", cwd=folder).stdout.splitlines())


def datalad_run(folder: Path, message: str, script: str, *, i: str = "", o: str = "") -> None:
    """A record of plain DataLad."""
    options = ["-i", i] if i else []
    options += ["-o", o] if o else []
    run("datalad", "-l", "error", "run", "-m", message, *options, script, cwd=folder)
