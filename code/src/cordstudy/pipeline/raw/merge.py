"""Several nnU-Net raw datasets made one, for a model that learns from all of them.

Owns: the merged training part: files, dataset.json and cases.tsv; which cases a size-matched one
has.
Does not own: how each was made (`convert`). Test parts stay with their own dataset.

A size-matched training set has as many cases as the largest of its datasets: the same number of
each, where one has fewer all of it. They are drawn by a hash of seed and case, a like share of
each fold.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.layout import RawCase, read_cases, write_cases, write_dataset_json
from cordstudy.pipeline.raw.names import (
    CASES,
    TRAIN,
    image_path,
    mask_path,
    name_without_number,
)
from cordstudy.pipeline.raw.replacing import replacing_raw


def merge(datasets: Sequence[Path], out: Path, *, seed: int | None = None) -> None:
    """Write the union of the training parts into `out`, replacing the raw dataset that is there;
    with a seed, a size-matched share of it.

    An annexed file is taken over as its link: the same key under a second name, no copy.
    Raises StudyError where two datasets have a case of one id, and where `out` is one of them.
    """
    if out.resolve() in [dataset.resolve() for dataset in datasets]:
        raise StudyError(
            f"{out}: it is one of the datasets to merge", hint="name another folder: --out"
        )
    by_dataset = {dataset: _training_cases(dataset) for dataset in datasets}
    if seed is not None:
        drawn = size_matched(list(by_dataset.values()), seed=seed)
        by_dataset = dict(zip(by_dataset, drawn))
    with replacing_raw(out) as made:
        merged: dict[str, RawCase] = {}
        for dataset, cases in by_dataset.items():
            for case in cases:
                if case.case_id in merged:
                    raise StudyError(
                        f"{dataset}/{CASES}: case {case.case_id} is in another dataset too"
                    )
                merged[case.case_id] = case
                _take_over(case, dataset, made)
        write_dataset_json(made, name=name_without_number(out.name), trained=len(merged))
        write_cases(made, [merged[case_id] for case_id in sorted(merged)])


def _training_cases(dataset: Path) -> list[RawCase]:
    return [case for case in read_cases(dataset) if case.is_to_train]


def _take_over(case: RawCase, dataset: Path, made: Path) -> None:
    """Put a case's image and mask into the merged dataset; a link stays the same link."""
    for path in (image_path(TRAIN, case.case_id), mask_path(TRAIN, case.case_id)):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dataset / path, made / path, follow_symlinks=False)


def size_matched(datasets: Sequence[Sequence[RawCase]], *, seed: int) -> list[list[RawCase]]:
    """Cases of each dataset that together are as many as the largest has."""
    quotas = _quotas([len(cases) for cases in datasets])
    drawn = []
    for cases, quota in zip(datasets, quotas):
        drawn.append(_in_order_by_chance(cases, seed=seed)[:quota])
    return drawn


def _quotas(sizes: Sequence[int]) -> list[int]:
    """Like shares of the largest size, none above its own size; what cannot be divided goes to
    the first."""
    quotas = [0] * len(sizes)
    for _ in range(max(sizes)):
        not_full = [n for n, size in enumerate(sizes) if quotas[n] < size]
        smallest = min(not_full, key=lambda n: quotas[n])
        quotas[smallest] += 1
    return quotas


def _in_order_by_chance(cases: Sequence[RawCase], *, seed: int) -> list[RawCase]:
    """The cases of one dataset in an order by chance, in which the folds take turns."""

    def rank(case: RawCase) -> str:
        return hashlib.sha256(f"{seed}/{case.case_id}".encode()).hexdigest()

    by_fold: dict[str, list[RawCase]] = defaultdict(list)
    for case in cases:
        by_fold[case.fold].append(case)
    turns: list[tuple[int, str, RawCase]] = []
    for of_fold in by_fold.values():
        for turn, case in enumerate(sorted(of_fold, key=rank)):
            turns.append((turn, rank(case), case))
    turns.sort(key=lambda entry: entry[:2])
    return [case for _, _, case in turns]


@click.command("merge")
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="nnU-Net raw dataset to write."
)
@click.option(
    "--match-largest",
    "seed",
    type=int,
    metavar="SEED",
    help="Only as many cases as the largest of DATASETS has, drawn by this seed.",
)
def command(datasets: tuple[Path, ...], out: Path, seed: int | None) -> None:
    """Merge the training parts of several nnU-Net raw DATASETS."""
    merge(datasets, out, seed=seed)
