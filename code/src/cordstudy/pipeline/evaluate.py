"""One row of measures for every case, test set and model.

Owns: pairing predictions with references, `cases.tsv`, and means over them, `summary.tsv`.
Does not own: the measures (`metrics`).

A prediction that is missing counts as empty: the worst score, never a case less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import click
import nibabel as nib
import numpy as np
import pandas as pd

from cordstudy.errors import StudyError
from cordstudy.pipeline.machine import progress, workers
from cordstudy.pipeline.metrics import dice, relative_volume_error
from cordstudy.pipeline.tables import read_table, write_table

MEASURES = ["dice", "relative_volume_error"]


@dataclass(frozen=True)
class Score:
    """One prediction judged."""

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
    dice: float
    relative_volume_error: float


@dataclass(frozen=True)
class Pair:
    """A reference mask and the prediction of one training of a model for it."""

    model: str
    replicate: int
    row: dict[str, str]
    reference: Path
    prediction: Path


def score(pair: Pair) -> Score:
    """Judge one prediction. Raises StudyError if it is not on the reference's grid."""
    ref = np.asanyarray(nib.load(pair.reference).dataobj) > 0
    if pair.prediction.exists():
        pred = np.asanyarray(nib.load(pair.prediction).dataobj) > 0
    else:
        pred = np.zeros_like(ref)
    if pred.shape != ref.shape:
        raise StudyError(f"{pair.prediction}: {pred.shape} voxels, its reference {pair.reference} {ref.shape}")
    row = pair.row
    return Score(
        pair.model, pair.replicate, row["dataset"], row["case_id"], row["participant_id"], row["session"],
        row["contrast"], row["vendor"], row["pathology"], row["label_origin"], int(ref.sum()), int(pred.sum()),
        dice(pred, ref), relative_volume_error(pred, ref),
    )  # fmt: skip


def pairs(datasets: Sequence[Path], predictions: Sequence[Path]) -> Iterator[Pair]:
    """Every test case of every dataset with each model's prediction of it."""
    for folder in predictions:
        model, _, number = folder.name.partition(".")
        for dataset in datasets:
            for row in read_table(dataset / "cases.tsv"):
                if row["part"] == "test":
                    name = f"{row['case_id']}.nii.gz"
                    yield Pair(
                        model, int(number or 1), row, dataset / "labelsTs" / name, folder / row["dataset"] / name
                    )


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice and volume error of each model and test set, over participants (their cases
    averaged first), with the numbers of participants and cases; of the first training."""
    keys = ["model", "testset"]
    first = scores[scores["replicate"] == 1]
    by_participant = first.groupby([*keys, "participant_id"], sort=False)[MEASURES].mean()
    table = by_participant.groupby(level=keys, sort=False).mean()
    table.insert(0, "cases", first.groupby(keys, sort=False).size())
    table.insert(0, "participants", by_participant.groupby(level=keys, sort=False).size())
    return table.reset_index()


def spread(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each training, and over trainings its mean, standard deviation (n - 1; nan for
    one training), minimum and maximum, by model and test set."""
    keys = ["model", "testset"]
    by_participant = scores.groupby([*keys, "replicate", "participant_id"], sort=False)["dice"].mean()
    trainings = by_participant.groupby(level=[*keys, "replicate"], sort=False).mean()
    table = trainings.groupby(level=keys, sort=False).agg(["size", "mean", "std", "min", "max"])
    table.columns = ["trainings", "dice_mean", "dice_sd", "dice_min", "dice_max"]
    return table.reset_index()


@click.command("evaluate")
@click.argument("predictions", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--dataset", "datasets", multiple=True, required=True, type=click.Path(path_type=Path, exists=True),
              help="nnU-Net raw dataset with a test part; repeatable.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Table to write, one row a case and model.")
def command(predictions: tuple[Path, ...], datasets: tuple[Path, ...], out: Path) -> None:
    """Judge every prediction; PREDICTIONS are folders, one a model."""
    jobs = list(pairs(datasets, predictions))
    with ProcessPoolExecutor(workers()) as pool:
        scores = list(progress(pool.map(score, jobs, chunksize=8), total=len(jobs), what="evaluate"))
    write_table(out, [f.name for f in fields(Score)], [astuple(item) for item in scores])


@click.command("compare")
@click.argument("cases", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Table to write, one row a model and test set."
)
@click.option("--replicates", required=True, type=click.Path(path_type=Path), help="Table of the spread of retraining.")
def compare_command(cases: Path, out: Path, replicates: Path) -> None:
    """Summarise the table CASES by model and test set."""
    scores = pd.read_csv(cases, sep="\t")
    for path, table in ((out, summarise(scores)), (replicates, spread(scores))):
        write_table(path, list(table.columns), table.itertuples(index=False))
