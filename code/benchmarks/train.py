"""The repeatable trainer against nnU-Net's own: seconds an epoch, on the same plans and data.

Each trainer runs in a process of its own, with one thread and the same number of augmenting
processes, in turns. Epochs count after the first, whole: batches, validation, checkpoint.
nnU-Net's progress picture (a second an epoch) is left out of its own time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

CODE = Path(__file__).resolve().parents[1]
VARIANTS = {
    "stock nnU-Net": ("stock", False),
    "repeatable, identical here": ("repeatable", False),
    "repeatable, identical anywhere": ("repeatable", True),
    "stock nnU-Net under the caps": ("stock", True),
}
"""Trainer, and whether the caps on instruction sets are set."""


def prepare(folder: Path) -> tuple[Path, Path]:
    """A phantom source, converted, planned as the phantom study plans, preprocessed: model and arrays."""
    rules = json.loads((CODE / "studies/phantom/inspired.json").read_text()) | {
        "path": "inputs/source"
    }
    (folder / "rules.json").write_text(json.dumps(rules))
    study = str(CODE / "study")
    plan = (
        "--configuration",
        "3d_fullres",
        "--folds",
        "2",
        "--spacing",
        "1.5,1.5,1.5",
        "--patch",
        "32,40,40",
        "--batch",
        "2",
        "--features",
        "8,16,32,64",
        "--convolutions",
        "1",
    )
    split = ("--seed", "1", "--test-fraction", "0.1", "--folds", "2")
    for argv in (
        ("phantom", "inspired", "inputs/source", "--seed", "1"),
        ("split", "rules.json", "--out", "splits", *split),
        ("convert", "rules.json", "--split", "splits/inspired.tsv", "--out", "Dataset501_inspired"),
        ("plan", "Dataset501_inspired", "--out", "model", *plan),
    ):
        subprocess.run([study, *argv], cwd=folder, check=True)
    return folder / "Dataset501_inspired", folder / "model"


def one(folder: Path, trainer: str, epochs: int, iterations: int, augmenters: int) -> None:
    """Train; print the seconds of each epoch as JSON. Runs in a process of its own."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    from cordstudy.base.machine import device
    from cordstudy.pipeline.learning.trainer import nnUNetTrainerRepeatable

    torch.set_num_threads(1)
    os.environ["nnUNet_n_proc_DA"] = str(augmenters)
    kind = nnUNetTrainerRepeatable if trainer == "repeatable" else nnUNetTrainer
    seconds: list[float] = []

    class Timed(kind):
        def on_epoch_start(self) -> None:
            self.started = time.perf_counter()
            super().on_epoch_start()

        def on_epoch_end(self) -> None:
            super().on_epoch_end()
            seconds.append(time.perf_counter() - self.started)

    plans = json.loads((folder / "model/plans.json").read_text()) | {"continue_training": False}
    dataset_json = json.loads((folder / "model/dataset.json").read_text())
    made = Timed(plans, "3d_fullres", 0, dataset_json, torch.device(device()))
    made.num_epochs, made.num_iterations_per_epoch, made.num_val_iterations_per_epoch = (
        epochs,
        iterations,
        2,
    )
    made.augmenters = augmenters
    made.logger.plot_progress_png = lambda *_: None
    made.plot_network_architecture = lambda: None
    made.run_training()
    (folder / "seconds.json").write_text(json.dumps(seconds))


def run(
    folder: Path, variant: str, *, epochs: int, iterations: int, augmenters: int
) -> list[float]:
    """Seconds of the epochs after the first."""
    from cordstudy.base.determinism import CAPS, THREADS

    trainer, capped = VARIANTS[variant]
    env = {name: value for name, value in os.environ.items() if name not in CAPS} | THREADS
    env |= (CAPS if capped else {}) | {
        f"nnUNet_{k}": str(folder / k) for k in ("raw", "preprocessed", "results")
    }
    argv = [
        sys.executable,
        "-P",
        __file__,
        "--one",
        str(folder),
        trainer,
        str(epochs),
        str(iterations),
        str(augmenters),
    ]
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(done.stderr[-2000:])
    return json.loads((folder / "seconds.json").read_text())[1:]


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns of each trainer.")
@click.option(
    "--epochs", default=4, show_default=True, help="Epochs a turn; the first does not count."
)
@click.option("--iterations", default=20, show_default=True, help="Batches an epoch.")
@click.option("--augmenters", default=1, show_default=True, help="Augmenting processes.")
@click.option("--one", "single", nargs=5, hidden=True)
def main(
    rounds: int, epochs: int, iterations: int, augmenters: int, single: tuple[str, ...]
) -> None:
    """Print the table."""
    if single:
        one(Path(single[0]), single[1], *map(int, single[2:]))
        return
    from cordstudy.pipeline.learning.preprocessor import preprocessed

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset, model = prepare(folder)
        os.environ["CORDSTUDY_CACHE"] = str(folder / "cache")
        arrays = preprocessed(dataset, model, configuration="3d_fullres") / dataset.name
        view = folder / "preprocessed" / dataset.name
        view.mkdir(parents=True)
        for path in [*arrays.iterdir(), *model.glob("*.json")]:
            (view / path.name).symlink_to(path)
        times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(rounds):
            for variant in VARIANTS:
                times[variant] += run(
                    folder, variant, epochs=epochs, iterations=iterations, augmenters=augmenters
                )
    base = statistics.median(times["stock nnU-Net"])
    click.echo(f"{'trainer':32} {'s an epoch':>10} {'lowest':>8} {'highest':>8} {'to stock':>9}")
    for variant, seconds in times.items():
        middle = statistics.median(seconds)
        click.echo(
            f"{variant:32} {middle:10.2f} {min(seconds):8.2f} {max(seconds):8.2f} {middle / base:9.2f}"
        )
    click.echo(
        f"Medians of {rounds * (epochs - 1)} epochs of {iterations} batches; {augmenters} augmenting processes."
    )


if __name__ == "__main__":
    main()
