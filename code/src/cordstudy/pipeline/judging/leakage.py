"""Proof that what a model is judged on was not in its training.

Owns: the comparison of training, validation and test sides, and its table.
Does not own: how the sides came about (`splits`, `convert`, `planning`).

Only text is read: the tables of cases, which hold the annex keys of the sources' files and
the digests of the converted ones, and the folds that nnU-Net was given. Subjects and sessions
have a meaning within their source only; that a person is in two sources under two names shows
by the keys of the files, and, where the files were compressed anew, by the converted digests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING, read_table, write_table
from cordstudy.base.texts import read_json, shaped
from cordstudy.pipeline.raw.layout import CASE_COLUMNS

Row = Mapping[str, str]
COMPARED = {
    "subject": ("dataset", "participant_id"),
    "session": ("dataset", "participant_id", "session"),
    "image key": ("image_key",),
    "mask key": ("mask_key",),
    "converted image": ("image_sha256",),
    "converted mask": ("mask_sha256",),
}
"""What two sides must have none of in common, and the columns that tell it."""


@dataclass(frozen=True)
class Side:
    """A model: the raw dataset that it learned from and the folder with its folds."""

    name: str
    training_set: Path
    folder: Path


@dataclass(frozen=True)
class Fold:
    """The cases of the two sides of a fold, as `splits_final.json` has them."""

    train: Sequence[str]
    val: Sequence[str]


@dataclass(frozen=True)
class Overlap:
    """Two sides compared in one respect. `hits` names each pair of cases that has it in common."""

    model: str
    fold: str
    against: str
    compared: str
    n_train: int
    n_against: int
    n_hits: int
    hits: str


def compare_all(models: Sequence[Side], datasets: Sequence[Path]) -> list[Overlap]:
    """All comparisons of a study: each model's whole training part, folds included, with each
    test set; and the two sides of each fold with each other.

    Raises StudyError where a fold names a case that the training set does not have.
    """
    tests: dict[str, list[Row]] = {}
    for folder in datasets:
        rows = read_table(folder / "cases.tsv", *CASE_COLUMNS)
        tests[folder.name.partition("_")[2]] = [row for row in rows if row["part"] == "test"]
    found: list[Overlap] = []
    for model in models:
        trained = {
            row["case_id"]: row
            for row in read_table(model.training_set / "cases.tsv", *CASE_COLUMNS)
            if row["part"] == "train"
        }
        for name, rows in tests.items():
            found += _compare(model.name, MISSING, f"test: {name}", list(trained.values()), rows)
        for number, (train, held_out) in enumerate(_folds(model, trained)):
            found += _compare(model.name, str(number), "validation", train, held_out)
    return found


def _folds(model: Side, trained: Mapping[str, Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    path = model.folder / "splits_final.json"
    for fold in _read_folds(path):
        if unknown := sorted({*fold.train, *fold.val} - set(trained)):
            raise StudyError(
                f"{path}: case {unknown[0]} is not in {model.training_set}", hint="code/study run"
            )
        yield [trained[case] for case in fold.train], [trained[case] for case in fold.val]


def _read_folds(path: Path) -> list[Fold]:
    try:
        return [shaped(Fold, fold) for fold in read_json(path)]
    except (TypeError, ValueError) as error:
        raise StudyError(f"{path}: no folds: {error}", hint="code/study run") from error


def _compare(
    model: str, fold: str, against: str, train: Sequence[Row], others: Sequence[Row]
) -> Iterator[Overlap]:
    for what, columns in COMPARED.items():
        sides: list[dict[tuple[str, ...], list[str]]] = []
        for rows in (train, others):
            side: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for row in rows:
                side[tuple(row[column] for column in columns)].append(row["case_id"])
            sides.append(side)
        common = sorted(set(sides[0]) & set(sides[1]))
        hits = "; ".join(
            f"{', '.join(sides[0][key])} = {', '.join(sides[1][key])}" for key in common
        )
        yield Overlap(
            model, fold, against, what, len(sides[0]), len(sides[1]), len(common), hits or "none"
        )


def read_comparisons(path: Path) -> list[Overlap]:
    """The comparisons of a table that the step wrote."""
    rows = read_table(path, *(field.name for field in fields(Overlap)))
    try:
        return [shaped(Overlap, row) for row in rows]
    except ValueError as error:
        raise StudyError(
            f"{path}: no comparisons: {error}", hint="code/study run leakage"
        ) from error


@dataclass(frozen=True)
class Shared:
    """All respects of two sides at once: subjects on each, and what they have in common."""

    model: str
    fold: str
    against: str
    n_train: int
    n_against: int
    hits: tuple[str, ...]


def verdicts(found: Sequence[Overlap]) -> list[Shared]:
    """One verdict for each two sides, in the order of the comparisons."""
    sides: dict[tuple[str, str, str], list[Overlap]] = defaultdict(list)
    for item in found:
        sides[item.model, item.fold, item.against].append(item)
    return [
        Shared(
            *key,
            items[0].n_train,
            items[0].n_against,
            tuple(f"{item.compared}: {item.hits}" for item in items if item.n_hits),
        )
        for key, items in sides.items()
    ]


@click.command("leakage")
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    nargs=3,
    metavar="NAME TRAINING_SET FOLDER",
    help="A model, its raw dataset and its folder; repeatable.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Table to write.")
def command(
    datasets: tuple[Path, ...], models: tuple[tuple[str, str, str], ...], out: Path
) -> None:
    """Compare every model's training with the test parts of the raw DATASETS."""
    found = compare_all(
        [Side(name, Path(raw), Path(folder)) for name, raw, folder in models], datasets
    )
    write_table(out, [field.name for field in fields(Overlap)], [astuple(item) for item in found])
