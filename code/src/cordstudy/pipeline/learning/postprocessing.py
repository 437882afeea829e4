"""What is done with a mask that a network predicted: all its components are kept, or the largest.

Owns: the choice, made on the cases that a training held out, never on a test set; and its file
beside the checkpoints.
Does not own: prediction (`predictor`), or which cases are held out (`validate`).

The rule is nnU-Net's (`determine_postprocessing`): the largest component alone (26 neighbours) is
kept where that has the higher mean Dice over the held-out cases; where it makes no difference, all
are. A cord is one piece, but a network may see it in two: the smaller is then lost. Of a structure
of several pieces a study keeps all, whatever the cases say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_json
from cordstudy.base.texts import read_json, shaped
from cordstudy.pipeline.raw.components import Mask, largest_component

FILE = "postprocessing.json"
"""Beside the checkpoints of a model."""


@dataclass(frozen=True)
class Held:
    """A held-out case: Dice of its mask with all components, and with the largest alone."""

    case_id: str
    fold: int
    components: int
    dice_all_components: float
    dice_largest_component: float


@dataclass(frozen=True)
class Postprocessing:
    """What a model keeps, and what that was chosen by: means over so many held-out cases."""

    keep: Literal["all components", "largest component"]
    cases: int
    dice_all_components: float
    dice_largest_component: float

    def kept(self, mask: NDArray[np.generic]) -> Mask:
        """What is kept of a binary mask."""
        if self.keep == "largest component":
            return largest_component(mask)
        return mask.astype(bool).astype(np.uint8)


def choose(held: Sequence[Held], *, keep_all: bool = False) -> Postprocessing:
    """What is kept, by the cases that were held out, or all whatever they say. Raises StudyError
    where there are none."""
    if not held:
        raise StudyError("no case was held out", hint="a fold needs one: code/study run plan")
    everything = float(np.mean([case.dice_all_components for case in held]))
    largest = float(np.mean([case.dice_largest_component for case in held]))
    better = largest > everything and not keep_all
    return Postprocessing(
        keep="largest component" if better else "all components",
        cases=len(held),
        dice_all_components=everything,
        dice_largest_component=largest,
    )


def write_postprocessing(model: Path, chosen: Postprocessing) -> None:
    """Write the choice beside a model's checkpoints."""
    write_json(model / FILE, asdict(chosen))


def read_postprocessing(model: Path) -> Postprocessing:
    """The choice of a trained model. Raises StudyError for a model without one."""
    path = model / FILE
    hint = "the step `validate` makes it, from the cases that the training held out"
    if not path.exists():
        raise StudyError(f"{path}: not there: what is kept of a mask is not chosen", hint=hint)
    try:
        return shaped(Postprocessing, read_json(path, hint=hint))
    except (TypeError, ValueError) as error:
        raise StudyError(f"{path}: no choice of what is kept: {error}", hint=hint) from error


def dice(pred: NDArray[np.generic], ref: NDArray[np.generic]) -> float:
    """Dice of two binary masks; 1 where both are empty."""
    total = np.count_nonzero(pred) + np.count_nonzero(ref)
    return 2.0 * np.count_nonzero(np.logical_and(pred, ref)) / total if total else 1.0
