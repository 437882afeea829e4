"""Dividing the participants of each source into training, test and folds.

Owns: the rule: by participant, from a seed, the same for every image and session; or a
published split.
Does not own: finding images (`bids`); a participant without any has a part all the same.

In each stratum, participants stand in a line by a hash of seed and id, which is cut into
the test part and the folds: a new participant moves at most one other at each cut. Sources
with role `test` are for testing as a whole.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, read_table, write_table
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.exclusions import read_exclusions
from cordstudy.pipeline.sources.participants import read_participants
from cordstudy.pipeline.sources.parts import COLUMNS
from cordstudy.pipeline.sources.rules import Rules, read_rules

Row = tuple[str, str, str]


def divide(strata: Mapping[str, str], *, seed: int, test_fraction: float, folds: int) -> list[Row]:
    """Rows of (participant, `train` or `test`, fold or n/a), sorted by participant.

    `strata` gives each participant's stratum. The test part is the share `test_fraction` of
    all, rounded up, and as near as can be of each stratum. Raises StudyError where a fold
    would have none.
    """
    lines: dict[str, list[str]] = defaultdict(list)
    for name in sorted(strata, key=lambda name: _rank(seed, name)):
        lines[strata[name]].append(name)
    rows: list[Row] = []
    for stratum, tested in _seats(
        {key: len(line) for key, line in lines.items()}, test_fraction
    ).items():
        line = lines[stratum]
        rows += [(name, "test", MISSING) for name in line[:tested]]
        rows += _fold_rows(
            line[tested:], folds=folds, first=_rank(seed, f"stratum {stratum}") % folds
        )
    _check_folds(rows, folds)
    return sorted(rows)


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


def _fold_rows(line: Sequence[str], *, folds: int, first: int) -> list[Row]:
    """Cut a line into folds of like length. A short line starts at a fold of its own
    (`first`), so that many small strata do not all fill the same folds."""
    return [
        (name, "train", str((n * folds // len(line) + first) % folds))
        for n, name in enumerate(line)
    ]


def _check_folds(rows: Sequence[Row], folds: int) -> None:
    filled = {fold for _, part, fold in rows if part == "train"}
    if empty := sorted({str(k) for k in range(folds)} - filled):
        count = sum(part == "train" for _, part, _ in rows)
        raise StudyError(
            f"fold {empty[0]} has no participant: {count} to train on are too few for {folds} folds",
            hint="lower split.folds, or stratify by less",
        )


def published(path: Path, names: Sequence[str], *, seed: int, folds: int) -> list[Row]:
    """Rows after a published split: its `val` is the held-out part of fold 0, its `train` is
    divided into the other folds. Raises StudyError for a participant that it lacks."""
    told: dict[str, str] = {}
    for number, row in enumerate(read_table(path, "participant_id", "split"), start=2):
        if row["split"] not in ("train", "val", "test") or row["participant_id"] in told:
            what = (
                "stands there twice"
                if row["participant_id"] in told
                else f"has the split {row['split']!r}"
            )
            raise StudyError(
                f"{path}, row {number}: {row['participant_id']} {what}",
                hint="one row each: train, val or test",
            )
        told[row["participant_id"]] = row["split"]
    if lacking := [name for name in names if name not in told]:
        raise StudyError(
            f"{path}: no row for {lacking[0]} ({len(lacking)} of {len(names)} participants)",
            hint="exclude or add them",
        )
    trained = sorted(
        (name for name in names if told[name] == "train"), key=lambda name: _rank(seed, name)
    )
    rows = [(name, "test", MISSING) for name in names if told[name] == "test"]
    rows += [(name, "train", "0") for name in names if told[name] == "val"]
    rows += [
        (name, part, str(int(fold) + 1))
        for name, part, fold in _fold_rows(trained, folds=folds - 1, first=0)
    ]
    _check_folds(rows, folds)
    return sorted(rows)


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
    """Write `<dataset>.tsv` into `out` for each rules file."""
    tables: dict[str, list[Row]] = {}
    sources = [read_rules(path) for path in rules]
    for source in sources:
        strata = _strata(source, stratify)
        if source.role == "test":
            rows = [(name, "test", MISSING) for name in strata]
        elif source.name in published_splits:
            table = _checked(published_splits[source.name], sources)
            rows = published(table, list(strata), seed=seed, folds=folds)
        else:
            rows = divide(strata, seed=seed, test_fraction=test_fraction, folds=folds)
        tables[source.name] = rows
    for name, rows in tables.items():  # once all are well
        write_table(out / f"{name}.tsv", COLUMNS, rows)


def _checked(table: Path, sources: Sequence[Rules]) -> Path:
    """The path of a published split, which a source may hold itself."""
    for source in sources:
        if Path(os.path.normpath(table)).is_relative_to(source.path):
            tree(Path(), source.path).check(table)
    return table


def _strata(rules: Rules, stratify: Sequence[str]) -> dict[str, str]:
    """The stratum of each participant of whom the study does not leave out every image."""
    people = read_participants(Path(), rules)
    left_out = read_exclusions(Path(), rules, people).by_participant
    return {
        name: "/".join(getattr(one, field) for field in stratify)
        for name, one in people.items()
        if not all((name, image) in left_out for image in rules.images)
    }


@click.command("split")
@click.argument("rules", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
@click.option("--seed", required=True, type=int, help="Seed of the division.")
@click.option(
    "--test-fraction", required=True, type=float, help="Share of participants kept for testing."
)
@click.option("--folds", required=True, type=int, help="Folds of the training part.")
@click.option("--stratify", multiple=True, help="Divide alike in each group of this; repeatable.")
@click.option(
    "--published",
    "published_splits",
    multiple=True,
    nargs=2,
    metavar="DATASET TABLE",
    help="A published split of one dataset; repeatable.",
)
def command(rules, out, seed, test_fraction, folds, stratify, published_splits) -> None:
    """Divide the participants of the sources that the RULES files describe."""
    write_splits(
        rules,
        out,
        seed=seed,
        test_fraction=test_fraction,
        folds=folds,
        stratify=stratify,
        published_splits={name: Path(table) for name, table in published_splits},
    )
