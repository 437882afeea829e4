"""What a job leaves of itself beside the step's log: that it runs, where, and how it ended.

Owns: one small file a step, which all nodes and whoever submitted see.
Does not own: what Slurm says of a job (`slurm`), or the state of a step (`states`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from cordstudy.provenance.running.machine import file_name

Word = Literal["running", "landed", "same", "failed", "stopped"]
"""`same`: a done step gave again what its record says. `stopped`: by a signal, not by a fault."""
DONE = ("landed", "same")


class Ending(BaseModel):
    """What is known from a step's newest job."""

    job: str
    node: str
    word: Word
    told: str = ""
    """What went wrong, or the commit that landed."""
    began: float
    """Seconds since 1970."""


def leave(logs: Path, step: str, ending: Ending) -> None:
    """Remember it, in place of what an earlier job left."""
    path = _place(logs, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{ending.job}.{os.getpid()}")
    unfinished.write_text(ending.model_dump_json())
    unfinished.replace(path)


def left(logs: Path, step: str) -> Ending | None:
    """What a step's newest job left; None for nothing that can be read."""
    try:
        return Ending.model_validate_json(_place(logs, step).read_bytes())
    except (OSError, ValidationError):
        return None


def forget(logs: Path, step: str) -> None:
    """Remember nothing of a step's jobs: a new one was submitted."""
    _place(logs, step).unlink(missing_ok=True)


def _place(logs: Path, step: str) -> Path:
    return logs / f"{file_name(step)}.job"
