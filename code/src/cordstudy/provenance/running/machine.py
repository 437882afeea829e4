"""The machine that steps run on: where to work, and what a step is told of it.

Owns: the folders and names of a step here, and the variables that carry a machine's settings.
Does not own: reading the settings (the caller does), or the rest of a step's environment
(`calling.surroundings`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.profile import VARIABLES


@dataclass(frozen=True)
class Machine:
    """What belongs to this machine, for one table of steps."""

    scratch: Path
    """Where workspaces are made."""
    logs: Path
    """The logs and notes of these steps; its name tells them from others of the same names."""
    workers: int
    """With how many processes a step may work."""
    device: str = ""
    """What a step computes on; empty leaves that to the step, and to the user's own variable."""
    attempt: str = ""
    """Which try of a step this is, where several may be at work on one dataset."""

    def env(self, *, progress: Path | None = None, cache: Path | None = None) -> dict[str, str]:
        """The variables by which these settings reach a step: the one way in.

        `progress` is where a step may keep what it goes on from, `cache` a folder in place of the
        user's own for what is kept between runs.
        """
        settings = {"WORKERS": str(self.workers)}
        if self.device:
            settings["DEVICE"] = self.device
        if progress:
            settings["PROGRESS"] = str(progress)
        if cache:
            settings["CACHE"] = str(cache)
        return {f"{VARIABLES}{name}": value for name, value in settings.items()}

    def full_name(self, step: str) -> str:
        """A step's name with that of its table, and which try of it this is: tables of one dataset
        have steps of one name."""
        name = f"{self.logs.name}.{step}"
        return f"{name}@{self.attempt}" if self.attempt else name

    def log(self, step: str) -> Path:
        """Where what a step prints is kept."""
        return self.logs / f"{file_name(step)}.log"

    def progress(self, step: str) -> Path:
        """Where a step may keep what it goes on from when it was killed; removed when it has
        landed."""
        return self.logs.parent.parent / "progress" / self.logs.name / file_name(step)

    @property
    def run_lock(self) -> Path:
        """The file that whoever runs steps here holds."""
        return self.logs.parent / "run.lock"


def file_name(step: str) -> str:
    """A step's name as files and refs can have it."""
    return re.sub(r"[^\w.-]", "-", step)
