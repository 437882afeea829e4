"""Finding the image-mask cases of a BIDS source by a study's rules.

Owns: which image goes with which mask, what is known of each case, and what is left out
and why.
Does not own: reading images (`convert`), or the division into parts (`splits`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.errors import StudyError

MISSING = "n/a"


@dataclass(frozen=True)
class Rules:
    """How a source names its images and masks; see `study.Dataset` for each field."""

    name: str
    path: str
    role: str
    images: tuple[str, ...]
    labels: str
    mask: str
    session: str | None
    leave_out: Mapping[str, str]


@dataclass(frozen=True)
class Participant:
    """One row of participants.tsv."""

    name: str
    vendor: str
    pathology: str


@dataclass(frozen=True)
class Case:
    """One image with its mask. Paths are relative to the study's root."""

    case_id: str
    dataset: str
    participant: Participant
    session: str
    contrast: str
    image: str
    mask: str
    mask_origin: str


@dataclass(frozen=True)
class LeftOut:
    """One image, or one participant, that is not used."""

    participant_id: str
    contrast: str
    reason: str


def read_rules(path: Path) -> Rules:
    """Read the rules file of one dataset, as `study run` writes it from the study's TOML."""
    content = json.loads(path.read_text())
    return Rules(**(content | {"images": tuple(content["images"])}))


def read_table(path: Path, *needed: str) -> list[dict[str, str]]:
    """Rows of a TSV. Raises StudyError if it is absent or lacks a needed column."""
    if not path.is_file():
        raise StudyError(f"there is no {path}", hint="every BIDS source needs it; is the source installed?")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        lacking = [name for name in needed if name not in (reader.fieldnames or ())]
        if lacking:
            raise StudyError(f"{path}: no column {lacking[0]!r}", hint=f"it has {', '.join(reader.fieldnames or ())}")
        return list(reader)


def read_participants(root: Path, rules: Rules) -> dict[str, Participant]:
    """The participants of a source by id, in sorted order."""
    rows = read_table(root / rules.path / "participants.tsv", "participant_id")
    found = {}
    for row in rows:
        name = row["participant_id"]
        if name in found:
            raise StudyError(f"{rules.path}/participants.tsv: {name} stands there twice", hint="keep one row")
        found[name] = Participant(name, row.get("manufacturer") or MISSING, row.get("pathology") or MISSING)
    if unknown := sorted(set(rules.leave_out) - set(found)):
        raise StudyError(
            f"datasets.{rules.name}.leave_out: {unknown[0]} is not in {rules.path}/participants.tsv",
            hint="correct the participant's id",
        )
    return dict(sorted(found.items()))


def find_cases(root: Path, rules: Rules) -> tuple[list[Case], list[LeftOut]]:
    """All cases of a source, sorted, and all that is left out, with the reason.

    `root` is the study's root. Raises StudyError for a mask without its image, and for a
    participant that has images but no row in participants.tsv.
    """
    participants = read_participants(root, rules)
    folders = {p.name for p in (root / rules.path).glob("sub-*")}
    if strangers := sorted(folders - set(participants)):
        raise StudyError(
            f"{rules.path}/participants.tsv: no row for {strangers[0]}, which has a folder",
            hint="add the row, or remove the folder from the source",
        )
    cases, left_out = [], []
    for participant in participants.values():
        if reason := rules.leave_out.get(participant.name):
            left_out.append(LeftOut(participant.name, "all", reason))
            continue
        for found in _look(root, rules, participant):
            (cases if isinstance(found, Case) else left_out).append(found)
    return cases, left_out


def _look(root: Path, rules: Rules, participant: Participant) -> Iterator[Case | LeftOut]:
    """Each image that the rules name for one participant."""
    parts = [participant.name, *([rules.session] if rules.session else [])]
    prefix, below = "_".join(parts), "/".join(parts)
    for image in rules.images:
        datatype, entities = image.split("/")
        stem = f"{prefix}_{entities}"
        image_path = f"{rules.path}/{below}/{datatype}/{stem}.nii.gz"
        mask = rules.mask.format(stem=stem, subject=prefix)
        mask_path = f"{rules.path}/{rules.labels}/{below}/{datatype}/{mask}.nii.gz"
        has_image, has_mask = (_exists(root / path) for path in (image_path, mask_path))
        if has_mask and not has_image:
            raise StudyError(
                f"{mask_path}: this mask has no image {image_path}",
                hint="restore the image, remove the mask, or leave the participant out with a reason",
            )
        if not has_image:
            yield LeftOut(participant.name, entities, "no image")
        elif not has_mask:
            yield LeftOut(participant.name, entities, "no mask")
        else:
            yield Case(
                case_id=f"{rules.name}_{stem}",
                dataset=rules.name,
                participant=participant,
                session=rules.session or MISSING,
                contrast=entities,
                image=image_path,
                mask=mask_path,
                mask_origin=mask_origin(root / mask_path.replace(".nii.gz", ".json")),
            )


def _exists(path: Path) -> bool:
    """Whether the tree has the file, be its annexed content here or not."""
    return path.is_symlink() or path.exists()


def mask_origin(sidecar: Path) -> str:
    """Who made a mask: `manual`, `corrected` (a model's, edited by a person) or `model`.

    From `GeneratedBy` of its sidecar; `n/a` where that says nothing.
    """
    if not sidecar.is_file():
        return MISSING
    try:
        content = json.loads(sidecar.read_text())
    except json.JSONDecodeError as error:
        raise StudyError(f"{sidecar}: not JSON: {error}", hint="correct the sidecar in the source") from error
    names = [str(entry.get("Name", "")).lower() for entry in content.get("GeneratedBy", [])]
    if not names:
        return MISSING
    by_hand = ["manual" in name for name in names]
    return "manual" if all(by_hand) else "corrected" if any(by_hand) else "model"
