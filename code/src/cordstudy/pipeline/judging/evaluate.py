"""One row of measures for every case, test set and training of a model.

Owns: pairing predictions with references, and cases.tsv.
Does not own: the measures (`metrics`), or statistics over them (`compare`).

A prediction that is missing has the worst score; it is never a case less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import click
import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import progress, workers
from cordstudy.base.tables import read_table, write_table
from cordstudy.pipeline.judging.measures import Measures, measure, measure_missing
from cordstudy.pipeline.raw.layout import CASE_COLUMNS


@dataclass(frozen=True)
class Score:
    """What is known of a judged prediction beside its measures."""

    model: str
    replicate: int
    testset: str
    case_id: str
    participant_id: str
    session: str
    contrast: str
    vendor: str
    pathology: str
    label_origin: str
    voxels_ref: int
    voxels_pred: int


@dataclass(frozen=True)
class Pair:
    """A reference mask and the prediction of one training of a model for it."""

    model: str
    replicate: int
    row: dict[str, str]
    reference: Path
    prediction: Path
    nsd_tolerance_mm: float


def score(pair: Pair) -> tuple[object, ...]:
    """Judge one prediction: its row of cases.tsv. Raises StudyError if it is not on the reference's grid."""
    reference = nib.load(pair.reference)
    ref = np.asanyarray(reference.dataobj) > 0
    spacing_mm = reference.header.get_zooms()[:3]
    there = pair.prediction.exists()
    pred = np.asanyarray(nib.load(pair.prediction).dataobj) > 0 if there else np.zeros_like(ref)
    if pred.shape != ref.shape:
        raise StudyError(
            f"{pair.prediction}: {pred.shape} voxels, its reference {pair.reference} {ref.shape}"
        )
    row = pair.row
    told = Score(
        pair.model,
        pair.replicate,
        row["dataset"],
        row["case_id"],
        row["participant_id"],
        row["session"],
        row["contrast"],
        row["vendor"],
        row["pathology"],
        row["label_origin"],
        int(ref.sum()),
        int(pred.sum()),
    )
    if there:
        found = measure(pred, ref, spacing_mm, nsd_tolerance_mm=pair.nsd_tolerance_mm)
    else:
        found = measure_missing(ref, spacing_mm)
    return (*astuple(told), *astuple(found))


def pairs(
    datasets: Sequence[Path], predictions: Sequence[Path], nsd_tolerance_mm: float
) -> Iterator[Pair]:
    """Every test case of every dataset with each model's prediction of it."""
    for folder in predictions:
        model, _, number = folder.name.partition(".")
        for dataset in datasets:
            for row in read_table(dataset / "cases.tsv", *CASE_COLUMNS):
                if row["part"] == "test":
                    name = f"{row['case_id']}.nii.gz"
                    paths = dataset / "labelsTs" / name, folder / row["dataset"] / name
                    yield Pair(model, int(number or 1), row, *paths, nsd_tolerance_mm)


@click.command("evaluate")
@click.argument(
    "predictions", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="nnU-Net raw dataset with a test part; repeatable.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Table to write, one row a case and model.",
)
@click.option(
    "--nsd-tolerance",
    required=True,
    type=float,
    help="Tolerance of the normalised surface Dice, mm.",
)
def command(
    predictions: tuple[Path, ...], datasets: tuple[Path, ...], out: Path, nsd_tolerance: float
) -> None:
    """Judge every prediction; PREDICTIONS are folders, one a model."""
    jobs = list(pairs(datasets, predictions, nsd_tolerance))
    with ProcessPoolExecutor(workers()) as pool:
        rows = list(progress(pool.map(score, jobs, chunksize=8), total=len(jobs), what="evaluate"))
    write_table(out, [field.name for kind in (Score, Measures) for field in fields(kind)], rows)
