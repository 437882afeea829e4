"""The tolerance of the surface Dice beside the voxels that it is measured in.

Owns: the sides of voxels of each test set, and where the tolerance is below one.
Does not own: the surface Dice (`judging.surfaces`), or what its tolerance should be
(code/docs/judging.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Voxels:
    """The images of a test set."""

    testset: str
    cases: int
    shortest_mm: float
    """Side of any voxel."""
    longest_mm: float
    coarse: int
    """Images with voxels longer than the tolerance: along that side, a surface that is one voxel
    off is outside it."""

    @property
    def sides(self) -> str:
        """The sides, in words."""
        if self.shortest_mm == self.longest_mm:
            return f"{self.shortest_mm:.2f}"
        return f"{self.shortest_mm:.2f} to {self.longest_mm:.2f}"


def voxels_of(cases: pd.DataFrame, testsets: Sequence[str], tolerance_mm: float) -> list[Voxels]:
    """The voxels of each test set; `cases` are those of one model."""
    rows = []
    for testset in testsets:
        here = cases[cases["testset"] == testset]
        rows.append(
            Voxels(
                testset=testset,
                cases=len(here),
                shortest_mm=float(here["voxel_min_mm"].min()),
                longest_mm=float(here["voxel_max_mm"].max()),
                coarse=int((here["voxel_max_mm"] > tolerance_mm).sum()),
            )
        )
    return rows
