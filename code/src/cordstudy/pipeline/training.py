"""The `train` step: one fold of one model.

Owns: the step's command line. Does not own: training (`nnunet`, `trainer`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import click


@click.command("train")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--configuration", required=True, help="nnU-Net's configuration, such as 3d_fullres.")
@click.option("--fold", required=True, type=int, help="Which fold of splits_final.json.")
@click.option("--seed", required=True, type=int, help="Seed of every random choice.")
@click.option("--epochs", required=True, type=int, help="Epochs to train.")
@click.option("--iterations", required=True, type=int, help="Batches an epoch.")
@click.option("--validations", required=True, type=int, help="Validation batches an epoch.")
def command(dataset: Path, model: Path, configuration: str, fold: int, **settings: int) -> None:
    """Train one fold of the planned MODEL on the nnU-Net raw DATASET."""
    from cordstudy.pipeline.nnunet import train  # nnU-Net: 5 s to import

    shutil.rmtree(model / f"fold_{fold}", ignore_errors=True)
    train(dataset, model, configuration=configuration, fold=fold, settings=settings)
