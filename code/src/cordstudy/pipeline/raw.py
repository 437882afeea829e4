"""The text of an nnU-Net raw dataset: what is known of a case, cases.tsv, dataset.json.

Owns: their columns and content.
Does not own: where cases come from (`bids`), or their images (`convert`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from cordstudy.pipeline.tables import write_json


@dataclass(frozen=True)
class Case:
    """One image with its mask. Paths are relative to the study's root."""

    case_id: str
    dataset: str
    participant_id: str
    session: str
    contrast: str
    vendor: str
    pathology: str
    sex: str
    age: str
    label_origin: str
    image: str
    mask: str
    image_key: str
    mask_key: str


@dataclass(frozen=True)
class LeftOut:
    """One image that is not used; `source` is who says so: the tree, the rules, the study or the source's list."""

    dataset: str
    participant_id: str
    session: str
    contrast: str
    image: str
    reason: str
    source: str


FOUND_COLUMNS = tuple(field.name for field in fields(Case))
LEFT_OUT_COLUMNS = tuple(field.name for field in fields(LeftOut))
CASE_COLUMNS = (*FOUND_COLUMNS, "part", "fold", "image_sha256", "mask_sha256")
"""Columns of a raw dataset's cases.tsv: what was found, its part, digests of the converted files."""


def write_dataset_json(out: Path, *, name: str, trained: int) -> None:
    """Write nnU-Net's dataset.json."""
    content = {
        "name": name,
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "spinal_cord": 1},
        "numTraining": trained,
        "file_ending": ".nii.gz",
    }
    write_json(out / "dataset.json", content)
