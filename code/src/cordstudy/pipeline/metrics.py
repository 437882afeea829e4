"""Measures of one predicted mask against its reference.

Owns: the definition of each measure, and what it is for empty masks.
Does not own: which cases (`evaluate`).
"""

from __future__ import annotations

import math

import numpy as np


def dice(pred: np.ndarray, ref: np.ndarray) -> float:
    """Dice similarity coefficient of two boolean arrays of one shape: 2|A∩B| / (|A|+|B|).

    Two empty masks agree: 1. One empty mask: 0. Source: Dice 1945, doi:10.2307/1932409.
    """
    total = int(pred.sum()) + int(ref.sum())
    return 1.0 if total == 0 else 2.0 * int((pred & ref).sum()) / total


def relative_volume_error(pred: np.ndarray, ref: np.ndarray) -> float:
    """(|A| - |B|) / |B| of two boolean arrays on one grid; above 0 the prediction is too large.

    An empty reference: 0 if the prediction is empty too, else infinity.
    """
    size_pred, size_ref = int(pred.sum()), int(ref.sum())
    if size_ref == 0:
        return 0.0 if size_pred == 0 else math.inf
    return (size_pred - size_ref) / size_ref
