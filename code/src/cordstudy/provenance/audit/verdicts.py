"""A record to run again, and what came of it.

Owns: the words of a verdict, and whether a promise is kept.
Does not own: reaching a verdict (`verifier`), or committing one (`attestations`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cordstudy.provenance.history.records import RunRecord

WORDS = ("identical", "voxel-identical", "equivalent", "different", "failed")
"""From best to worst."""
Tolerances = tuple[tuple[str, float], ...]
"""How far numbers may lie apart in files, by glob: absolute, in the unit of the number."""


@dataclass(frozen=True)
class Item:
    """A record to run again; `identical` is what it promises (`here`, `anywhere`; `n/a` for a
    record of no step), `tolerances` give numbers of its outputs some room."""

    name: str
    record: RunRecord
    identical: str = "n/a"
    tolerances: Tolerances = ()


@dataclass(frozen=True)
class Verdict:
    """What came of it; `differs` says of each output that is not the same how it differs."""

    name: str
    record: str
    identical: str
    word: str
    differs: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the promise is kept: the same bytes, or, on a processor of another kind than a
        step promises for, numbers within its tolerance."""
        return self.word == "identical" or (self.word == "equivalent" and self.identical == "here")


def worst(words: Iterable[str]) -> str:
    """The worst of some words; the best of all where there is none."""
    return max(words, key=WORDS.index, default=WORDS[0])
