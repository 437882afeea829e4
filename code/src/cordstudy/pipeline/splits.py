"""Dividing the participants of each source into training, test and folds.

Owns: the rule: by participant, from a seed, the same for every image and session.
Does not own: finding images (`bids`); a participant without any has a part all the same.

Each participant's place comes from a hash of seed and id, so that a new participant moves
few others. Sources with role `test` are for testing as a whole.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from cordstudy.errors import StudyError
from cordstudy.pipeline.bids import MISSING, read_participants, read_rules, read_table
from cordstudy.pipeline.tables import write_table

COLUMNS = ("participant_id", "part", "fold")


def divide(participants: Iterable[str], *, seed: int, test_fraction: float, folds: int) -> list[tuple[str, str, str]]:
    """Rows of (participant, `train` or `test`, fold or n/a), sorted by participant.

    The test part is the share `test_fraction` of the participants, rounded up. Raises
    StudyError where a fold would have none.
    """
    ranked = sorted(participants, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
    tested = math.ceil(len(ranked) * test_fraction)
    trained = ranked[tested:]
    if len(trained) < folds:
        raise StudyError(
            f"{len(trained)} participants to train on are too few for {folds} folds", hint="lower split.folds"
        )
    rows = [(name, "test", MISSING) for name in ranked[:tested]]
    rows += [(name, "train", str(n % folds)) for n, name in enumerate(trained)]
    return sorted(rows)


def write_splits(rules: Sequence[Path], out: Path, *, seed: int, test_fraction: float, folds: int) -> None:
    """Write `<dataset>.tsv` into `out` for each rules file."""
    for path in rules:
        source = read_rules(path)
        names = [name for name in read_participants(Path(), source) if name not in source.leave_out]
        if source.role == "test":
            rows = [(name, "test", MISSING) for name in names]
        else:
            rows = divide(names, seed=seed, test_fraction=test_fraction, folds=folds)
        write_table(out / f"{source.name}.tsv", COLUMNS, rows)


def read_split(path: Path) -> dict[str, tuple[str, str]]:
    """Part and fold of each participant."""
    return {row["participant_id"]: (row["part"], row["fold"]) for row in read_table(path, *COLUMNS)}


@click.command("split")
@click.argument("rules", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
@click.option("--seed", required=True, type=int, help="Seed of the division.")
@click.option("--test-fraction", required=True, type=float, help="Share of participants kept for testing.")
@click.option("--folds", required=True, type=int, help="Folds of the training part.")
def command(rules: tuple[Path, ...], out: Path, seed: int, test_fraction: float, folds: int) -> None:
    """Divide the participants of the sources that the RULES files describe."""
    write_splits(rules, out, seed=seed, test_fraction=test_fraction, folds=folds)
