"""What this process does with memory that a training or a prediction gives back.

Owns: the C library's thresholds.
Does not own: how much memory is needed (the steps table says).
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of parameters in glibc's malloc.h."""
KEPT, APART = 256 << 20, 32 << 20
"""Bytes that stay with the process; size of a block from which it is asked for by itself, glibc's
own greatest value."""


def keep_freed_memory() -> None:
    """Have this process keep what it frees: the next batch takes as much again.

    By itself glibc hands it to the kernel, which hands it out again page by page, each cleared
    first: a sixth of a training's time. No value depends on it. Where the C library has no such
    setting nothing is done. Source: mallopt(3).
    """
    with suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        library.mallopt(TRIM_THRESHOLD, KEPT)
        library.mallopt(MMAP_THRESHOLD, APART)
