"""Several nnU-Net raw datasets made one, for a model that learns from all of them.

Owns: the merged training part: files, dataset.json and cases.tsv.
Does not own: how each was made (`convert`). Test parts stay with their own dataset.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.errors import StudyError
from cordstudy.pipeline.raw import CASE_COLUMNS, write_dataset_json
from cordstudy.pipeline.tables import read_table, write_table


def merge(datasets: Sequence[Path], out: Path) -> None:
    """Write the union of the training parts into `out`, replacing what is there.

    An annexed file is taken over as its link: the same key under a second name, no copy.
    Raises StudyError where two datasets have a case of one id.
    """
    shutil.rmtree(out, ignore_errors=True)
    rows: dict[str, dict[str, str]] = {}
    for dataset in datasets:
        for row in read_table(dataset / "cases.tsv", *CASE_COLUMNS):
            if row["part"] != "train":
                continue
            if row["case_id"] in rows:
                raise StudyError(f"{dataset}/cases.tsv: case {row['case_id']} is in another dataset too")
            rows[row["case_id"]] = row
            for name in (f"imagesTr/{row['case_id']}_0000.nii.gz", f"labelsTr/{row['case_id']}.nii.gz"):
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(dataset / name, out / name, follow_symlinks=False)
    write_dataset_json(out, name=out.name.partition("_")[2], trained=len(rows))
    ordered = [rows[case] for case in sorted(rows)]
    write_table(out / "cases.tsv", CASE_COLUMNS, [[row[c] for c in CASE_COLUMNS] for row in ordered])


@click.command("merge")
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="nnU-Net raw dataset to write.")
def command(datasets: tuple[Path, ...], out: Path) -> None:
    """Merge the training parts of several nnU-Net raw DATASETS."""
    merge(datasets, out)
