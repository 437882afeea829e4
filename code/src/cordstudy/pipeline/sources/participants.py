"""The participants of a source: participants.tsv by the columns that the rules name.

Owns: what is known of each, and what a participants.tsv must not be.
Does not own: which of them are used (`exclusions`, `finding`, `split`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, read_table
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.persons import check_persons, person_of
from cordstudy.pipeline.sources.rules import Rules

REQUIRED = "participant_id"
SEXES = {"f", "m", "o", "female", "male", "other", MISSING}
"""What BIDS allows in `sex`, in lower case."""


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

    Raises StudyError, naming file and row, for an id that is no `sub-` name or stands there
    twice, for a sex that is none, for persons that cannot be told (`persons`), and where the
    table lies outside the source. A column that the
    file lacks is `n/a` for everyone.
    """
    path = tree(root, rules.path).check(root / rules.path / "participants.tsv")
    rows = read_table(path, REQUIRED)
    shown = f"{rules.path}/participants.tsv"
    by_name: dict[str, Participant] = {}
    for number, row in enumerate(rows, start=2):
        participant = _participant(row, rules, where=f"{shown}, row {number}")
        if participant.name in by_name:
            raise StudyError(
                f"{shown}, row {number}: {participant.name} stands there twice", hint="keep one row"
            )
        by_name[participant.name] = participant
    check_persons(rows, rules, shown=shown)
    return dict(sorted(by_name.items()))


def _participant(row: dict[str, str], rules: Rules, *, where: str) -> Participant:
    name = row[REQUIRED]
    if not name.startswith("sub-") or not name[4:].isalnum():
        raise StudyError(
            f"{where}: {name!r} is no participant's id", hint="an id is sub- and letters or digits"
        )
    values = {}
    for field, column in rules.columns:
        values[field] = row.get(column, "").strip() or MISSING
    if values["sex"].lower() not in SEXES:
        raise StudyError(
            f"{where}: the column {rules.columns.sex!r}, read as sex, holds {values['sex']!r}",
            hint="where columns are exchanged, say so in the TOML: "
            f'datasets.{rules.name}.columns = {{ sex = "…" }}',
        )
    values["person"] = person_of(name, row, rules, where=where)
    return Participant(name, **values)
