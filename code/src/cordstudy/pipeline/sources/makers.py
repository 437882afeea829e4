"""What kind of maker a step of a mask's history names: a person, a model, a tool that only moves
or reckons with what is there.

Owns: the table of known makers (makers.tsv, which people extend), how a name is looked up in it,
and what words about work by hand say of a model's mask.
Does not own: sidecars, or what the steps together make of a mask (`label_origin`).

A name is that of the longest entry that it begins with, in any case and however the words of the
entry are joined (`ITK-SNAP`, `itksnap`, `ITK SNAP 3.8`). What no entry names, and words that can be
read in two ways, are `unknown`: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_lines

Kind = Literal["person", "model", "corrected", "tool", "unknown"]
"""`corrected` is a person's work on a model's; `tool` makes no label; `unknown` may be several."""
KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
ByHand = Literal["done", "not done", "unclear", "not said"]
"""What a text says of work by hand."""
TABLE = Path(__file__).with_name("makers.tsv")
SHORTEST = 4
"""The letters of a name that stands for a maker also with words after it: a shorter one may be a
person's (Sam), or of another word."""
VERSION = r"[\W_]*(?:v(?:ersion)?[\W_]*)?(?:\d[\d.]*)?\W*$"
LONGEST = 2_000
"""The characters of a name and what is said of it that are looked at; more is `unknown`."""

FILES = re.compile(r"\S+\.(?:nii|mgz|mgh|nrrd|mha|json|mat)\b\S*")
"""Names of files in a command line, which say nothing of who made them."""
CHANGED = (
    r"(?:re-?)?(?:correct|edit|fix|adjust|refin|modif|revis|retouch|clean|amend|redraw|improv)\w*"
)
HAND = r"(?:manual(?:ly)?|by[\W_]+hand|hand)"
DONE = re.compile(rf"\b(?:{HAND}[\W_]+{CHANGED}|{CHANGED}[\W_]+(?:manually|by[\W_]+hand)\b)", re.I)
"""A person changed what was there."""
NOT_DONE = re.compile(
    r"\b(?:no|not|non|never|without|w/o)[\W_]+"
    r"(?:(?:any|been|be|further|subsequent|additional|more|was|were)[\W_]+)*"
    rf"{HAND}\b(?:[\W_]+{CHANGED})?",
    re.I,
)
DOUBT = re.compile(
    r"\?|n't\b|\b(?:no(?!\.?\s*\d)|not|non|never|none|without|cannot|needs?|needed|needing|necessary"
    r"|requires?|required|recommended|should|shall|must|might|may be|can be|could|would|will be"
    r"|to be|todo|pending|planned|if|unless|before|optional(?:ly)?|partly|partially|some)\b",
    re.I,
)
"""Words by which what is said of work by hand may not be so, or not of this mask."""
HINTS = re.compile(
    r"\b(?:manual\w*|hand|human|rater|reviewer|(?:correct|edit|revis|modifi)ed[\W_]+by)\b", re.I
)
"""Words about people's work, of which nothing more is understood."""


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    name: str
    kind: Kind

    @property
    def is_short(self) -> bool:
        """Whether the name alone says little."""
        return self.name.isalpha() and len(self.name) < SHORTEST

    @property
    def pattern(self) -> str:
        """The name in a text; a command's name does not end at an underscore."""
        words = re.findall(r"[^\W_]+", self.name)
        end = r"(?!\w)" if "_" in self.name else r"(?![^\W_])"
        return r"[\W_]*".join(map(re.escape, words)) + end


def kind_of_step(name: str, description: str = "") -> Kind:
    """The kind of a step by its name, and for a person's or a model's by what is said of it."""
    if len(name) + len(description) > LONGEST:
        return "unknown"
    name = FILES.sub(" ", name)
    said = f"{name}. {FILES.sub(' ', description)}"
    entry, rest = _entry(name)
    if entry is None:
        return "unknown"
    if entry.kind == "person":
        return _of_person(name, said)
    if entry.kind == "tool":
        return "unknown" if _mentions(rest, "model", "person") else "tool"
    if entry.kind == "corrected":
        return "unknown" if DOUBT.search(name) else "corrected"
    return _of_others(entry.kind, said)


def kind_of_author(name: str) -> Kind:
    """The kind of whoever is named as an author, where nothing else is: a person, but for the
    names of programs. A short one is a program's where it is written as in the table."""
    if len(name) > LONGEST:
        return "unknown"
    entry, _ = _entry(name)
    if entry and (not entry.is_short or name.startswith(entry.name)):
        kind = kind_of_step(name)
        return "unknown" if kind == "tool" else kind
    if _mentions(name, "model"):
        return "corrected" if _by_hand(name) == "done" else "unknown"
    return "person"


def _of_person(name: str, said: str) -> Kind:
    if DOUBT.search(name) or NOT_DONE.search(said):
        return "unknown"
    if not _mentions(said, "model"):
        return "person"
    return "corrected" if _by_hand(said) == "done" else "unknown"


def _of_others(kind: Kind, said: str) -> Kind:
    """The kind of a step that a model made, or something of several kinds."""
    by_hand = _by_hand(said)
    if by_hand == "done":
        return "corrected"
    return "unknown" if by_hand == "unclear" else kind


def _by_hand(text: str) -> ByHand:
    """What a text says of work by hand."""
    rest, not_done = NOT_DONE.subn(" ", text)
    rest, done = DONE.subn(" ", rest)
    rest, with_editor = _corrected_with_editor().subn(" ", rest)
    if done or with_editor:
        return "unclear" if not_done or DOUBT.search(rest) else "done"
    if HINTS.search(rest) or _mentions(rest, "person"):
        return "unclear"
    return "not done" if not_done else "not said"


def _entry(text: str) -> tuple[Entry | None, str]:
    """The longest entry of the table that a text begins with, and what follows it."""
    text = re.sub(r"^[\W_]+", "", text)
    found = []
    for entry, pattern in _starts():
        match = pattern.match(text)
        if match:
            found.append((entry, text[match.end() :]))
    return max(found, key=lambda one: len(one[0].name), default=(None, text))


def _mentions(text: str, *kinds: Kind) -> bool:
    """Whether a text names a maker of some kinds."""
    return any(_anywhere(kind).search(text) for kind in kinds)


@cache
def _starts() -> Sequence[tuple[Entry, re.Pattern[str]]]:
    starts = []
    for entry in read_makers(TABLE):
        end = VERSION if entry.is_short else ""
        starts.append((entry, re.compile(entry.pattern + end, re.I)))
    return starts


@cache
def _anywhere(kind: Kind) -> re.Pattern[str]:
    """The names of a kind, as they may stand in a text."""
    return re.compile(rf"(?<!\w)(?:{_alternatives([kind])})", re.I)


@cache
def _corrected_with_editor() -> re.Pattern[str]:
    editors = _alternatives(["person"])
    return re.compile(rf"\b{CHANGED}[\W_]+(?:in|with|using|on)[\W_]+(?:{editors})", re.I)


def _alternatives(kinds: Iterable[Kind]) -> str:
    entries = [entry for entry in read_makers(TABLE) if entry.kind in kinds and not entry.is_short]
    return "|".join(entry.pattern for entry in entries)


@cache
def read_makers(path: Path) -> Sequence[Entry]:
    """The entries of a table of makers. Raises StudyError, naming the line, for one of another
    kind, and for a name that is none or stands there twice."""
    entries: dict[str, Entry] = {}
    for number, row in read_lines(path, "name", "kind"):
        name, kind = row["name"], row["kind"]
        key = "".join(re.findall(r"[^\W_]+", name)).lower()
        fault = ""
        if kind not in KINDS:
            fault = f"is of the kind {kind!r}"
        elif not key:
            fault = "is no name"
        elif key in entries:
            fault = "stands there twice"
        if fault:
            raise StudyError(
                f"{path}, line {number}: {name!r} {fault}",
                hint=f"one row a name, of a kind: {', '.join(KINDS)}",
            )
        entries[key] = Entry(name, KINDS[kind])
    return list(entries.values())
