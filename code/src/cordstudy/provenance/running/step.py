"""A step as whoever runs and finds it again sees it.

Owns: what it must tell, and what builds on what. Does not own: which steps there are.
"""

from __future__ import annotations

from typing import Protocol

from cordstudy.provenance.history.paths import meet


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
    """Whether an input of one step can be a file that another makes."""
    for spec in step.inputs:
        for output in other.outputs:
            if meet(spec, output):
                return True
    return False
