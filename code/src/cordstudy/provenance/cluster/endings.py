"""What a job leaves of itself beside the step's log: that it runs, where, and how it ended.

Owns: one small file a job, which all nodes and whoever submitted see.
Does not own: what Slurm says of a job (`slurm`), or the state of a step (`states`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from cordstudy.provenance.running.machine import file_name

Word = Literal["running", "landed", "same", "failed", "stopped"]
"""`same`: a done step gave again what its record says. `stopped`: by a signal, not by a fault."""
DONE = ("landed", "same")
KIND = ".job"


class Ending(BaseModel):
    """What is known from a job of a step."""

    job: str
    start: int = 0
    """How often Slurm had started the job before."""
    node: str
    word: Word
    told: str = ""
    """What went wrong, or the commit that landed."""
    began: float
    """Seconds since 1970."""


def leave(logs: Path, step: str, ending: Ending) -> None:
    """Remember it, in place of what the job left before.

    Not in place of what a later start of the job left, or one that ended well: a node that was
    believed lost may go on with an earlier one.
    """
    before = left(logs, step, ending.job)
    if before and (before.start > ending.start or before.word in DONE):
        return
    path = _place(logs, step, ending.job)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{ending.start}.{os.getpid()}")
    unfinished.write_text(ending.model_dump_json())
    unfinished.replace(path)


def left(logs: Path, step: str, job: str) -> Ending | None:
    """What a job of a step left; None for nothing that can be read."""
    try:
        return Ending.model_validate_json(_place(logs, step, job).read_bytes())
    except (OSError, ValidationError):
        return None


def forget(logs: Path, steps: Iterable[str]) -> None:
    """Remove what jobs of steps left: new ones are submitted, and Slurm may count anew."""
    names = {file_name(step) for step in steps}
    for path in logs.glob(f"*{KIND}"):
        if path.name.removesuffix(KIND).rpartition(".")[0] in names:
            path.unlink(missing_ok=True)


def _place(logs: Path, step: str, job: str) -> Path:
    return logs / f"{file_name(step)}.{job}{KIND}"
