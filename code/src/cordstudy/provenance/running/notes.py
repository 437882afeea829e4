"""What is remembered on this machine of a step that runs or failed.

Owns: one small file a step, beside its log. Does not own: the state of a step (`audit.status`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from cordstudy.provenance.running.machine import file_name


class Note(BaseModel):
    """What is remembered of a step that runs or failed."""

    word: Literal["running", "failed"]
    told: str = ""
    process: int


def note(logs: Path, step: str, word: str, told: str = "") -> None:
    """Remember that a step runs or failed here; forget it with `done`."""
    path = _place(logs, step)
    if word == "done":
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"word": word, "told": told, "process": os.getpid()}))


def _place(logs: Path, step: str) -> Path:
    return logs / f"{file_name(step)}.state"


def read_note(logs: Path, step: str) -> Note | None:
    """What is remembered of a step; None for nothing, and for a note that cannot be read."""
    try:
        return Note.model_validate_json(_place(logs, step).read_bytes())
    except (OSError, ValidationError):
        return None


def is_running(logs: Path, step: str) -> bool:
    """Whether a step runs on this machine."""
    remembered = read_note(logs, step)
    return (
        remembered is not None
        and remembered.word == "running"
        and Path(f"/proc/{remembered.process}").exists()
    )
