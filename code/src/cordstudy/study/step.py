"""A step of a study: one recorded command.

Owns: what is known of a step before it runs, and choosing steps by name.
Does not own: which steps a study has (`steps`), or running them (`provenance.running`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean
from cordstudy.study.needs import NEEDS, Needs

TOLERANCES = (("**/training_log.txt", 0.05),)
"""Losses and Dice of a training on another kind of machine; its weights have no such bound."""


@dataclass(frozen=True)
class Step:
    """One recorded command. Paths are relative to the study's root; `*` stands for any name."""

    command: str
    of: str
    """What of a study it is for: a dataset, a model, a fold of one; empty for a whole study."""
    message: str
    arguments: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    identical: str = "anywhere"
    """How far it gives the same bytes again: `anywhere` (x86-64 with AVX2, by the settings of
    `base.determinism`), or `here` (processors of one kind, or one kind of GPU)."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.command}:{self.of}" if self.of else self.command

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command."""
        return ("code/study", self.command, *self.arguments)

    @property
    def needs(self) -> Needs:
        """What it asks of a machine."""
        return NEEDS[self.command]

    @property
    def tolerances(self) -> tuple[tuple[str, float], ...]:
        """How far numbers in its outputs, by glob, may lie apart where it is run on another kind
        of machine than it promises for: absolute, in the unit of the number."""
        return () if self.identical == "anywhere" else TOLERANCES


def select(table: Sequence[Step], names: Sequence[str]) -> list[Step]:
    """The named steps. Raises StudyError for a name that is no step's."""
    known = [step.name for step in table]
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise StudyError(f"there is no step {name!r}", hint=f"{near}one of: {', '.join(known)}")
    return [step for step in table if step.name in names]
