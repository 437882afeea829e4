"""Dividing the participants of each source into training, test and folds.

Owns: the rule: by person, from a seed, the same for all ids, images and sessions of one; or a
published split.
Does not own: who is one person (`persons`), or finding images (`finding`); a participant without
any has a part all the same.

In each stratum, persons stand in a line by a hash of seed and name, which is cut into
the test part and the folds: a new person moves at most one other at each cut. Sources
with role `test` are for testing as a whole.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import get_args

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, read_lines, write_table
from cordstudy.base.texts import did_you_mean
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.exclusions import read_exclusions
from cordstudy.pipeline.sources.participants import Participant, read_participants
from cordstudy.pipeline.sources.parts import COLUMNS, Placement
from cordstudy.pipeline.sources.rules import Rules, Stratum, read_rules

PUBLISHED = ("train", "val", "test")
"""The parts of a published split."""


def divide(
    strata: Mapping[str, str], *, seed: int, test_fraction: float, folds: int
) -> list[Placement]:
    """The placement of each person, `train` or `test`, sorted by name; of each participant where
    nobody has several ids.

    `strata` gives each person's stratum. The test part is the share `test_fraction` of all,
    rounded up, and as near as can be of each stratum. Raises StudyError where a fold would have
    none.
    """
    lines: dict[str, list[str]] = defaultdict(list)
    for name in _in_line(strata, seed):
        lines[strata[name]].append(name)
    sizes = {stratum: len(line) for stratum, line in lines.items()}
    placements: list[Placement] = []
    for stratum, tested in _seats(sizes, test_fraction).items():
        line = lines[stratum]
        first = _rank(seed, f"stratum {stratum}") % folds
        placements += _to_test(line[:tested])
        placements += _in_folds(line[tested:], folds=folds, first=first)
    _check_folds(placements, folds)
    return sorted(placements)


def divide_persons(
    strata: Mapping[str, str],
    persons: Mapping[str, str],
    *,
    seed: int,
    test_fraction: float,
    folds: int,
) -> list[Placement]:
    """The placement of each participant, sorted; all of a person have the same. See `divide`.

    `strata` and `persons` give each participant's; the stratum of a person is that of the first of
    their participants.
    """
    of_person: dict[str, str] = {}
    for name in sorted(persons):
        of_person.setdefault(persons[name], strata[name])
    placed = divide(of_person, seed=seed, test_fraction=test_fraction, folds=folds)
    return _of_participants(placed, persons)


def _of_participants(placed: Iterable[Placement], persons: Mapping[str, str]) -> list[Placement]:
    """The placements of the participants of persons that are placed, sorted."""
    by_person = {placement.participant_id: placement for placement in placed}
    placements = []
    for name, person in persons.items():
        placements.append(by_person[person]._replace(participant_id=name))
    return sorted(placements)


def _in_line(names: Iterable[str], seed: int) -> list[str]:
    """Persons in an order by chance, in which a new one moves no other."""
    return sorted(names, key=lambda name: _rank(seed, name))


def _rank(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")


def _seats(sizes: Mapping[str, int], share: float) -> dict[str, int]:
    """How many of each stratum are tested: the whole part of its share, and what is left of
    the total to the largest remainders."""
    exact = {key: Fraction(size) * Fraction(str(share)) for key, size in sizes.items()}
    seats = {key: math.floor(value) for key, value in exact.items()}
    left = math.ceil(sum(exact.values())) - sum(seats.values())
    for key in sorted(exact, key=lambda key: (seats[key] - exact[key], key))[:left]:
        seats[key] += 1
    return seats


def _to_test(names: Iterable[str]) -> list[Placement]:
    return [Placement(name, "test", MISSING) for name in names]


def _in_folds(line: Sequence[str], *, folds: int, first: int) -> list[Placement]:
    """Cut a line into folds of like length. A short line starts at a fold of its own
    (`first`), so that many small strata do not all fill the same folds."""
    placements = []
    for index, name in enumerate(line):
        fold = (index * folds // len(line) + first) % folds
        placements.append(Placement(name, "train", str(fold)))
    return placements


def _check_folds(placements: Sequence[Placement], folds: int) -> None:
    trained = [placement for placement in placements if placement.part == "train"]
    filled = {placement.fold for placement in trained}
    empty = sorted({str(fold) for fold in range(folds)} - filled)
    if empty:
        raise StudyError(
            f"fold {empty[0]} has no participant: "
            f"{len(trained)} to train on are too few for {folds} folds",
            hint="lower split.folds, or stratify by less",
        )


def published(path: Path, persons: Mapping[str, str], *, seed: int, folds: int) -> list[Placement]:
    """The placement of each participant, of whom `persons` gives the person, after a published
    split: its `val` is the held-out part of fold 0, its `train` is divided into the other folds.

    Raises StudyError for a participant that it lacks, and for a person in two of its parts; see
    `_read_published` for a table that is none.
    """
    parts = _read_published(path)
    lacking = [name for name in persons if name not in parts]
    if lacking:
        raise StudyError(
            f"{path}: no row for {lacking[0]} ({len(lacking)} of {len(persons)} participants)",
            hint="exclude or add them",
        )
    by_part: dict[str, list[str]] = defaultdict(list)
    for person, part in _parts_of_persons(path, parts, persons).items():
        by_part[part].append(person)
    placements = _to_test(by_part["test"])
    for name in by_part["val"]:
        placements.append(Placement(name, "train", "0"))
    for other in _in_folds(_in_line(by_part["train"], seed), folds=folds - 1, first=0):
        placements.append(other._replace(fold=str(int(other.fold) + 1)))
    _check_folds(placements, folds)
    return _of_participants(placements, persons)


def _parts_of_persons(
    path: Path, parts: Mapping[str, str], persons: Mapping[str, str]
) -> dict[str, str]:
    """The one part of each person. Raises StudyError for a person in two."""
    first: dict[str, str] = {}
    of_person: dict[str, str] = {}
    for name, person in sorted(persons.items()):
        other = first.setdefault(person, name)
        part = of_person.setdefault(person, parts[name])
        if part != parts[name]:
            raise StudyError(
                f"{path}: {other} ({part}) and {name} ({parts[name]}) are one person, {person}",
                hint="exclude one of them, or take a split that keeps persons together",
            )
    return of_person


def _read_published(path: Path) -> dict[str, str]:
    """The part of each participant in a published split. Blanks around either are none of it.

    Raises StudyError for a table that is none, for a part that is none of `PUBLISHED`, and for a
    participant with two rows.
    """
    parts: dict[str, str] = {}
    for number, row in read_lines(path, "participant_id", "split"):
        name, part = row["participant_id"].strip(), row["split"].strip()
        fault = ""
        if name in parts:
            fault = "stands there twice"
        elif part not in PUBLISHED:
            fault = f"has the split {part!r}"
        if fault:
            raise StudyError(
                f"{path}, line {number}: {name} {fault}", hint="one row each: train, val or test"
            )
        parts[name] = part
    return parts


def write_splits(
    rules: Sequence[Path],
    out: Path,
    *,
    seed: int,
    test_fraction: float,
    folds: int,
    stratify: Sequence[str],
    published_splits: Mapping[str, Path],
) -> None:
    """Write `<dataset>.tsv` into `out` for each rules file.

    Raises StudyError for a published split of what is none of them, or not to be divided, and for
    two sources of one name.
    """
    sources = [read_rules(path) for path in rules]
    _check_distinct(sources)
    divided = {source.name for source in sources if source.role == "train"}
    for name in published_splits:
        if name not in divided:
            hint = f"{did_you_mean(name, divided)}divided are {', '.join(sorted(divided))}"
            raise StudyError(f"--published {name}: no source of this name is divided", hint=hint)
    tables: dict[str, list[Placement]] = {}
    for source in sources:
        participants = _participants(source)
        persons = {one.name: one.person for one in participants}
        if source.role == "test":
            tables[source.name] = _to_test(persons)
        elif source.name in published_splits:
            table = _checked(published_splits[source.name], sources)
            tables[source.name] = published(table, persons, seed=seed, folds=folds)
        else:
            strata = {one.name: _stratum(one, stratify) for one in participants}
            tables[source.name] = divide_persons(
                strata, persons, seed=seed, test_fraction=test_fraction, folds=folds
            )
    for name, placements in tables.items():  # once all are well
        write_table(out / f"{name}.tsv", COLUMNS, placements)


def _check_distinct(sources: Sequence[Rules]) -> None:
    """Raise StudyError for two sources of one name."""
    for name, count in Counter(source.name for source in sources).items():
        if count > 1:
            told = f"{count} of the rules files have the name {name!r}"
            raise StudyError(told, hint="name each source once")


def _checked(table: Path, sources: Sequence[Rules]) -> Path:
    """The path of a published split, which a source may hold itself."""
    for source in sources:
        if Path(os.path.normpath(table)).is_relative_to(source.path):
            tree(Path(), source.path).check(table)
    return table


def _finite(_context: object, _option: object, share: float) -> float:
    """A share that is a number, which `click.FloatRange` does not ask for."""
    if math.isnan(share):
        raise click.BadParameter("nan is no number")
    return share


def _by_dataset(
    _context: object, _option: object, tables: Iterable[tuple[str, str]]
) -> dict[str, Path]:
    """The published split of each dataset, of which each has one at most."""
    by_dataset: dict[str, Path] = {}
    for name, table in tables:
        if name in by_dataset:
            raise click.BadParameter(f"{name} stands there twice")
        by_dataset[name] = Path(table)
    return by_dataset


def _participants(rules: Rules) -> list[Participant]:
    """The participants of whom the study does not leave out every image, sorted."""
    participants = read_participants(Path(), rules)
    exclusions = read_exclusions(Path(), rules, participants)
    kept = []
    for name, participant in participants.items():
        if not exclusions.leaves_out(name, rules):
            kept.append(participant)
    return kept


def _stratum(participant: Participant, stratify: Sequence[str]) -> str:
    return "/".join(getattr(participant, field) for field in stratify)


@click.command("split")
@click.argument("rules", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
@click.option("--seed", required=True, type=int, help="Seed of the division.")
@click.option(
    "--test-fraction",
    required=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    callback=_finite,
    help="Share of participants kept for testing.",
)
@click.option("--folds", required=True, type=click.IntRange(2), help="Folds of the training part.")
@click.option(
    "--stratify",
    multiple=True,
    type=click.Choice(get_args(Stratum)),
    help="Divide alike in each group of this; repeatable.",
)
@click.option(
    "--published",
    "published_splits",
    multiple=True,
    nargs=2,
    metavar="DATASET TABLE",
    callback=_by_dataset,
    help="A published split of one dataset; repeatable.",
)
def command(
    rules: tuple[Path, ...],
    out: Path,
    seed: int,
    test_fraction: float,
    folds: int,
    stratify: tuple[str, ...],
    published_splits: dict[str, Path],
) -> None:
    """Divide the participants of the sources that the RULES files describe.

    \b
    Example:
      code/study run --dry-run split     tells the whole command of a study
    """
    write_splits(
        rules,
        out,
        seed=seed,
        test_fraction=test_fraction,
        folds=folds,
        stratify=stratify,
        published_splits=published_splits,
    )
