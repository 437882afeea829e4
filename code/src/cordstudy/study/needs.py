"""What each step asks of a machine at full size.

Owns: cores, memory, hours and whether a GPU is of use, by command.
Does not own: what a cluster calls these, or has (`site.toml`, `cli.site`). None of it changes an
output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """Upper bounds for one step; `gpu` is for the device `cuda` alone."""

    cores: int
    memory_gb: int
    hours: int
    gpu: bool = False


SMALL = Needs(cores=1, memory_gb=4, hours=1)
"""A table from tables."""
NEEDS: Mapping[str, Needs] = {
    "split": SMALL,
    "convert": Needs(cores=8, memory_gb=16, hours=4),
    "merge": SMALL,
    "plan": Needs(cores=8, memory_gb=32, hours=6),
    "train": Needs(cores=8, memory_gb=32, hours=48, gpu=True),
    "validate": Needs(cores=4, memory_gb=32, hours=6, gpu=True),
    "predict": Needs(cores=4, memory_gb=32, hours=12, gpu=True),
    "shape": Needs(cores=1, memory_gb=8, hours=4),
    "program": Needs(cores=4, memory_gb=16, hours=24),
    "evaluate": Needs(cores=8, memory_gb=16, hours=6),
    "compare": Needs(cores=1, memory_gb=8, hours=4),
    "leakage": SMALL,
    "cohort": SMALL,
    "package": SMALL,
    "unpack": Needs(cores=1, memory_gb=8, hours=1),
    "report": Needs(cores=1, memory_gb=8, hours=1),
    "notebook": Needs(cores=1, memory_gb=8, hours=1),
}
"""By command."""
