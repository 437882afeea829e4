"""The participants of a source: participants.tsv by the columns that the rules name.

Owns: what is known of each, and what a participants.tsv must not be.
Does not own: which of them are used (`exclusions`, `finding`, `split`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known, read_lines
from cordstudy.base.texts import did_you_mean
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.persons import check_persons, person_of
from cordstudy.pipeline.sources.rules import Columns, Rules

REQUIRED = "participant_id"
ID = re.compile(r"sub-[A-Za-z0-9]+")
SEXES = {"f", "m", "o", "female", "male", "other"}
"""What BIDS allows in `sex`, in lower case."""
CODES = re.compile(r"[0129](\.0+)?")
"""Sexes as numbers (ISO/IEC 5218), which are kept: what they mean differs between sources."""
SEX_NOT_KNOWN = {"u", "undefined"}
"""What stands in a column of sexes, beside the words for it in any, where one is not known."""


@dataclass(frozen=True)
class Participant:
    """One row of participants.tsv; `n/a` where that does not say."""

    name: str
    sex: str
    age: str
    vendor: str
    pathology: str
    site: str
    person: str
    """The participant's own id where they have no other."""


def read_participants(root: Path, rules: Rules) -> dict[str, Participant]:
    """The participants of a source by id, sorted. `root` is the study's.

    Raises StudyError, naming file and line, for an id that is no `sub-` name or stands there
    twice, for a sex that is none, for persons that cannot be told (`persons`), and where the
    table lies outside the source. A column that the file lacks is `n/a` for everyone, but an
    error where the rules name it.
    """
    path = tree(root, rules.path).check(root / rules.path / "participants.tsv")
    shown = f"{rules.path}/participants.tsv"
    by_name: dict[str, Participant] = {}
    lines = list(read_lines(path, REQUIRED))
    for number, row in lines:
        where = f"{shown}, line {number}"
        _check_columns(row, rules, shown)
        participant = _participant(row, rules, where=where)
        if participant.name in by_name:
            raise StudyError(f"{where}: {participant.name} stands there twice", hint="keep one row")
        by_name[participant.name] = participant
    check_persons([row for _, row in lines], rules, shown=shown)
    return dict(sorted(by_name.items()))


def _check_columns(row: Mapping[str, str], rules: Rules, shown: str) -> None:
    """Raise StudyError for a column that the rules name, other than BIDS does, and no row has."""
    by_default = dict(Columns())
    for field, column in rules.columns:
        if column == by_default[field] or column in row:
            continue
        hint = f"correct datasets.{rules.name}.columns.{field}; it has {', '.join(row)}"
        raise StudyError(f"{shown}: no column {column!r}", hint=did_you_mean(column, row) + hint)


def _participant(row: Mapping[str, str], rules: Rules, *, where: str) -> Participant:
    name = row[REQUIRED].strip()
    if not ID.fullmatch(name):
        raise StudyError(
            f"{where}: {name!r} is no participant's id",
            hint="an id is sub- and letters of ASCII or digits, as BIDS has it",
        )
    values = {field: known(row.get(column, "")) for field, column in rules.columns}
    values["sex"] = _sex(values["sex"], rules, where=where)
    values["person"] = person_of(name, row, rules, where=where)
    return Participant(name, **values)


def _sex(value: str, rules: Rules, *, where: str) -> str:
    """A sex as the table has it; raises StudyError for what is none."""
    lower = value.lower()
    if lower in SEX_NOT_KNOWN or value == MISSING:
        return MISSING
    if lower in SEXES or CODES.fullmatch(value):
        return value
    raise StudyError(
        f"{where}: the column {rules.columns.sex!r}, read as sex, holds {value!r}",
        hint="where columns are exchanged, say so in the TOML: "
        f'datasets.{rules.name}.columns = {{ sex = "…" }}',
    )
