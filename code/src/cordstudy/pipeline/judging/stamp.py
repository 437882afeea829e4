"""What the comparisons of training with test data let be said of all other results.

Owns: the words of the stamp on pages, tables and answers of a study whose sides overlap, and the
heading of what was compared.
Does not own: the comparisons (`leakage`), or where the stamp stands (`report`, `cli`).

An overlap with a test set makes every number of that test set a doubtful one, and so the answer.
One of the two sides of a fold does not: it biases what is chosen by validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.leakage import COMPARED, Shared, read_overlaps, verdicts
from cordstudy.pipeline.judging.rows import grouped_by

NOT_SEEN = (
    "Seen are copies that were compressed anew, turned, scaled or put into a larger frame. Not "
    "seen by any of these: an image under another name that was cropped, resampled, smoothed, "
    "mirrored, defaced, clipped or rounded to fewer values, "
    "a mask so plain that others equal it by chance, and a person whom two sources call "
    "differently and whose images are others."
)
"""What the comparisons cannot find."""


@dataclass(frozen=True)
class Stamp:
    """What the comparisons of a study show, in words."""

    sides: Sequence[Shared]
    """Every two sides that were compared."""

    @cached_property
    def with_tests(self) -> list[Shared]:
        """The models' training parts against test sets."""
        return [one for one in self.sides if one.fold == MISSING]

    @cached_property
    def in_tests(self) -> list[Shared]:
        """Those that have something in common."""
        return [one for one in self.with_tests if one.hits]

    @property
    def overlapping(self) -> set[str]:
        """The test sets of these."""
        return {_testset(one) for one in self.in_tests}

    @cached_property
    def in_folds(self) -> list[Shared]:
        """The folds whose two sides have something in common."""
        return [one for one in self.sides if one.fold != MISSING and one.hits]

    @property
    def heading(self) -> str:
        """What the page puts above the table of comparisons."""
        if self.in_tests:
            return "Training and test data overlap"
        if not self.with_tests:
            return "Training and test data were not compared"
        if self.in_folds:
            return "Folds overlap, training and test data do not"
        return "Training and test data: no overlap found"

    @property
    def warning(self) -> str:
        """What stands above all results; empty where nothing is in common."""
        if self.in_tests:
            pairs = _listed(f"{one.model} with {_testset(one)}" for one in self.in_tests)
            return (
                f"Training and test data overlap: {pairs}. What a model scores where it was "
                "trained says nothing of how it does elsewhere."
            )
        if not self.with_tests:
            return "Whether training and test data overlap was not looked for."
        if self.in_folds:
            return (
                f"The two sides of a fold overlap: {_folds(self.in_folds)}. That biases what is "
                "chosen by validation; no test set is concerned."
            )
        return ""

    @property
    def compared(self) -> str:
        """What was compared, and what came of it."""
        folds = len(self.sides) - len(self.with_tests)
        respects = f"{len(COMPARED)} respects ({', '.join(COMPARED)})"
        empty = sum(not one.n_train or not one.n_against for one in self.sides)
        told = (
            f"Compared were {len(self.with_tests)} pairs of a model's training cases, all folds, "
            f"with a test set and {folds} pairs of the two sides of a fold, each in {respects}: "
            f"{len(self.in_tests)} and {len(self.in_folds)} have something in common."
        )
        return f"{told} In {empty} of them a side is empty." if empty else told

    def answer(self, short: str) -> str:
        """The short answer, or that there is none to be trusted."""
        if self.in_tests:
            return "No answer that can be trusted: training and test data overlap"
        return short


def stamp_of(path: Path) -> Stamp:
    """What a table that the step `leakage` wrote lets be said."""
    return Stamp(verdicts(read_overlaps(path)))


def _testset(shared: Shared) -> str:
    return shared.against.removeprefix("test: ")


def _folds(shared: Sequence[Shared]) -> str:
    """The folds of each model."""
    phrases = []
    for model, folds in grouped_by(shared, lambda one: one.model).items():
        phrases.append(f"{model}, fold {_listed(one.fold for one in folds)}")
    return "; ".join(phrases)


def _listed(words: Iterable[str]) -> str:
    """Words after each other, `and` before the last."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
