"""How a released model segments: a text beside its plans.

Owns: that text.
Does not own: what is done by it (`learning.predictor`).
"""

from __future__ import annotations

from dataclasses import dataclass

FILE = "inference.json"


@dataclass(frozen=True)
class Inference:
    """What the model and its version are called, its released folds, and the distance of tiles as a
    share of the patch."""

    name: str
    version: str
    folds: tuple[int, ...]
    tile_step: float
