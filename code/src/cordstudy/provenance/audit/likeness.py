"""How alike two files are that ought to be the same.

Owns: comparing content by its kind: voxels, arrays of a checkpoint, numbers in text, text.
Does not own: which files (`differences`), or what a step promises (`steps`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cordstudy.base.errors import StudyError

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage
    from torch import Tensor

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
TEXT = {".tsv", ".csv", ".json", ".txt", ".md", ".html", ".toml", ".ipynb"}
LONGEST = 80
"""Of a line that differs, so many characters are shown."""


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
        return _texts(_read(recorded), _read(made), tolerance)
    return Likeness("different", f"{recorded.stat().st_size} and {made.stat().st_size} bytes")


def _read(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def _volumes(recorded: Path, made: Path) -> Likeness:
    import numpy as np

    then, now = _volume(recorded), _volume(made)
    if then.shape != now.shape:
        return Likeness("different", f"{then.shape} and {now.shape} voxels")
    apart = float(np.abs(then.affine - now.affine).max())
    differing = int((np.asanyarray(then.dataobj) != np.asanyarray(now.dataobj)).sum())
    if differing or apart > 1e-6:
        return Likeness("different", f"{differing} voxels differ, affines by up to {apart:g}")
    return Likeness("voxel-identical", "stored in other bytes")


def _volume(path: Path) -> SpatialImage:
    import nibabel as nib
    from nibabel.spatialimages import SpatialImage

    image = nib.load(path)
    if not isinstance(image, SpatialImage):
        raise StudyError(f"{path} holds no volume")
    return image


def _checkpoints(recorded: Path, made: Path) -> Likeness:
    from cordstudy.pipeline.learning.checkpoints import load  # torch: 2 s to import

    then, now = dict(_arrays(load(recorded))), dict(_arrays(load(made)))
    alone = sorted(then.keys() ^ now.keys())
    if alone:
        return Likeness("different", f"other arrays: {alone[0]}")
    for name, array in then.items():
        shapes = tuple(array.shape), tuple(now[name].shape)
        if shapes[0] != shapes[1]:
            return Likeness("different", f"{name}: shapes {shapes[0]} and {shapes[1]}")
    distances = {name: _distance(array, now[name]) for name, array in then.items()}
    return _by_distances(distances)


def _by_distances(distances: Mapping[str, float]) -> Likeness:
    """What to say of two checkpoints by how far each of their arrays lies apart."""
    differing = {name: distance for name, distance in distances.items() if distance > 0}
    if not differing:
        return Likeness("different", "all arrays agree, what is kept beside them does not")
    worst = max(differing, key=lambda name: differing[name])
    how = f"by up to {differing[worst]:.3g} in {worst}"
    return Likeness("different", f"{len(differing)} of {len(distances)} arrays differ, {how}")


def _distance(array: Tensor, other: Tensor) -> float:
    """The largest difference between two arrays of one shape; 0 for empty ones."""
    return float((array.double() - other.double()).abs().max()) if array.numel() else 0.0


def _arrays(value: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The arrays in a checkpoint, by the keys and places that lead to each."""
    from torch import Tensor

    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _arrays(item, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _arrays(item, f"{name}[{n}]")


def _texts(recorded: str, made: str, tolerance: float | None) -> Likeness:
    if NUMBER.split(recorded) == NUMBER.split(made):
        return _numbers(recorded, made, tolerance)
    lines = difflib.unified_diff(recorded.splitlines(), made.splitlines(), lineterm="", n=0)
    changed = [line for line in list(lines)[2:] if line[:1] in "+-"]
    shown = " | ".join(_shortened(line) for line in changed[:2])
    return Likeness("different", f"{len(changed)} lines differ: {shown}")


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _numbers(recorded: str, made: str, tolerance: float | None) -> Likeness:
    """How alike two texts are that differ in their numbers only."""
    count = 0
    distances: list[float] = []
    for then, now in zip(NUMBER.findall(recorded), NUMBER.findall(made), strict=True):
        count += 1
        if float(then) != float(now):
            distances.append(abs(float(then) - float(now)))
    farthest = max(distances, default=0.0)
    within = tolerance is not None and farthest <= tolerance
    text = f"{len(distances)} of {count} numbers differ, by up to {farthest:.3g}"
    return Likeness("equivalent" if within else "different", text)
