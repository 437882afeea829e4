"""How alike two files are that ought to be the same.

Owns: comparing content by its kind: voxels, arrays of a checkpoint, numbers in text, text.
Does not own: which files (`provenance.verify`), or what a step promises (`steps`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
TEXT = {".tsv", ".csv", ".json", ".txt", ".md", ".html", ".toml", ".ipynb"}


@dataclass(frozen=True)
class Likeness:
    """`voxel-identical`, `equivalent` or `different`, and in words how they differ."""

    word: str
    text: str


def compare(recorded: Path, made: Path, *, tolerance: float | None = None) -> Likeness:
    """How alike two files of one name are whose bytes differ.

    NIfTI: voxels and affine. Checkpoints: their arrays. Text: its numbers within
    `tolerance` (absolute; none without one) where all else agrees, and else its lines.
    """
    name = recorded.name
    if name.endswith((".nii", ".nii.gz")):
        return _volumes(recorded, made)
    if name.endswith(".pth"):
        return _checkpoints(recorded, made)
    if recorded.suffix in TEXT:
        return _texts(
            *(path.read_text("utf-8", errors="replace") for path in (recorded, made)), tolerance
        )
    return Likeness("different", f"{recorded.stat().st_size} and {made.stat().st_size} bytes")


def _volumes(recorded: Path, made: Path) -> Likeness:
    import nibabel as nib
    import numpy as np

    one, two = nib.load(recorded), nib.load(made)
    if one.shape != two.shape:
        return Likeness("different", f"{one.shape} and {two.shape} voxels")
    apart = float(np.abs(one.affine - two.affine).max())
    differing = int((np.asanyarray(one.dataobj) != np.asanyarray(two.dataobj)).sum())
    if differing or apart > 1e-6:
        return Likeness("different", f"{differing} voxels differ, affines by up to {apart:g}")
    return Likeness("voxel-identical", "stored in other bytes")


def _checkpoints(recorded: Path, made: Path) -> Likeness:
    from cordstudy.pipeline.learning.checkpoints import load  # torch: 2 s to import

    sides = [dict(_arrays(load(path))) for path in (recorded, made)]
    if sides[0].keys() != sides[1].keys():
        return Likeness(
            "different", f"other arrays: {sorted(sides[0].keys() ^ sides[1].keys())[0]}"
        )
    worst, where, count = 0.0, "", 0
    for name, array in sides[0].items():
        other = sides[1][name]
        if array.shape != other.shape:
            return Likeness(
                "different", f"{name}: shapes {tuple(array.shape)} and {tuple(other.shape)}"
            )
        apart = float((array.double() - other.double()).abs().max()) if array.numel() else 0.0
        count += apart > 0
        if apart > worst:
            worst, where = apart, name
    if not count:
        return Likeness("different", "all arrays agree, what is kept beside them does not")
    return Likeness(
        "different", f"{count} of {len(sides[0])} arrays differ, by up to {worst:.3g} in {where}"
    )


def _arrays(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if hasattr(value, "numel"):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _arrays(item, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _arrays(item, f"{name}[{n}]")


def _texts(recorded: str, made: str, tolerance: float | None) -> Likeness:
    if NUMBER.sub("#", recorded) == NUMBER.sub("#", made):
        pairs = [
            (float(a), float(b)) for a, b in zip(NUMBER.findall(recorded), NUMBER.findall(made))
        ]
        apart = [abs(a - b) for a, b in pairs if a != b]
        word = (
            "equivalent"
            if tolerance is not None and max(apart, default=0.0) <= tolerance
            else "different"
        )
        return Likeness(
            word,
            f"{len(apart)} of {len(pairs)} numbers differ, by up to {max(apart, default=0.0):.3g}",
        )
    lines = list(difflib.unified_diff(recorded.splitlines(), made.splitlines(), lineterm="", n=0))[
        2:
    ]
    changed = [line for line in lines if line[:1] in "+-"]
    shown = " | ".join(line if len(line) <= 80 else f"{line[:79]}…" for line in changed[:2])
    return Likeness("different", f"{len(changed)} lines differ: {shown}")
