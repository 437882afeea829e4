"""Who made a reference mask, from its sidecar.

Owns: the label origin.
Does not own: which masks are used (`finding`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import parse_json, read_text
from cordstudy.pipeline.sources.rules import LabelOrigin

LARGEST = 16 * 2**20
BROKEN = "correct it in the source, or say in the TOML who made such masks: broken_sidecars"
MOVERS = (
    "sct_resample",
    "sct_image",
    "sct_register",
    "sct_apply_transfo",
    "sct_maths",
    "fslreorient",
    "fslswapdim",
)
"""Programs that move or resample voxels: they make no label."""


def label_origin(sidecar: Path, *, broken: LabelOrigin | None = None) -> LabelOrigin:
    """Who made a mask: `manual`, `corrected` (a model's, then edited by a person), `model`, or
    `unknown` where the sidecar is absent or says nothing.

    From the order of `GeneratedBy` (BIDS derivatives): whoever came last, a person or a
    program. An older sidecar has only an `Author`, a person. `broken` is the origin to assume
    where a sidecar is not JSON; without it that is a StudyError, as is always what is no file,
    or not here.
    """
    if not os.path.lexists(sidecar):
        return "unknown"
    text = read_text(sidecar, largest=LARGEST, errors="replace").strip()
    if not text:
        return "unknown"
    try:
        content = parse_json(text, sidecar, hint=BROKEN)
    except StudyError:
        if broken:
            return broken
        raise
    if not isinstance(content, dict):
        raise _of_another_form(sidecar)
    return _origin(content, sidecar)


def _origin(content: Mapping[str, object], sidecar: Path) -> LabelOrigin:
    """The origin that a sidecar tells of."""
    makers = _makers(content, sidecar)
    if not makers:
        return "manual" if "Author" in content else "unknown"
    by_hand = ["manual" in name for name in makers]
    if all(by_hand):
        return "manual"
    return "corrected" if by_hand[-1] else "model"


def _makers(content: Mapping[str, object], sidecar: Path) -> Sequence[str]:
    """The names, in lower case, of the people and programs that made or changed a label, in their
    order."""
    steps = content.get("GeneratedBy", [])
    if not isinstance(steps, list):
        raise _of_another_form(sidecar)
    makers = []
    for step in steps:
        if not isinstance(step, dict):
            raise _of_another_form(sidecar)
        name = str(step.get("Name", "")).lower()
        if name and not name.startswith(MOVERS):
            makers.append(name)
    return makers


def _of_another_form(sidecar: Path) -> StudyError:
    return StudyError(
        f"{sidecar}: GeneratedBy is not a list of objects, as BIDS has it",
        hint="correct it in the source",
    )
