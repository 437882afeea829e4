"""A step as whoever runs and finds it again sees it.

Owns: what it must tell, and what builds on what. Does not own: which steps there are.
"""

from __future__ import annotations

from typing import Protocol


class Recorded(Protocol):
    """What a step must tell so that it can be run and found again."""

    name: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str


def builds_on(step: Recorded, other: Recorded) -> bool:
    """Whether an input of one step lies under an output of another."""
    outputs = [_stem(spec) for spec in other.outputs]
    return any(
        _stem(spec).startswith(o) or o.startswith(_stem(spec))
        for spec in step.inputs
        for o in outputs
    )


def _stem(spec: str) -> str:
    """What comes before the first wildcard of a path."""
    return spec.split("*")[0]
