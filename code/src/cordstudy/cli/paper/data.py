"""Who and what a study is about, counted in its tables of cases.

Owns: people and images by source and part, what was left out and why, how reference masks came
about, what each model learned from.
Does not own: finding cases (`pipeline.sources`), or sentences about them (`methods.md.j2`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cordstudy.cli.paper.committed import Committed, Row, missing
from cordstudy.study.models import Model, models_of

ORIGINS = {
    "manual": "drawn by hand",
    "corrected": "made by a program and corrected by hand",
    "model": "made by a program alone",
}
"""How a mask came about, by what the tables of cases call it; all else is not known."""
TOLD_OF = {
    "sex": "sex",
    "vendor": "vendor",
    "field_strength": "tesla",
    "site": "site",
    "pathology": "pathology",
    "voxel_size_mm": "voxel, mm",
}
"""What the table of characteristics counts, and what a paper calls it."""
MOST = 4
"""Values of one of them that are named; of more, their number is told."""
NOT_KNOWN = "not known"
ALL = "all"
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Count:
    """Some cases: how many people, how many images."""

    people: int
    images: int


@dataclass(frozen=True)
class Source:
    """A dataset of a study, with the counts of its converted cases; None where it has no table."""

    name: str
    path: str
    pin: str
    phantom: bool
    train: Count | None
    test: Count | None
    left_out: int | None


@dataclass(frozen=True)
class Group:
    """The people of one part of a source, and what is known of them in words."""

    name: str
    part: str
    people: str
    age: str
    told: tuple[str, ...]
    """Of each of `TOLD_OF` its values with their numbers of people."""


@dataclass(frozen=True)
class Learned:
    """What a model learned from; `count` is None where its training set has no table."""

    model: Model
    count: Count | None
    watched: Count | None
    """Those of its only fold, which are held out to watch its training; none of several folds."""


def sources(committed: Committed) -> list[Source]:
    """The datasets of a study, in its order."""
    found = []
    for name, dataset in committed.study.datasets.items():
        raw = committed.layout.raw(name)
        cases = committed.rows(f"{raw}/cases.tsv")
        left_out = committed.rows(f"{raw}/left_out.tsv")
        entry = committed.history.tree.get(dataset.path)
        found.append(
            Source(
                name=name,
                path=dataset.path,
                pin=entry.object if entry else missing("its pinned commit"),
                phantom=bool(dataset.phantom),
                train=counted(_of_part(cases, TRAIN)) if cases else None,
                test=counted(_of_part(cases, TEST)) if cases else None,
                left_out=len(left_out) if cases else None,
            )
        )
    return found


def groups(committed: Committed) -> list[Group]:
    """The people of each source and part; none where there is no table of characteristics."""
    rows = committed.rows(f"{committed.layout.evaluation}/cohort.tsv")
    keys = dict.fromkeys((row["dataset"], row["part"]) for row in rows)
    found = []
    for name, part in keys:
        here = [row for row in rows if (row["dataset"], row["part"]) == (name, part)]
        found.append(
            Group(
                name=name,
                part=part,
                people=next((row["persons"] for row in here if row["value"] == ALL), "?"),
                age=_age(here),
                told=tuple(_values(here, what) for what in TOLD_OF),
            )
        )
    return found


def _age(rows: Iterable[Row]) -> str:
    """Median and range of the ages that are known."""
    told = {row["characteristic"]: row["value"] for row in rows}
    if "age median" not in told:
        return NOT_KNOWN
    return f"{told['age median']} ({told['age lowest']} to {told['age highest']})"


def _values(rows: Iterable[Row], what: str) -> str:
    """The values of a characteristic with their people; of many, how many they are."""
    values = [f"{row['value']}: {row['persons']}" for row in rows if row["characteristic"] == what]
    if len(values) > MOST:
        return f"{len(values)} values"
    return ", ".join(values).replace("|", r"\|") or NOT_KNOWN


def counted(cases: Iterable[Row]) -> Count:
    """The people and images of some cases; a person is one of their dataset."""
    cases = list(cases)
    return Count(people=len({_person(case) for case in cases}), images=len(cases))


def total(counts: Iterable[Count | None]) -> Count | None:
    """The sum of counts; None where one is not known."""
    people, images = 0, 0
    for count in counts:
        if count is None:
            return None
        people, images = people + count.people, images + count.images
    return Count(people, images)


def reasons(committed: Committed) -> list[tuple[str, int]]:
    """Why images were left out, with their number, the commonest first."""
    counts: Counter[str] = Counter()
    for name in committed.study.datasets:
        rows = committed.rows(f"{committed.layout.raw(name)}/left_out.tsv")
        counts.update(row.get("reason", "") for row in rows)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def origins(committed: Committed, part: str) -> list[tuple[str, int]]:
    """How the reference masks of a part came about, with their number."""
    counts: Counter[str] = Counter()
    for case in _of_part(_all_cases(committed), part):
        counts[ORIGINS.get(case.get("label_origin", ""), "of an origin that is not known")] += 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def makers(committed: Committed) -> list[str]:
    """What the sidecars of masks name as their makers."""
    named = {case.get("label_made_by", "n/a") for case in _all_cases(committed)}
    return sorted(named - {"n/a", ""})


def learned(committed: Committed) -> list[Learned]:
    """What each model learned from, in the study's order."""
    found, folds = [], committed.study.train.folds
    for model in models_of(committed.study).values():
        cases = committed.rows(f"{committed.layout.training_set(model)}/cases.tsv")
        trained = _of_part(cases, TRAIN)
        watched = [case for case in trained if case.get("fold") == str(folds[0])]
        one = counted(watched) if cases and len(folds) == 1 else None
        found.append(Learned(model, counted(trained) if cases else None, one))
    return found


def _all_cases(committed: Committed) -> list[Row]:
    cases: list[Row] = []
    for name in committed.study.datasets:
        cases += committed.rows(f"{committed.layout.raw(name)}/cases.tsv")
    return cases


def _of_part(cases: Iterable[Row], part: str) -> list[Row]:
    return [case for case in cases if case.get("part") == part]


def _person(case: Row) -> tuple[str, str]:
    return case.get("dataset", ""), case.get("person") or case.get("participant_id", "")
