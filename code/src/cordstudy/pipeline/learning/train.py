"""The `train` step: one fold of one model.

Owns: the step's command line, and what of an earlier try is removed.
Does not own: training (`trainer`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.determinism import identical_option
from cordstudy.base.outputs import remove_own
from cordstudy.base.tables import write_file
from cordstudy.pipeline.learning.options import mirror_option

OWN = (
    "checkpoint_final.pth",
    "checkpoint_final.pth.unfinished",
    "training_log.txt",
    ".training_log.txt.unfinished",
)
"""What a training writes to its folder, killed or not."""


@click.command("train")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the fold: fold_K."
)
@click.option("--configuration", required=True, help="nnU-Net's configuration, such as 3d_fullres.")
@click.option("--fold", required=True, type=int, help="Which fold of splits_final.json.")
@click.option("--seed", required=True, type=int, help="Seed of every random choice.")
@click.option("--epochs", required=True, type=int, help="Epochs to train.")
@click.option("--iterations", required=True, type=int, help="Batches an epoch.")
@click.option("--validations", required=True, type=int, help="Validation batches an epoch.")
@mirror_option
@click.option(
    "--balanced",
    is_flag=True,
    help="Draw every dataset of cases.tsv with like chance, not every case.",
)
@identical_option
def command(
    dataset: Path,
    model: Path,
    out: Path,
    configuration: str,
    fold: int,
    seed: int,
    epochs: int,
    iterations: int,
    validations: int,
    mirror_axes: tuple[int, ...],
    balanced: bool,
) -> None:
    """Train one fold of the planned MODEL on the nnU-Net raw DATASET.

    Goes on from where an earlier try was killed, to the same bytes.

    \b
    Example:
      code/study run --dry-run train:general:fold0     tells the whole command of a study
    """
    from cordstudy.pipeline.learning.trainer import Schedule, train  # nnU-Net: 5 s to import

    remove_own(out, OWN)
    if out.parent != model:  # a replicate: a model of its own beside the first
        for name in ("plans.json", "dataset.json"):
            write_file(out.parent / name, (model / name).read_bytes())
    train(
        dataset,
        model,
        out,
        configuration=configuration,
        fold=fold,
        balanced=balanced,
        schedule=Schedule(seed, epochs, iterations, validations, mirror_axes),
    )
