"""The `leakage` step: proof that what a model is judged on was not in its training.

Owns: the comparison of training, validation and test sides, and its table.
Does not own: how the sides came about (`split`, `convert`, `plan`).

Only text is read: the tables of cases, which hold the annex keys of the sources' files and
the digests of the converted ones, and the folds that nnU-Net was given. A subject is a person,
who may have several participant ids; a session is one of a participant's. Subjects and sessions
have a meaning within their source only; that a person is in two sources under two names shows
by the keys of the files, and by their voxels in RPI: those stay where a file was compressed anew,
turned, scaled, put in a larger frame, or its header written by another program (`raw.digests`).
Masks that unlike images may share by chance (`raw.digests.is_plain`) are compared in no respect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING
from cordstudy.base.texts import read_json, shaped
from cordstudy.pipeline.judging.rows import read_rows, write_rows
from cordstudy.pipeline.raw.layout import PLAIN, RawCase, read_cases
from cordstudy.pipeline.raw.names import CASES, name_without_number

Key = tuple[str, ...]
COMPARED: Mapping[str, Callable[[RawCase], Key]] = {
    "subject": lambda case: (case.dataset, case.person),
    "session": lambda case: (case.dataset, case.participant_id, case.session),
    "image key": lambda case: (case.image_key,),
    "mask key": lambda case: _of_mask(case, case.mask_key),
    "image voxels": lambda case: (case.image_voxels,),
    "mask voxels": lambda case: _of_mask(case, case.mask_voxels),
}
"""What two sides must have none of in common, and what tells it of a case; empty for a case of
which nothing tells it."""


def _of_mask(case: RawCase, told: str) -> Key:
    """What tells a mask from others; nothing does of one that another's may equal by chance."""
    return () if case.mask_voxels == PLAIN else (told,)


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


def compare_all(models: Sequence[Side], raws: Sequence[Path]) -> list[Overlap]:
    """All comparisons of a study: each model's whole training part, folds included, with each
    test set; and the two sides of each fold with each other.

    Raises StudyError where a fold names a case that the training set does not have, and for a table
    of cases without digests of voxels.
    """
    tests: dict[str, list[RawCase]] = {}
    for raw in raws:
        if name_without_number(raw.name) in tests:
            raise StudyError(
                f"{raw}: there is another raw dataset of this name", hint="name each dataset once"
            )
        tests[name_without_number(raw.name)] = [case for case in _cases(raw) if case.is_to_test]
    overlaps: list[Overlap] = []
    for model in models:
        trained = _training_cases(model)
        everything = list(trained.values())
        for name, tested in tests.items():
            overlaps += _overlaps(model.name, MISSING, f"test: {name}", everything, tested)
        for number, (train, held_out) in enumerate(_folds(model, trained)):
            overlaps += _overlaps(model.name, str(number), "validation", train, held_out)
    return overlaps


def _cases(raw: Path) -> list[RawCase]:
    """The cases of a raw dataset. Raises StudyError where its table knows nothing of voxels."""
    cases = read_cases(raw)
    if any(case.image_voxels == MISSING for case in cases):
        raise StudyError(
            f"{raw / CASES}: made before voxels were compared", hint="code/study run convert merge"
        )
    return cases


def _training_cases(model: Side) -> dict[str, RawCase]:
    """What a model learned from, by the name of the case."""
    cases = _cases(model.training_set)
    return {case.case_id: case for case in cases if case.is_to_train}


def _folds(
    model: Side, trained: Mapping[str, RawCase]
) -> Iterator[tuple[list[RawCase], list[RawCase]]]:
    """The cases of both sides of each fold."""
    path = model.folder / "splits_final.json"
    for fold in _read_folds(path):
        unknown = sorted({*fold.train, *fold.val} - set(trained))
        if unknown:
            raise StudyError(
                f"{path}: case {unknown[0]} is not in {model.training_set}", hint="code/study run"
            )
        train = [trained[case_id] for case_id in fold.train]
        held_out = [trained[case_id] for case_id in fold.val]
        yield train, held_out


def _read_folds(path: Path) -> list[Fold]:
    try:
        return [shaped(Fold, fold) for fold in read_json(path)]
    except (TypeError, ValueError) as error:
        raise StudyError(f"{path}: no folds: {error}", hint="code/study run") from error


def _overlaps(
    model: str, fold: str, against: str, train: Sequence[RawCase], others: Sequence[RawCase]
) -> Iterator[Overlap]:
    """Two sides in every respect."""
    for compared, key_of in COMPARED.items():
        trained = _names_by_key(train, key_of)
        held_out = _names_by_key(others, key_of)
        common = sorted(set(trained) & set(held_out))
        hits = [f"{', '.join(trained[key])} = {', '.join(held_out[key])}" for key in common]
        yield Overlap(
            model=model,
            fold=fold,
            against=against,
            compared=compared,
            n_train=len(trained),
            n_against=len(held_out),
            n_hits=len(common),
            hits="; ".join(hits) or "none",
        )


def _names_by_key(
    cases: Sequence[RawCase], key_of: Callable[[RawCase], Key]
) -> dict[Key, list[str]]:
    """The names of the cases of each key."""
    names: dict[Key, list[str]] = {}
    for case in cases:
        if key := key_of(case):
            names.setdefault(key, []).append(case.case_id)
    return names


def read_overlaps(path: Path) -> list[Overlap]:
    """The comparisons of a table that the step wrote."""
    return read_rows(path, Overlap, what="comparisons", step="leakage")


@dataclass(frozen=True)
class Shared:
    """All respects of two sides at once: subjects on each, and what they have in common."""

    model: str
    fold: str
    against: str
    n_train: int
    n_against: int
    hits: tuple[str, ...]


def verdicts(overlaps: Sequence[Overlap]) -> list[Shared]:
    """One verdict for each two sides, in the order of the comparisons."""
    by_sides: dict[tuple[str, str, str], list[Overlap]] = {}
    for overlap in overlaps:
        sides = (overlap.model, overlap.fold, overlap.against)
        by_sides.setdefault(sides, []).append(overlap)
    return [_verdict(of_two_sides) for of_two_sides in by_sides.values()]


def _verdict(overlaps: Sequence[Overlap]) -> Shared:
    first = overlaps[0]
    hits = [f"{overlap.compared}: {overlap.hits}" for overlap in overlaps if overlap.n_hits]
    return Shared(
        first.model, first.fold, first.against, first.n_train, first.n_against, tuple(hits)
    )


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
    """Compare every model's training with the test parts of the raw DATASETS.

    \b
    Example:
      code/study run --dry-run leakage     tells the whole command of a study
    """
    sides = [Side(name, Path(raw), Path(folder)) for name, raw, folder in models]
    write_rows(out, Overlap, compare_all(sides, datasets))
