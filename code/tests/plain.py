"""What plain DataLad does in a dataset."""

from __future__ import annotations

from pathlib import Path

from helpers import run


def record(folder: Path, message: str, script: str, output: str, *inputs: str) -> None:
    """A `datalad run` with one output."""
    options = [word for path in inputs for word in ("-i", path)]
    run("datalad", "-l", "error", "run", "-m", message, *options, "-o", output, script, cwd=folder)


def save(folder: Path, message: str) -> None:
    """A `datalad save`."""
    run("datalad", "-l", "error", "save", "-m", message, cwd=folder)
