"""How much each model learned from: the table sizes.tsv.

Owns: images, people and masks made by a model of each training set, and which models are of like
size.
Does not own: training sets (`raw`), or what is compared by size (`comparisons`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.tables import read_table
from cordstudy.pipeline.judging.rows import read_rows

NEEDED = ("dataset", "participant_id", "label_origin", "part")
ALIKE = 0.1
"""The share by which sizes may differ and count as one."""


@dataclass(frozen=True)
class Size:
    """What a model learned from, all folds."""

    model: str
    images: int
    people: int
    masks_by_model: int
    """Reference masks among them that a model made."""


def size_of(model: str, cases: Path) -> Size:
    """The size of a model's training set, from the table of its cases. Raises StudyError for one
    that is none."""
    rows = [row for row in read_table(cases, *NEEDED) if row["part"] == "train"]
    people = {(row["dataset"], row.get("person") or row["participant_id"]) for row in rows}
    masks_by_model = sum(row["label_origin"] == "model" for row in rows)
    return Size(model, len(rows), len(people), masks_by_model)


def by_model(sizes: Iterable[Size]) -> dict[str, Size]:
    """Sizes by the name of their model."""
    return {size.model: size for size in sizes}


def alike(kind: str, model: str, other: str, sizes: Mapping[str, Size]) -> bool:
    """Whether a size-matched model and another are of one size, within `ALIKE`: of images, or of
    people by its kind. Those of unknown size are not."""
    if model not in sizes or other not in sizes:
        return False
    one, two = _counted(kind, sizes[model]), _counted(kind, sizes[other])
    return abs(one - two) <= ALIKE * one


def _counted(kind: str, size: Size) -> int:
    return size.people if kind == "size-matched-people" else size.images


def read_sizes(path: Path) -> list[Size]:
    """Read sizes.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Size, what="sizes of training sets", step="compare")
