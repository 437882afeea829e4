"""Which participants are one person: a source may give a person several ids.

Owns: the person of a participant, by the rule or the column of participants.tsv that the rules
name, and what a rule or a column of persons must not be.
Does not own: what follows from it: parts and folds (`split`), means (`judging.scores`) and
comparisons of sides (`judging.leakage`) are by person.

A person has a meaning within its source only. Who is named by neither is a person of their own,
called like the participant. A whole number is one person however it is written (`7`, `7.0`); other
names that differ only in how they are written are refused, since they may be one person's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known
from cordstudy.pipeline.sources.rules import Rules

WHOLE = re.compile(r"\A([0-9]+)[.,]0+\Z")
"""A whole number as programs write a column of numbers with gaps."""
BETWEEN = re.compile(r"[\s_\u2010-\u2015-]+")
"""What stands between words of a name."""
MARKS = re.compile(r"['`\u2019]|(?<![0-9])\.|\.(?![0-9])|(?<=[a-z])-(?=[0-9])")
"""Apostrophes and points, and what stands between letters and a number."""
ZEROS = re.compile(r"(?<![0-9.])0+(?=[0-9])")
"""Zeros before a number."""


class Named(NamedTuple):
    """A participant, the person that they are, and the row that says so."""

    participant: str
    person: str
    where: str


def person_of(participant: str, row: Mapping[str, str], rules: Rules, *, where: str) -> str:
    """The person that a participant is, by its row of participants.tsv.

    Raises StudyError for a name that could not stand in a table; `where` is the row.
    """
    if rules.person is None:
        person = WHOLE.sub(r"\1", known(row.get(rules.columns.person, "")))
        named = person != MISSING
        told = f"{where}: the column {rules.columns.person!r} holds {person!r}"
    else:
        match = re.search(rules.person, participant)
        person = _first_group(match)
        named = match is not None
        told = f"{where}: {_key(rules)} matches {participant}, and its group holds {person!r}"
    if not named:
        return participant
    if not person or not person.isprintable():
        raise StudyError(
            f"{told}, which names no person", hint="a person's name is letters, digits and signs"
        )
    return person


def check_persons(rows: Sequence[Mapping[str, str]], rules: Rules, *, shown: str) -> None:
    """Look at a whole participants.tsv, which is called `shown`.

    Raises StudyError where both a rule and a column name persons, and where the rule is about
    nobody.
    """
    if not rows or rules.person is None:
        return
    column = rules.columns.person
    if column in rows[0]:
        raise StudyError(
            f"{shown}: its column {column!r} names persons, and so does {_key(rules)}",
            hint=f"remove the rule, or name another column in datasets.{rules.name}.columns.person",
        )
    names = [row["participant_id"].strip() for row in rows]
    if not any(re.search(rules.person, name) for name in names):
        raise StudyError(
            f"{shown}: {_key(rules)} matches no participant's id, such as {names[0]}",
            hint="correct it in the study's TOML, or remove it",
        )


def check_told_apart(people: Iterable[Named]) -> None:
    """Raise StudyError for two persons whose names differ only in how they are written, and for a
    person who is called like a participant that is another.

    Ids of participants are told apart as BIDS has them: letter by letter.
    """
    people = list(people)
    by_id = {named.participant: named for named in people}
    by_name: dict[str, Named] = {}
    for named in people:
        other = by_id.get(named.person, named)
        if other.person == named.person:
            other = by_name.setdefault(_plain(named.person), named)
        if other.person == named.person or (_is_own(named) and _is_own(other)):
            continue
        raise StudyError(
            f"{named.where}: {named.participant} is the person {named.person!r}, "
            f"and {other.participant} is {other.person!r} ({other.where}): one person, or two?",
            hint="name one person in one way, and two in ways that differ in letters or numbers",
        )


def _is_own(named: Named) -> bool:
    return named.person == named.participant


def _plain(name: str) -> str:
    """A name without what only the way of writing makes different."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    plain = BETWEEN.sub("-", unicodedata.normalize("NFKC", plain))
    plain = MARKS.sub("", plain.removeprefix("sub-"))
    return ZEROS.sub("", plain)


def _first_group(match: re.Match[str] | None) -> str:
    """What the first group of a match holds; empty where there is none, or it took no part."""
    return (match[1] or "").strip() if match else ""


def _key(rules: Rules) -> str:
    return f"datasets.{rules.name}.person = {rules.person!r}"
