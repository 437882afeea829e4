"""Who made a reference mask, from its sidecar.

Owns: the label origin, and the names of whoever made the mask.
Does not own: what kind of maker a name stands for (`makers`), or which masks are used (`finding`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known
from cordstudy.base.texts import parse_json, read_text
from cordstudy.pipeline.sources.makers import Kind, kind_of_author, kind_of_step, names_a_model
from cordstudy.pipeline.sources.rules import LabelOrigin

LARGEST = 16 * 2**20
SHOWN = 200
"""The characters that are kept of the names of whoever made a mask."""
SAID = ("description", "method")
"""The keys of a sidecar whose text tells of the whole mask."""
BROKEN = "correct it in the source, or say in the TOML who made such masks: broken_sidecars"


@dataclass(frozen=True)
class Label:
    """Who made a mask: `manual`, `corrected` (a model's, then changed by a person), `model`, or
    `unknown`; and the names of the steps that made it, `n/a` where none is given."""

    origin: LabelOrigin
    made_by: str = MISSING

    @property
    def told(self) -> str:
        """Its origin in words; of an unknown one, what is to be added to the table of makers."""
        if self.origin != "unknown" or self.made_by == MISSING:
            return f"label origin {self.origin}"
        return f"label origin unknown: made by {self.made_by!r}"


@dataclass(frozen=True)
class Step:
    """One step of how a mask was made."""

    name: str
    description: str
    beside: str
    """What its other keys say."""

    @property
    def kind(self) -> Kind:
        """Who or what did it; nobody knows of a step without a name, or of a person's beside whom
        a model is named."""
        if self.name == MISSING:
            return "unknown"
        kind = kind_of_step(self.name, self.description)
        return "unknown" if kind != "model" and names_a_model(self.beside) else kind


def read_label(sidecar: Path, *, broken: LabelOrigin | None = None) -> Label:
    """Who made a mask: `unknown` where the sidecar is absent or does not say.

    From the order of `GeneratedBy` (BIDS derivatives): whoever came last, a person or a model. An
    older sidecar has only an `Author`, a person, or BIDS' key `Manual`. What contradicts that is
    `unknown`. `broken` is the origin to assume where a sidecar is not JSON; without it that is a
    StudyError, as is always what is no file, or not here.
    """
    if not os.path.lexists(sidecar):
        return Label("unknown")
    text = read_text(sidecar, largest=LARGEST, errors="replace").strip()
    if not text:
        return Label("unknown")
    try:
        content = parse_json(text, sidecar, hint=BROKEN)
    except StudyError:
        if broken:
            return Label(broken)
        raise
    if not isinstance(content, dict):
        raise _of_another_form(sidecar)
    return _label(_in_lower_case(content, sidecar), sidecar)


def _label(content: Mapping[str, object], sidecar: Path) -> Label:
    """What a sidecar tells, by its keys in lower case."""
    steps = _steps(content.get("generatedby"), sidecar)
    made_by = _short("; ".join(step.name for step in steps)) or MISSING
    said = " ; ".join(filter(None, (_words(content.get(key)) for key in SAID)))
    kinds: list[Kind] = [step.kind for step in steps if step.kind != "tool"]
    author = _author(content.get("author"))
    if not kinds and author:
        kinds = [kind_of_author(author, said)]
        if kinds == ["model"] and not steps:
            made_by = _short(author)  # no person's name: those stay in the source
    is_manual = content.get("manual")
    if not kinds and isinstance(is_manual, bool):
        kinds = ["person" if is_manual else "model"]
    origin = _origin(kinds)
    contradicts = is_manual not in (None, origin != "model")
    beside = _beside(content, "generatedby", "author")
    if contradicts or (origin == "manual" and names_a_model(beside)):
        origin = "unknown"
    return Label(origin, made_by)


def _origin(kinds: Sequence[Kind]) -> LabelOrigin:
    """The origin by the kinds of the steps, in their order, of which none is a tool."""
    if not kinds or "unknown" in kinds:
        return "unknown"
    if set(kinds) == {"person"}:
        return "manual"
    return "model" if kinds[-1] == "model" else "corrected"


def _steps(told: object, sidecar: Path) -> list[Step]:
    """The steps of a list of them, or of one, of which anything is said."""
    steps = []
    for values in told if isinstance(told, list) else [told or {}]:
        if not isinstance(values, dict):
            raise _of_another_form(sidecar)
        values = _in_lower_case(values, sidecar)
        if any(value not in (None, "", [], {}) for value in values.values()):
            name = values.get("name")
            name = _words(name) if isinstance(name, str) else ""
            beside = _beside(values, "name", "description", "author")
            steps.append(Step(name or MISSING, _words(values.get("description")), beside))
    return steps


def _beside(values: Mapping[str, object], *but: str) -> str:
    """What an object says under other keys than these."""
    return " ; ".join(_words(value) for key, value in values.items() if key not in but)


def _author(told: object) -> str:
    """The author, or all of them."""
    names = told if isinstance(told, list) else [told]
    return "; ".join(filter(None, map(_words, names)))


def _words(value: object) -> str:
    """The texts of a value in one line; none where it has none, or they say that nothing is
    known."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return " ; ".join(filter(None, map(_words, value)))
    text = known(" ".join(value.split())) if isinstance(value, str) else MISSING
    return "" if text == MISSING else text


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _in_lower_case(values: Mapping[str, object], sidecar: Path) -> dict[str, object]:
    """An object by its keys in lower case: some writers do not keep those of BIDS."""
    lower: dict[str, object] = {}
    for key, value in values.items():
        if key.lower() in lower:
            raise StudyError(
                f"{sidecar}: the key {key!r} stands there twice, in other letters",
                hint="correct it in the source",
            )
        lower[key.lower()] = value
    return lower


def _of_another_form(sidecar: Path) -> StudyError:
    return StudyError(
        f"{sidecar}: GeneratedBy is not a list of objects, as BIDS has it",
        hint="correct it in the source",
    )
