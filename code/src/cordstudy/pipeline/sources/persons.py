"""Which participants are one person: a source may give a person several ids.

Owns: the person of a participant, by the rule or the column of participants.tsv that the rules
name, and what a rule or a column of persons must not be.
Does not own: what follows from it: parts and folds (`split`), means (`judging.scores`) and
comparisons of sides (`judging.leakage`) are by person.

A person has a meaning within its source only. Who is named by neither is a person of their own,
called like the participant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known
from cordstudy.pipeline.sources.rules import Rules


def person_of(participant: str, row: Mapping[str, str], rules: Rules, *, where: str) -> str:
    """The person that a participant is, by its row of participants.tsv.

    Raises StudyError for a name that could not stand in a table; `where` is the row.
    """
    if rules.person is None:
        person = known(row.get(rules.columns.person, ""))
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


def _first_group(match: re.Match[str] | None) -> str:
    """What the first group of a match holds; empty where there is none, or it took no part."""
    return (match[1] or "").strip() if match else ""


def _key(rules: Rules) -> str:
    return f"datasets.{rules.name}.person = {rules.person!r}"
