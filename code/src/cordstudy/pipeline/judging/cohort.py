"""The `cohort` step: who was studied, by source and part, from the tables of raw datasets.

Owns: what is told of persons, images and reference masks, and the tables of it.
Does not own: what is known of a case (`sources`), or how many were left out before (`flow`).

A person counts once for each value that they have; what differs between images (contrast, voxel
size) counts images beside. Not known is a value too, `n/a`: nobody is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import click

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.flow import Stage, flow_of
from cordstudy.pipeline.judging.rows import grouped_by, read_rows, write_rows
from cordstudy.pipeline.raw.layout import RawCase, read_cases, read_left_out
from cordstudy.pipeline.raw.names import TEST, TRAIN, name_without_number

ALL = "all"
CATEGORIES = (
    "sex",
    "vendor",
    "field_strength",
    "site",
    "pathology",
    "contrast",
    "voxel_size_mm",
)
"""Columns of a raw dataset's cases.tsv whose values are counted."""
AGE = re.compile(r"([0-9]+(?:[.,][0-9]+)?) ?(d|w|m|y)?[a-z ]*", re.IGNORECASE)
UNITS_A_YEAR = {"": 1.0, "y": 1.0, "m": 12.0, "w": 52.18, "d": 365.25}


@dataclass(frozen=True)
class Characteristic:
    """One value of one thing that is known of the cases of a part of a source, and how many have
    it. The ages are those of the persons whose age is a number: `age median`, `age quartile 1`,
    `age quartile 3`, `age lowest`, `age highest`, in years."""

    dataset: str
    part: str
    characteristic: str
    value: str
    persons: int
    images: int


@dataclass(frozen=True)
class Reference:
    """How many reference masks of a part of a source are of one origin and made by the same."""

    dataset: str
    part: str
    label_origin: str
    label_made_by: str
    persons: int
    images: int


@dataclass(frozen=True)
class Cohort:
    """What the step writes: of every source."""

    flow: Sequence[Stage]
    characteristics: Sequence[Characteristic]
    references: Sequence[Reference]


def cohort_of(raws: Sequence[Path]) -> Cohort:
    """Who is in raw datasets, from their tables alone.

    Raises StudyError for a table that is none.
    """
    flow: list[Stage] = []
    characteristics: list[Characteristic] = []
    references: list[Reference] = []
    for raw in raws:
        name, cases = name_without_number(raw.name), read_cases(raw)
        flow += flow_of(name, cases, read_left_out(raw))
        for part in (TRAIN, TEST):
            here = [case for case in cases if case.part == part]
            if here:
                characteristics += _characteristics(name, part, here)
                references += _references(name, part, here)
    return Cohort(flow, characteristics, references)


def _characteristics(dataset: str, part: str, cases: Sequence[RawCase]) -> Iterator[Characteristic]:
    yield Characteristic(dataset, part, ALL, ALL, *_counts(cases))
    yield from _ages(dataset, part, cases)
    for name in CATEGORIES:
        for value, alike in _by_value(cases, name).items():
            yield Characteristic(dataset, part, name, value, *_counts(alike))


def _by_value(cases: Sequence[RawCase], column: str) -> dict[str, list[RawCase]]:
    """The cases of each value of a column, that of the most persons first and what is not known
    last."""
    groups: dict[str, list[RawCase]] = grouped_by(cases, lambda case: str(getattr(case, column)))

    def place(value: str) -> tuple[bool, int, str]:
        return value == MISSING, -_counts(groups[value])[0], value

    return {value: groups[value] for value in sorted(groups, key=place)}


def _counts(cases: Sequence[RawCase]) -> tuple[int, int]:
    """How many persons they are of, and how many they are."""
    return len({case.person for case in cases}), len(cases)


def _ages(dataset: str, part: str, cases: Sequence[RawCase]) -> Iterator[Characteristic]:
    """The ages of the persons of whom one is known, and how many have none."""
    by_person = _age_of_each(cases)
    known = [case for case in cases if case.person in by_person]
    unknown = [case for case in cases if case.person not in by_person]
    for name, years in _told(sorted(by_person.values())).items():
        yield Characteristic(dataset, part, f"age {name}", f"{years:.1f}", *_counts(known))
    if unknown:
        yield Characteristic(dataset, part, "age", MISSING, *_counts(unknown))


def _age_of_each(cases: Sequence[RawCase]) -> dict[str, float]:
    """The age of each person, years: the first of theirs that is a number."""
    by_person: dict[str, float] = {}
    for case in cases:
        years = age_years(case.age)
        if years is not None:
            by_person.setdefault(case.person, years)
    return by_person


def age_years(text: str) -> float | None:
    """An age as a number of years; None for what is none, such as `60-65` or `> 89`."""
    match = AGE.fullmatch(text.strip())
    if not match:
        return None
    unit = (match[2] or "").lower()
    return float(match[1].replace(",", ".")) / UNITS_A_YEAR[unit]


def _told(years: Sequence[float]) -> Mapping[str, float]:
    """What is told of ages, which are sorted; nothing of none. Quartiles lie between the lowest and
    the highest (R's type 7)."""
    if not years:
        return {}
    first, _, third = quantiles(years, n=4, method="inclusive") if years[1:] else [*years] * 3
    return {
        "median": median(years),
        "quartile 1": first,
        "quartile 3": third,
        "lowest": years[0],
        "highest": years[-1],
    }


def _references(dataset: str, part: str, cases: Sequence[RawCase]) -> Iterator[Reference]:
    """Origins and makers of the masks of a part, that of the most masks first."""
    groups = grouped_by(cases, lambda case: (case.label_origin, case.label_made_by))
    for origin, made_by in sorted(groups, key=lambda key: (-len(groups[key]), key)):
        counts = _counts(groups[origin, made_by])
        yield Reference(dataset, part, origin, made_by, *counts)


FILES = {"flow": "flow.tsv", "characteristics": "cohort.tsv", "references": "references.tsv"}


def read_cohort(folder: Path) -> Cohort:
    """The tables that the step wrote into a folder."""
    flow = read_rows(folder / FILES["flow"], Stage, what="stages", step="cohort")
    told = folder / FILES["characteristics"]
    characteristics = read_rows(told, Characteristic, what="characteristics", step="cohort")
    told = folder / FILES["references"]
    references = read_rows(told, Reference, what="references", step="cohort")
    return Cohort(flow, characteristics, references)


@click.command("cohort")
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
def command(datasets: tuple[Path, ...], out: Path) -> None:
    """Tell who is in the raw DATASETS: flow.tsv, cohort.tsv and references.tsv.

    \b
    Example:
      code/study run --dry-run cohort     tells the whole command of a study
    """
    cohort = cohort_of(datasets)
    write_rows(out / FILES["flow"], Stage, cohort.flow)
    write_rows(out / FILES["characteristics"], Characteristic, cohort.characteristics)
    write_rows(out / FILES["references"], Reference, cohort.references)
