"""Who made a reference mask, from its sidecar.

Owns: the label origin. Does not own: which masks are used (`bids`).
"""

from __future__ import annotations

import os
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import parse_json, read_text

UNKNOWN = "unknown"
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


def label_origin(sidecar: Path, *, broken: str | None = None) -> str:
    """Who made a mask: `manual`, `corrected` (a model's, then edited by a person), `model`, or
    `unknown` where the sidecar is absent or says nothing.

    From the order of `GeneratedBy` (BIDS derivatives): whoever came last, a person or a
    program. An older sidecar has only an `Author`, a person. `broken` is the origin to assume
    where a sidecar is not JSON; without it that is a StudyError, as is always what is no file, or not here.
    """
    if not os.path.lexists(sidecar):
        return UNKNOWN
    text = read_text(sidecar, largest=LARGEST, errors="replace").strip()
    if not text:
        return UNKNOWN
    try:
        content = parse_json(text, sidecar, hint=BROKEN)
    except StudyError:
        if broken:
            return broken
        raise
    return _origin(content, sidecar)


def _origin(content: object, sidecar: Path) -> str:
    steps = content.get("GeneratedBy", []) if isinstance(content, dict) else None
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise StudyError(
            f"{sidecar}: GeneratedBy is not a list of objects, as BIDS has it",
            hint="correct it in the source",
        )
    names = [str(step.get("Name", "")).lower() for step in steps]
    by_hand = ["manual" in name for name in names if name and not name.startswith(MOVERS)]
    if not by_hand:
        return "manual" if "Author" in content else UNKNOWN
    return "manual" if all(by_hand) else "corrected" if by_hand[-1] else "model"
