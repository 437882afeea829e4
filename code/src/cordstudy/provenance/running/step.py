"""A step as whoever runs and finds it again sees it.

Owns: what it must tell, and what builds on what. Does not own: which steps there are.
"""

from __future__ import annotations

from typing import Protocol

from cordstudy.provenance.history.paths import meet


class Recorded(Protocol):
    """What a step must tell so that it can be run and found again."""

    name: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str


def builds_on(step: Recorded, other: Recorded) -> bool:
    """Whether an input of one step can be a file that another makes."""
    for spec in step.inputs:
        for output in other.outputs:
            if meet(spec, output):
                return True
    return False
