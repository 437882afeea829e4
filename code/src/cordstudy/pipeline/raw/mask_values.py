"""Which values make a mask, be it a reference or a prediction.

Owns: where a mask is cut, what is no mask, and what is none of what is segmented.
Does not own: reading files (`volumes`), or the grid that a mask is on (`grids`).

A mask has 0 and one other value, or shares from 0 to 1, which interpolation may pass a little.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.grids import Voxels

THRESHOLD = 0.5
"""From where on a value of a mask is one of the structure."""
OVERSHOOT = 0.35
"""By how much an interpolation may pass 0 and 1: a cubic spline by a third."""
OTHER_MASK = "name the right mask, or leave the image out, with a reason"


def cut(values: Voxels, source: Path) -> NDArray[np.uint8]:
    """The mask in the values of a file, 1 where the structure is, cut at 0.5.

    Raises StudyError for values that are no mask's.
    """
    low, high = float(values.min()), float(values.max())
    fault = ""
    if low < -OVERSHOOT:
        fault = f"values from {low:g}: a mask has none below 0"
    elif high > 1 + OVERSHOOT:  # counted only here, as it takes its time
        count = len(np.unique(values))
        if low > OVERSHOOT:
            fault = f"values from {low:g} to {high:g}: no background (0), 100% of it would be mask"
        elif count > 2:
            fault = f"{count} different values up to {high:g}: labels or percent, not a mask"
    if fault:
        raise StudyError(f"{source}: {fault}", hint=OTHER_MASK)
    return (values >= THRESHOLD).astype(np.uint8)


def check_reference(mask: NDArray[np.uint8], source: Path, largest_share: float) -> None:
    """Raise StudyError for a mask that no model may learn from: an empty one, and one that fills
    more of its image than what is segmented may."""
    if not mask.any():
        raise StudyError(
            f"{source}: the mask is empty at {THRESHOLD}", hint="exclude the image, with a reason"
        )
    share = float(mask.mean())
    if share > largest_share:
        raise StudyError(
            f"{source}: {share:.0%} of the image is mask: no background, background and mask "
            "exchanged, or the mask of something else",
            hint=OTHER_MASK,
        )
