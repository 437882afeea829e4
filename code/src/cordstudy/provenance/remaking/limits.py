"""How long a record may run again, and how much it may write.

Owns: the limits that follow from what was recorded, and looking whether they are kept.
Does not own: ending what breaks them (`execution`).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError

GIB = 2**30
SIZE = re.compile(r"-s(\d+)-")
"""Where a key holds the size of its content."""
LEAST_S, UNMEASURED_S = 600.0, 3600.0
SLOWER = 20.0
"""How many times as long as recorded a machine may take."""
LARGEST_LOG = GIB // 4
LOOK_S = 1.0
"""How often what is written is counted."""


@dataclass(frozen=True)
class Limits:
    """Of one run: seconds, and bytes that it may write."""

    seconds: float
    bytes: int


def limits_of(wall_s: float | None, *, keys: Iterable[str], minutes: float | None) -> Limits:
    """The limits of a record that took so long (None: not measured) and read and made keys.

    `minutes` is what a user allows instead. A step may write what it computes with beside what it
    makes: ten times all that it reads and makes, and 2 GiB.
    """
    if minutes is not None:
        seconds = minutes * 60
    elif wall_s is None:
        seconds = UNMEASURED_S
    else:
        seconds = max(LEAST_S, SLOWER * wall_s)
    return Limits(seconds, 10 * sum(size_of(key) for key in keys) + 2 * GIB)


def size_of(key: str) -> int:
    """The size of a key's content in bytes; 0 where the key does not tell."""
    found = SIZE.search(key.partition("--")[0] + "-")
    return int(found[1]) if found else 0


class Watch:
    """Looks at a folder in which a command works."""

    def __init__(self, folder: Path, limits: Limits, *, log: Path) -> None:
        self.folder, self.limits, self.log = folder, limits, log
        self.start = time.monotonic()
        self._before = _held(folder)
        self._looked = self.start

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self.start

    def check(self) -> None:
        """Raise StudyError where a limit is broken."""
        if self.seconds > self.limits.seconds:
            raise StudyError(
                f"its command takes longer than {self.limits.seconds / 60:.0f} min",
                hint="code/study recompute on --minutes N allows more",
            )
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            raise StudyError(f"its command prints more than {LARGEST_LOG / GIB:.2f} GiB")
        written = _held(self.folder) - self._before
        if written > self.limits.bytes:
            raise StudyError(
                f"its command writes more than {self.limits.bytes / GIB:.1f} GiB, "
                "ten times what it reads and makes, and 2 GiB"
            )


def _held(folder: Path) -> int:
    """The bytes on disk of all files below a folder. Raises StudyError where it is too deep."""
    total = 0
    places = [str(folder)]
    while places:
        try:
            with os.scandir(places.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        places.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise StudyError("its command makes folders too deep to be looked at") from error
            continue  # it is gone meanwhile
    return total
