"""What participants.tsv of a BIDS source says of whom, told by the names of its columns.

Owns: the columns, and the regular expressions on ids, that fit a source that nobody has described
yet.
Does not own: reading participants by rules (`participants`), or images and masks (`guess`). No step
imports this.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known, read_lines
from cordstudy.pipeline.sources.participants import AGE, REQUIRED, USUAL
from cordstudy.pipeline.sources.rules import Columns

ELSEWHERE: Mapping[str, Sequence[str]] = {
    "sex": ("gender",),
    "age": ("age_years", "age_at_scan"),
    "vendor": ("vendor", "scanner_manufacturer", "scanner_vendor"),
    "pathology": ("diagnosis", "group", "dx", "disease"),
    "person": ("person_id",),
}
"""Other names of columns, which a study has to say."""
SITE = re.compile(r"sub-([a-z]{2,})[^a-z]")
NO_SITES = {
    "control",
    "ctrl",
    "patient",
    "pat",
    "case",
    "healthy",
    "subject",
    "sub",
    "test",
    "pilot",
}
"""Words that ids begin with and that name no site."""
PERSON = re.compile(r"sub-([0-9]+)Ses[0-9]+")


@dataclass(frozen=True)
class People:
    """What is known of participants, and from where."""

    columns: Mapping[str, str]
    """The column of each thing that is known."""
    said: Mapping[str, str]
    """Those of them that the study has to say."""
    site: str | None
    person: str | None
    ids: Sequence[str]


def guess_people(source: Path) -> People:
    """What a source's participants.tsv says.

    Raises StudyError where there is none, with a command that makes one.
    """
    path = source / "participants.tsv"
    if not os.path.lexists(path):  # its content may be elsewhere, which the reader tells
        raise StudyError(
            f"{path}: there is no table of participants",
            hint=f"(cd {source} && (echo {REQUIRED}; ls -d sub-*) > participants.tsv), then "
            "datalad save it; columns such as sex and age may follow",
        )
    rows = [row for _, row in read_lines(path, REQUIRED)]
    ids = [row[REQUIRED].strip() for row in rows]
    columns, said = _columns(rows)
    return People(
        columns=columns,
        said=said,
        site=None if "site" in columns else _site(ids),
        person=None if "person" in columns else _person(ids),
        ids=ids,
    )


def _columns(rows: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The column of each thing that is known, and those that the study has to say."""
    by_name: dict[str, str] = {}
    for name in rows[0] if rows else ():
        by_name.setdefault(name.casefold(), name)
    columns: dict[str, str] = {}
    said: dict[str, str] = {}
    for field, usual in Columns():
        for name in (usual, *USUAL.get(field, ()), *ELSEWHERE.get(field, ())):
            if name.casefold() in by_name and field not in columns:
                columns[field] = by_name[name.casefold()]
                if name in ELSEWHERE.get(field, ()):
                    said[field] = columns[field]
    if {"sex", "age"} <= columns.keys() and _are_exchanged(rows, columns["sex"], columns["age"]):
        columns["sex"], columns["age"] = columns["age"], columns["sex"]
        said |= {"sex": columns["sex"], "age": columns["age"]}
    return columns, said


def _are_exchanged(rows: Sequence[Mapping[str, str]], sex: str, age: str) -> bool:
    """Whether every sex is a number, and no age is."""
    pairs = [(known(row[sex]), known(row[age])) for row in rows]
    whole = [pair for pair in pairs if MISSING not in pair]
    return bool(whole) and all(AGE.fullmatch(a) and not AGE.fullmatch(b) for a, b in whole)


def _site(ids: Sequence[str]) -> str | None:
    """A rule on ids where all begin with one of a few words, each that of several."""
    words = Counter(match[1] for name in ids if (match := SITE.match(name)))
    is_rule = words.total() == len(ids) and 1 < len(words) <= len(ids) / 2
    is_rule &= not any(word.removesuffix("s") in NO_SITES for word in words)
    return "^sub-([a-z]+)" if is_rule else None


def _person(ids: Sequence[str]) -> str | None:
    """A rule on ids where some name a person and a session."""
    people = Counter(match[1] for name in ids if (match := PERSON.fullmatch(name)))
    return "sub-([0-9]+)Ses" if any(count > 1 for count in people.values()) else None
