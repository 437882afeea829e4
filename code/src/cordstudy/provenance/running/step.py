"""A step as whoever runs and finds it again sees it.

Owns: what it must tell, and what builds on what. Does not own: which steps there are.
"""

from __future__ import annotations

from typing import Protocol


class Recorded(Protocol):
    """What a step must tell so that it can be run and found again."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command; one word is a shell's line."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The paths that it reads, as globs, relative to the dataset's root."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The paths that it writes, likewise."""

    @property
    def message(self) -> str:
        """The subject of its record."""


def builds_on(step: Recorded, other: Recorded) -> bool:
    """Whether an input of one step lies under an output of another."""
    outputs = [_stem(spec) for spec in other.outputs]
    for spec in step.inputs:
        stem = _stem(spec)
        if any(stem.startswith(output) or output.startswith(stem) for output in outputs):
            return True
    return False


def _stem(spec: str) -> str:
    """What comes before the first wildcard of a path."""
    return spec.split("*")[0]
