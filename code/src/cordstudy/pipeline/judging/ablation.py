"""What keeping the largest component of masks alone does to Dice: with and without, side by side.

Owns: the table of both, by model and test set.
Does not own: what is kept (the models' validation, `learning.postprocessing`), or both Dice of a
case (`evaluate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cordstudy.pipeline.judging.rows import read_rows
from cordstudy.pipeline.judging.scores import PERSON, first_training

BOTH = ["dice_all_components", "dice_largest_component"]


@dataclass(frozen=True)
class Ablation:
    """A model on a test set: means over persons of Dice with all components of its masks, and with
    the largest alone."""

    model: str
    testset: str
    participants: int
    """Persons."""
    keep: str
    """Which of both the model's results are; n/a where that is not told."""
    dice_all_components: float
    dice_largest_component: float
    lost: int
    """Persons whose Dice is lower by .1 or more with the largest component alone."""


def ablations(scores: pd.DataFrame) -> list[Ablation]:
    """Each model on each test set, by its first training; none for a table without both."""
    if not set(BOTH) <= set(scores):
        return []
    keys = ["model", "testset"]
    first = first_training(scores)
    persons = first.groupby([*keys, PERSON], sort=False)[BOTH].mean()
    rows = []
    for (model, testset), here in persons.groupby(level=keys, sort=False):
        kept = first[(first["model"] == model) & (first["testset"] == testset)]["keep"]
        everything, largest = (here[name] for name in BOTH)
        rows.append(
            Ablation(
                model=str(model),
                testset=str(testset),
                participants=len(here),
                keep=str(kept.iloc[0]),
                dice_all_components=float(everything.mean()),
                dice_largest_component=float(largest.mean()),
                lost=int((everything - largest >= 0.1).sum()),
            )
        )
    return rows


def read_ablations(path: Path) -> list[Ablation]:
    """Read components.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Ablation, what="table of components", step="compare")
