"""A step as whoever runs and finds it again sees it.

Owns: what it must tell, and what builds on what. Does not own: which steps there are.
"""

from __future__ import annotations

from typing import Protocol

from cordstudy.provenance.history.paths import Meetings, meet


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


class Writers:
    """Steps by what they write, to be asked which of them another builds on: of a thousand steps
    each is compared with few."""

    def __init__(self) -> None:
        self._steps: list[Recorded] = []
        self._outputs = Meetings[int]()

    def add(self, step: Recorded) -> None:
        """Hold a step."""
        for output in step.outputs:
            self._outputs.add(output, len(self._steps))
        self._steps.append(step)

    def below(self, step: Recorded) -> list[Recorded]:
        """The steps that a step builds on, in the order in which they were added."""
        found = {n for spec in step.inputs for n in self._outputs.met_by(spec)}
        return [self._steps[n] for n in sorted(found)]

    def of(self, path: str) -> list[Recorded]:
        """The steps that can write a declared path, likewise."""
        return [self._steps[n] for n in sorted(set(self._outputs.met_by(path)))]
