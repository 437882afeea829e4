"""What is found in a source: a case, or an image that is left out.

Owns: what is known of each, the columns of a table of them, and what is told of masks of unknown
origin.
Does not own: finding them (`finding`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields

from cordstudy.base.tables import MISSING

NO_IMAGE = "no image"
"""The reason where there is none, and its beginning where others were seen in its place."""
SEEN = "; seen: "


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
    label_made_by: str
    """The names of the steps that made the mask, as its sidecar has them; `n/a` for none."""
    site: str
    """Where the participant was scanned."""
    field_strength: str
    """At how many tesla."""


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
    person: str
    """Whom the participant is."""

    @property
    def has_image(self) -> bool:
        """Whether there is an image that is not used."""
        return not self.reason.startswith(NO_IMAGE)

    @property
    def kind_of_reason(self) -> str:
        """The reason without the names of what was seen in place of an image."""
        return self.reason.partition(SEEN)[0]


FOUND_COLUMNS = tuple(field.name for field in fields(Case))
LEFT_OUT_COLUMNS = tuple(field.name for field in fields(LeftOut))


def of_unknown_origin(cases: Iterable[Case]) -> list[str]:
    """What to tell of the masks of unknown origin: a line a dataset that has any, with what their
    sidecars name."""
    by_dataset: dict[str, Counter[str]] = {}
    for case in cases:
        if case.label_origin == "unknown":
            makers = by_dataset.setdefault(case.dataset, Counter())
            makers[case.label_made_by] += 1
    lines = []
    for dataset, makers in by_dataset.items():
        count = makers.total()
        masks = f"{count} masks of {dataset} are" if count > 1 else f"1 mask of {dataset} is"
        by_whom = ", ".join(f"{_by(name)} ({times})" for name, times in makers.most_common())
        lines.append(f"{masks} of unknown origin: {by_whom}")
    return lines


def _by(maker: str) -> str:
    return "no sidecar says by whom" if maker == MISSING else f"made by {maker!r}"
