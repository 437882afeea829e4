"""Connected components of masks, by 26 neighbours.

Owns: how many a mask has, its largest, and the name of the folder in which predictions have those
that are not kept.
Does not own: whether the largest alone is kept (`learning.postprocessing`), or what is measured of
masks (`judging`).
"""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
OTHERS = "other_components"
"""The folder, beside those of the test sets, of what is not kept of predicted masks. No dataset's
name has its sign between the words."""
TABLE = "components.tsv"
"""In it: what was kept of each mask."""


def components(mask: NDArray[np.generic]) -> int:
    """The number of components of a binary mask."""
    found = cc3d.connected_components(
        mask.astype(bool), connectivity=26, return_N=True, binary_image=True
    )
    return int(found[1])


def largest_component(mask: NDArray[np.generic]) -> Mask:
    """The largest component of a binary mask; an empty mask stays empty."""
    binary = mask.astype(bool).astype(np.uint8)
    if not binary.any():
        return binary
    largest = cc3d.largest_k(binary, k=1, connectivity=26, delta=0, binary_image=True)
    return largest.astype(np.uint8)
