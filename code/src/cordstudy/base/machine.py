"""What belongs to a machine and never changes an output: workers, cache, device, progress.

Owns: reading these from the environment, which whoever runs a step sets from `site.toml`.
Does not own: any parameter of a study.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def workers() -> int:
    """How many processes a step may use: CORDSTUDY_WORKERS, else the cores of this machine."""
    return int(os.environ.get("CORDSTUDY_WORKERS") or os.cpu_count() or 1)


def cache_folder() -> Path:
    """Where preprocessed arrays and the progress of trainings are kept; safe to delete.

    CORDSTUDY_CACHE, else in the user's cache folder.
    """
    own = os.environ.get("CORDSTUDY_CACHE")
    if own:
        return Path(own)
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(user_cache) / "cordstudy"


def kept_progress() -> Path | None:
    """Where the progress of this step's training is to stay when it ends: CORDSTUDY_PROGRESS, a
    folder that whoever runs the step removes once its result is safe. None: nobody does, so the
    step removes it."""
    own = os.environ.get("CORDSTUDY_PROGRESS")
    return Path(own).absolute() if own else None


def device() -> str:
    """The torch device to compute on: CORDSTUDY_DEVICE (cpu, cuda), else cpu."""
    return os.environ.get("CORDSTUDY_DEVICE") or "cpu"


def progress(items: Iterable[T], *, total: int, what: str) -> Iterable[T]:
    """Show a progress bar on a terminal, nothing elsewhere."""
    shown: Iterable[T] = tqdm(items, total=total, desc=what, disable=None, leave=False)
    return shown
