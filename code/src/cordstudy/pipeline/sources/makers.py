"""What kind of maker a step of a mask's history names: a person, a model, a tool that only moves
or reckons with what is there.

Owns: the table of known makers and words (makers.tsv, which people extend), how a text is read by
it, and which texts are people's names.
Does not own: sidecars, or what the steps together make of a mask (`label_origin`).

A text is read from left to right, at each place the longest entry of the table, in any case and
however its words are joined (`ITK-SNAP`, `itksnap`, `ITK SNAP 3.8`). A kind is told only of what is
understood to the last word: any other word makes it `unknown`, and nothing is guessed. Only after
the name of a tool may other words stand, as its options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_lines

Kind = Literal["person", "model", "corrected", "tool", "unknown"]
"""`corrected` is a person's change of what was there; `tool` makes no label; `unknown` may be
several."""
SIGNS = {
    "person": "P",
    "model": "M",
    "corrected": "K",
    "tool": "T",
    "unknown": "U",
    "change": "C",
    "not": "N",
    "author": "A",
    "work": "W",
    "then": ">",
    "suite": "S",
    "image": "I",
    "nothing": "_",
}
"""The kinds of the table's entries, and the sign of each in what was read. Of words that are no
makers: a `change` is `corrected` beside a person, `not` takes that back, an `author` is who a
person is, `work` is a person's beside one, a `suite` says nothing beside one of its commands, an
`image` is none of a mask, `then` keeps an order, and `nothing` says nothing of who made a mask.
Other signs are `X` of a word that is not understood, `=` and `0` of values, and `Z` of a change
that was not made."""
KIND_OF: Mapping[str, Kind] = {
    "P": "person",
    **dict.fromkeys(("M", "MZ"), "model"),
    **dict.fromkeys(("T", "TX", "TZ"), "tool"),
    **dict.fromkeys(("K", "KP", "KM", "KMP"), "corrected"),
}
"""The kind of a text by the signs in it; one of any others is `unknown`."""
DOUBT = re.compile(r"0[PCK]|[PCK][=0]|I[PCK]|[PK].*>.*M|^[^T]*X")
"""Signs in an order that may say otherwise: of a count or a value of work by hand, of an image that
was changed, of a model after it, of words before a tool's name."""
TABLE = Path(__file__).with_name("makers.tsv")
ALSO_NAMES = ("SAM", "JIM")
"""Makers as people are called too: meant where written so, or where nothing else is."""
LONGEST = 2_000
"""The characters of a name and what is said of it that are looked at; more is `unknown`."""

COMMAND = re.compile(
    r"\S+\.(?:nii|mgz|mgh|nrrd|mha|json|mat)\b\S*|(?<!\S)-c\s+\w+|(?<!\S)-[a-z](?:\s+[a-z\d])?(?!\S)"
    r"|\bno\.?(?=\s*\d)|https?://\S+|(?<!\S)-[a-z][\w-]*\s+[~./]\S*"
)
"""What says nothing of who made a mask: files, addresses, options of one letter or with a path, and
`no.` of a number."""
TOKEN = re.compile(r"[^\W_]+(?:\.\d+)*|[^\w\s.'\"/*-]")
QUIET = ",;()[]{}|&"
NUMBER = re.compile(r"[vr]?\d+(?:\.\d+)*(?:mm)?|(?=[a-f]*\d)[\da-f]{7,40}", re.I)
ZERO = re.compile(r"v?0+(?:\.0+)?")
VERSION = re.compile(r"v?[\d.]+$", re.I)

MAIL = re.compile(r"<?([\w.+-]+)@[\w-]+(?:\.[\w-]+)+>?")
DATE = re.compile(r"\d[\d/-]*")
CAPITAL_INSIDE = re.compile(r"\b(?:Mc|Mac|De|Di|Du|Fitz|La|Le|Van)(?=[A-Z][a-z])")
PARTICLE = re.compile(
    r"al|and|ben|bin|d[aeiou]|del|della|den|der|dos|el?|et|l[ae]|md|msc|phd|ten|ter|v[ao]n|y|zu"
)


@dataclass(frozen=True)
class Entry:
    """A row of the table."""

    name: str
    kind: str


@dataclass(frozen=True)
class Token:
    """A piece of a text, its sign, and whether the table has it."""

    text: str
    sign: str
    is_entry: bool = False


def kind_of_step(name: str, description: str = "") -> Kind:
    """The kind of a step by its name and what is said of it."""
    return _kind(_signs(f"{name} ; {description}"))


def names_a_model(text: str) -> bool:
    """Whether a model is named anywhere in a text."""
    return "M" in _signs(text)


def kind_of_author(name: str, description: str = "") -> Kind:
    """The kind of whoever is named as an author, where nothing else is: a person by what is plainly
    a person's name, with what is said of the mask."""
    if len(name) > LONGEST:
        return "unknown"
    said = _signs(description)
    if _is_name(name) or set(_signs(name)) == {"A"}:
        return _kind(f"P;{said}")
    kind = kind_of_step(name, description)
    return "unknown" if kind == "tool" else kind


def _kind(signs: str) -> Kind:
    signs = re.sub("PC|CP", "K", signs)
    if DOUBT.search(signs):
        return "unknown"
    quiet = "=0>;I"
    quiet += "AW" * bool(re.search("[PK]", signs)) + "S" * bool(re.search("[MT]", signs))
    return KIND_OF.get("".join(sorted(set(signs) - set(quiet))), "unknown")


def _signs(text: str) -> str:
    """The signs of a text that say something."""
    if len(text) > LONGEST:
        return "U"
    signs = "".join(token.sign for token in _tokens(text))
    return re.sub("N(?:PC|CP|C|K)", "Z", signs).replace("_", "")


def _is_name(text: str) -> bool:
    """Whether a text is plainly the names of people, or their mail addresses."""
    text = MAIL.sub(lambda mail: mail[1].replace(".", " ").title(), text)
    known = (token.text.lower() for token in _tokens(text, people=True) if token.is_entry)
    if any(len(word) > 1 and not PARTICLE.fullmatch(word) for word in known):
        return False
    words = [word for word in re.split(r"[\s.,;&/()]+", text) if word and not DATE.fullmatch(word)]
    words = [word for word in words if not PARTICLE.fullmatch(word.lower())]
    return bool(words) and all(map(_is_part_of_name, words))


def _is_part_of_name(word: str) -> bool:
    letters = re.sub(r"['’-]", "", word)
    if not letters.isalpha():
        return False
    is_initials = letters.isupper() and len(letters) <= 3
    is_caseless = letters.lower() == letters.upper()
    return is_initials or is_caseless or CAPITAL_INSIDE.sub("", word).istitle()


def _tokens(text: str, *, people: bool = False) -> Iterator[Token]:
    """What a text is read as; one that may name people."""
    entries, longest = _entries()
    pieces = TOKEN.findall(COMMAND.sub(" ", text))
    is_alone = not people and sum(piece[0].isalpha() for piece in pieces) == 1
    before, at = Token("", "_"), 0
    while at < len(pieces):
        for end in range(min(len(pieces), at + longest), at, -1):
            words = pieces[at:end]
            entry = entries.get(_key(words)) if _is_phrase(words) else None
            if entry and (is_alone or entry.name not in ALSO_NAMES or words[0] == entry.name):
                token = Token("".join(words), SIGNS[entry.kind], is_entry=True)
                break
        else:
            token = _other(pieces[at], before)
        yield token
        before, at = token, end


def _other(piece: str, before: Token) -> Token:
    """What no entry of the table names: a number, a sign, who a person is, a maker's version."""
    entries, _ = _entries()
    known = entries.get(_key([VERSION.sub("", piece)]))
    is_initials = piece.isalpha() and piece.isupper() and 1 < len(piece) <= 3
    is_by_whom = before.text.lower() == "by" or before.sign == "A"
    if ZERO.fullmatch(piece):
        sign = "0"
    elif NUMBER.fullmatch(piece) or piece in QUIET:
        sign = "_"
    elif piece in ":=":
        sign = "="
    elif piece in "+>":
        sign = ">"
    elif known and known.name not in ALSO_NAMES:
        return Token(piece, SIGNS[known.kind], is_entry=True)
    elif is_initials or (is_by_whom and piece[0].isupper()):
        sign = "A"
    else:
        sign = "X"
    return Token(piece, sign)


def _is_phrase(pieces: Sequence[str]) -> bool:
    """Whether pieces are words from the first to the last, with nothing but pauses between."""
    ends = pieces[0][0].isalnum() and pieces[-1][0].isalnum()
    return ends and all(piece[0].isalnum() or piece in QUIET for piece in pieces)


def _key(words: Sequence[str]) -> str:
    """Words by their letters and digits, whatever joins them."""
    return "".join(filter(str.isalnum, "".join(words))).lower()


@cache
def _entries() -> tuple[Mapping[str, Entry], int]:
    """The entries by their keys, and how many pieces the longest has."""
    entries = read_makers(TABLE)
    longest = max(len(TOKEN.findall(entry.name)) for entry in entries)
    return {_key([entry.name]): entry for entry in entries}, longest


def read_makers(path: Path) -> Sequence[Entry]:
    """The entries of a table of makers. Raises StudyError, naming the line, for one of another
    kind, and for a name that is none or stands there twice."""
    entries: dict[str, Entry] = {}
    for number, row in read_lines(path, "name", "kind"):
        name, kind = row["name"], row["kind"]
        key = _key([name])
        fault = ""
        if kind not in SIGNS:
            fault = f"is of the kind {kind!r}"
        elif not key:
            fault = "is no name"
        elif key in entries:
            fault = "stands there twice"
        if fault:
            raise StudyError(
                f"{path}, line {number}: {name!r} {fault}",
                hint=f"one row a name, of a kind: {', '.join(SIGNS)}",
            )
        entries[key] = Entry(name, kind)
    return list(entries.values())
