"""The participants of a source: participants.tsv by the columns that the rules name.

Owns: what is known of each, and what a participants.tsv must not be.
Does not own: which of them are used (`exclusions`, `finding`, `split`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, known, read_lines
from cordstudy.base.texts import did_you_mean
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.field_strength import field_strength
from cordstudy.pipeline.sources.persons import Named, check_persons, check_told_apart, person_of
from cordstudy.pipeline.sources.rules import Columns, Rules

REQUIRED = "participant_id"
ID = re.compile(r"sub-[A-Za-z0-9]+")
AGE = re.compile(
    r"\W*\d[\d\W]*((d|days?|w|weeks?|m|mo|months?|y|yo|yrs?|years?)(\W?old)?\W*)?", re.IGNORECASE
)
"""What may be an age: a number. Words are none, in whatever language; sexes may be numbers too."""
USUAL: Mapping[str, Sequence[str]] = {
    "site": ("site", "site_id", "center", "centre", "institution"),
    "field_strength": ("MagneticFieldStrength", "field_strength"),
}
"""Other names of columns, the first that is there, where the rules name none and the table lacks
the usual one."""
SEX_NOT_KNOWN = "u"
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
    field_strength: str = MISSING
    """Tesla."""


def read_participants(root: Path, rules: Rules) -> dict[str, Participant]:
    """The participants of a source by id, sorted. `root` is the study's.

    Raises StudyError, naming file and line, for an id that is no `sub-` name or stands there
    twice, for a sex and an age that are exchanged, for persons that cannot be told (`persons`), and
    where the table lies outside the source. A column that the file lacks is `n/a` for everyone,
    but an error where the rules name it; where they do not, its name may be in any case.
    """
    path = tree(root, rules.path).check(root / rules.path / "participants.tsv")
    shown = f"{rules.path}/participants.tsv"
    by_name: dict[str, Participant] = {}
    people: list[Named] = []
    lines = list(read_lines(path, REQUIRED))
    if lines:
        columns = _columns(lines[0][1], rules, shown)
        rules = rules.model_copy(update={"columns": columns})
    for number, row in lines:
        where = f"{shown}, line {number}"
        participant = _participant(row, rules, where=where)
        if participant.name in by_name:
            raise StudyError(f"{where}: {participant.name} stands there twice", hint="keep one row")
        by_name[participant.name] = participant
        people.append(Named(participant.name, participant.person, where))
    check_persons([row for _, row in lines], rules, shown=shown)
    _check_sites(by_name, rules, shown=shown)
    check_told_apart(people)
    return dict(sorted(by_name.items()))


def _columns(row: Mapping[str, str], rules: Rules, shown: str) -> Columns:
    """The columns of the rules as this table writes them.

    Raises StudyError for a column that the rules name, other than BIDS does, and no row has, and
    for two that are called like BIDS's but for their case.
    """
    by_default = dict(Columns())
    written: dict[str, str] = {}
    for field, named in rules.columns:
        column = named if named != by_default[field] else _usual(field, named, row)
        alike = _alike(column, row)
        key = f"datasets.{rules.name}.columns.{field}"
        if column in row or (named == by_default[field] and not alike):
            written[field] = column
        elif named != by_default[field]:
            hint = f"{did_you_mean(column, row)}correct {key}; it has {', '.join(row)}"
            raise StudyError(f"{shown}: no column {column!r}", hint=hint)
        elif len(alike) > 1:
            told = f"{shown}: the columns {alike[0]!r} and {alike[1]!r} differ only in case"
            raise StudyError(told, hint=f"say which it is: {key} = {alike[0]!r}")
        else:
            written[field] = alike[0]
    return Columns(**written)


def _usual(field: str, column: str, row: Mapping[str, str]) -> str:
    """The column that a table has of those that a field is usually in; `column` where it has
    none."""
    for name in (column, *USUAL.get(field, ())):
        if _alike(name, row):
            return name
    return column


def _alike(column: str, row: Mapping[str, str]) -> list[str]:
    """The columns that are called so, in whatever case."""
    return [other for other in row if other.casefold() == column.casefold()]


def _participant(row: Mapping[str, str], rules: Rules, *, where: str) -> Participant:
    name = row[REQUIRED].strip()
    if not ID.fullmatch(name):
        raise StudyError(
            f"{where}: {name!r} is no participant's id",
            hint="an id is sub- and letters of ASCII or digits, as BIDS has it",
        )
    values = {field: known(row.get(column, "")) for field, column in rules.columns}
    values["sex"] = _sex(values["sex"], values["age"], rules, where=where)
    values["site"] = _site(name, values["site"], rules)
    values["field_strength"] = field_strength(values["field_strength"])
    values["person"] = person_of(name, row, rules, where=where)
    return Participant(name, **values)


def _site(name: str, in_column: str, rules: Rules) -> str:
    """Where a participant was scanned: by the rule on ids, else by the column."""
    match = re.search(rules.site, name) if rules.site else None
    return known(match[1] or "") if match else in_column


def _check_sites(participants: Mapping[str, Participant], rules: Rules, *, shown: str) -> None:
    """Raise StudyError for a rule of sites that is about nobody."""
    if rules.site is None or not participants:
        return
    if not any(re.search(rules.site, name) for name in participants):
        raise StudyError(
            f"{shown}: datasets.{rules.name}.site = {rules.site!r} matches no participant's id, "
            f"such as {min(participants)}",
            hint="correct it in the study's TOML, or remove it",
        )


def _sex(value: str, age: str, rules: Rules, *, where: str) -> str:
    """A sex as the table has it; raises StudyError where it is a number and the age is none."""
    if value.lower() == SEX_NOT_KNOWN:
        return MISSING
    if age == MISSING or AGE.fullmatch(age) or not AGE.fullmatch(value):
        return value
    raise StudyError(
        f"{where}: the column {rules.columns.sex!r}, read as sex, holds {value!r}, and "
        f"{rules.columns.age!r}, read as age, {age!r}",
        hint="where columns are exchanged, say so in the TOML: "
        f'datasets.{rules.name}.columns = {{ sex = "…" }}',
    )
