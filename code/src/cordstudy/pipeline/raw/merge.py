"""Several nnU-Net raw datasets made one, for a model that learns from all of them.

Owns: the merged training part: files, dataset.json and cases.tsv; which cases a size-matched one has.
Does not own: how each was made (`convert`). Test parts stay with their own dataset.

A size-matched training set has as many cases as the largest of its datasets: the same number of each,
where one has fewer all of it. They are drawn by a hash of seed and case, a like share of each fold.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_table
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, replacing_raw, write_dataset_json


def merge(datasets: Sequence[Path], out: Path, *, seed: int | None = None) -> None:
    """Write the union of the training parts into `out`, replacing the raw dataset that is there; with a
    seed, a size-matched share of it.

    An annexed file is taken over as its link: the same key under a second name, no copy.
    Raises StudyError where two datasets have a case of one id, and where `out` is one of them.
    """
    if out.resolve() in [dataset.resolve() for dataset in datasets]:
        raise StudyError(
            f"{out}: it is one of the datasets to merge", hint="name another folder: --out"
        )
    parts = {dataset: _training_cases(dataset) for dataset in datasets}
    if seed is not None:
        parts = dict(zip(parts, size_matched(list(parts.values()), seed=seed)))
    with replacing_raw(out) as made:
        rows: dict[str, dict[str, str]] = {}
        for dataset, cases in parts.items():
            for row in cases:
                if row["case_id"] in rows:
                    raise StudyError(
                        f"{dataset}/cases.tsv: case {row['case_id']} is in another dataset too"
                    )
                rows[row["case_id"]] = row
                for name in (
                    f"imagesTr/{row['case_id']}_0000.nii.gz",
                    f"labelsTr/{row['case_id']}.nii.gz",
                ):
                    (made / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(dataset / name, made / name, follow_symlinks=False)
        write_dataset_json(made, name=out.name.partition("_")[2], trained=len(rows))
        ordered = [rows[case] for case in sorted(rows)]
        write_table(
            made / "cases.tsv", CASE_COLUMNS, [[row[c] for c in CASE_COLUMNS] for row in ordered]
        )


def _training_cases(dataset: Path) -> list[dict[str, str]]:
    return [
        row for row in read_table(dataset / "cases.tsv", *CASE_COLUMNS) if row["part"] == "train"
    ]


def size_matched(
    parts: Sequence[Sequence[dict[str, str]]], *, seed: int
) -> list[list[dict[str, str]]]:
    """Rows of each part that together are as many as the largest part has."""
    quotas = _quotas([len(part) for part in parts])
    return [_draw(part, seed=seed)[:quota] for part, quota in zip(parts, quotas)]


def _quotas(sizes: Sequence[int]) -> list[int]:
    """Like shares of the largest size, none above its own size; what cannot be divided to the first."""
    quotas = [0] * len(sizes)
    for _ in range(max(sizes)):
        open_ = [n for n, size in enumerate(sizes) if quotas[n] < size]
        quotas[min(open_, key=quotas.__getitem__)] += 1
    return quotas


def _draw(part: Sequence[dict[str, str]], *, seed: int) -> list[dict[str, str]]:
    """The rows in an order by chance, in which the folds take turns."""
    by_fold: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    for row in part:
        by_fold[row["fold"]].append(
            (hashlib.sha256(f"{seed}/{row['case_id']}".encode()).hexdigest(), row)
        )
    turns = [
        (n, rank, row)
        for fold in by_fold.values()
        for n, (rank, row) in enumerate(sorted(fold, key=lambda one: one[0]))
    ]
    return [row for _, _, row in sorted(turns, key=lambda one: one[:2])]


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
