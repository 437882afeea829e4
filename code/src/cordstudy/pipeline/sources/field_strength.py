"""The field strength at which an image was made, in tesla, as text.

Owns: reading it as people and scanners write it, and from an image's sidecars.
Does not own: which of the two goes first (`finding`), or the columns of participants.tsv
(`participants`).

It is told of who was studied and decides nothing: what cannot be read is `n/a`, no error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING
from cordstudy.base.texts import read_json
from cordstudy.base.within import Tree

KEY = "MagneticFieldStrength"
"""Of BIDS' sidecars."""
WRITTEN = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?(?:t|tesla)?", re.IGNORECASE)
NOMINAL_T = (0.55, 1.0, 1.5, 3.0, 7.0)
"""What scanners are sold as: some write 2.89 for 3 and 1.494 for 1.5."""
SLACK = 0.05
"""The share by which one that is written may lie beside what the scanner is sold as."""
LARGEST_T = 30.0
"""Above this it is another unit."""


def field_strength(value: str) -> str:
    """A field strength in tesla as a short number; `n/a` for what is none."""
    match = WRITTEN.fullmatch(value.strip())
    if not match:
        return MISSING
    tesla = float(match[1].replace(",", "."))
    if not 0 < tesla <= LARGEST_T:
        return MISSING
    for nominal in NOMINAL_T:
        if abs(tesla - nominal) <= SLACK * nominal:
            return f"{nominal:g}"
    return f"{tesla:.3g}"


def of_sidecars(beside: Path, source: Tree) -> str:
    """What the sidecars of an image say: the one `beside` it, else those of the source's root that
    are about it, which BIDS has it inherit, the most specific first; `n/a` where none says it.

    Raises StudyError for a sidecar that lies outside its source.
    """
    for path in (beside, *_inherited(beside, source.path)):
        told = _of_sidecar(path, source)
        if told != MISSING:
            return told
    return MISSING


def _inherited(beside: Path, root: Path) -> list[Path]:
    """The sidecars in the root of a source whose suffix an image has, and whose entities."""
    parts = beside.stem.split("_")
    paths = []
    for path in root.glob(f"*{parts[-1]}.json"):
        own = path.stem.split("_")
        if own[-1] == parts[-1] and set(own) <= set(parts):
            paths.append(path)
    return sorted(paths, key=lambda path: (-len(path.stem.split("_")), path.name))


def _of_sidecar(path: Path, source: Tree) -> str:
    """What one sidecar says; `n/a` where it is absent, is no JSON object or does not say."""
    if not os.path.lexists(path):
        return MISSING
    source.check(path)
    try:
        content = read_json(path)
    except StudyError:
        return MISSING
    value = content.get(KEY) if isinstance(content, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return MISSING
    return field_strength(str(value))
