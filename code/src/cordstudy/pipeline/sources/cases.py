"""What is found in a source: a case, or an image that is left out.

Owns: what is known of each, and the columns of a table of them.
Does not own: finding them (`finding`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields


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
    person: str
    """Whom the participant is, within the dataset: one person may have several ids."""


@dataclass(frozen=True)
class LeftOut:
    """One image that is not used; `source` is who says so: the tree, the rules, the study or the
    source's list."""

    dataset: str
    participant_id: str
    session: str
    contrast: str
    image: str
    reason: str
    source: str


FOUND_COLUMNS = tuple(field.name for field in fields(Case))
LEFT_OUT_COLUMNS = tuple(field.name for field in fields(LeftOut))
