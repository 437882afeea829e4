"""nnU-Net's dataset.json: what is segmented, in which images, of a raw dataset and of its models.

Owns: its content, and what else than nnU-Net's keys stands in it.
Does not own: checking that of a model from elsewhere (`learning.plans`), or cases (`layout`).

A model keeps the dataset.json of what it learned from, so it says itself how its images lie. Absent
keys stand for RPI and for a structure that leaves an image below and above.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_json
from cordstudy.base.texts import read_json
from cordstudy.pipeline.raw.names import DATASET, MASK_ENDING

OWN = ("name", "numTraining")
"""Keys in which datasets of one task differ."""
AGAIN = "take it from where the model, or the raw dataset, was made"
SIDES = {
    "R": "right",
    "L": "left",
    "P": "posterior",
    "A": "anterior",
    "I": "inferior",
    "S": "superior",
}
"""Of the body, by the letter that stands for one in an orientation."""
ORIENTATIONS = {
    "".join(letters)
    for axes in itertools.permutations(("RL", "PA", "IS"))
    for letters in itertools.product(*axes)
}
USUAL: Mapping[str, object] = {"orientation": "RPI", "leaves": ["inferior", "superior"]}
"""Keys that nnU-Net does not know, and what they are where they are absent."""


@dataclass(frozen=True)
class Segmented:
    """What a model segments: in words, the orientation of its images, and the sides at which it
    leaves most of them."""

    structure: str
    orientation: str
    leaves: Sequence[str]


def content_of(
    *, label: str, channel: str, orientation: str, leaves: Sequence[str]
) -> dict[str, object]:
    """What dataset.json says of a task."""
    content: dict[str, object] = {
        "channel_names": {"0": channel},
        "labels": {"background": 0, label: 1},
        "file_ending": MASK_ENDING,
    }
    for key, value in (("orientation", orientation), ("leaves", list(leaves))):
        if value != USUAL[key]:
            content[key] = value
    return content


def read_segmented(model: Path) -> Segmented:
    """What the dataset.json beside a trained model, or in a raw dataset, says. Raises StudyError
    for one that says what cannot be."""
    path = model / DATASET
    content = read_json(path, hint=AGAIN)
    labels = content.get("labels")
    told = {key: content.get(key, usual) for key, usual in USUAL.items()}
    orientation, leaves = told["orientation"], told["leaves"]
    if not isinstance(labels, dict):
        raise StudyError(f"{path}: labels: {labels!r} cannot be", hint=AGAIN)
    if orientation not in ORIENTATIONS:
        raise StudyError(f"{path}: orientation: {orientation!r} cannot be", hint=AGAIN)
    if not isinstance(leaves, list) or not set(map(str, leaves)) <= set(SIDES.values()):
        raise StudyError(f"{path}: leaves: {leaves!r} cannot be", hint=AGAIN)
    names = [str(name).replace("_", " ") for name in labels if name != "background"]
    return Segmented(", ".join(names), str(orientation), [str(side) for side in leaves])


def content_of_all(raws: Sequence[Path]) -> dict[str, object]:
    """What the dataset.json of several raw datasets say alike. Raises StudyError where they do
    not."""
    contents = []
    for raw in raws:
        told = read_json(raw / DATASET, hint="code/study run convert")
        contents.append({key: value for key, value in told.items() if key not in OWN})
        if contents[-1] != contents[0]:
            raise StudyError(
                f"{raws[0] / DATASET} and {raw / DATASET}: not of one task",
                hint="merge datasets that were converted alike",
            )
    return contents[0]


def write_dataset_json(
    raw: Path, content: Mapping[str, object], *, name: str, trained: int
) -> None:
    """Write it; `trained` is how many cases there are to train on."""
    write_json(raw / DATASET, {**content, "name": name, "numTraining": trained})
