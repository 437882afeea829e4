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
STEPS = (
    "phantom inspired inputs/source --seed 1",
    "split rules.json --out splits --seed 1 --test-fraction 0.1 --folds 2",
    "convert rules.json --split splits/inspired.tsv --out Dataset501_inspired",
    "plan Dataset501_inspired --out model --configuration 3d_fullres --folds 2 "
    "--spacing 1.5,1.5,1.5 --patch 32,40,40 --batch 2 --features 8,16,32,64 --convolutions 1",
)


def prepare(folder: Path) -> tuple[Path, Path]:
    """A phantom source, converted and planned as the phantom study plans: raw dataset and model."""
    rules = json.loads((CODE / "studies/phantom/inspired.json").read_text())
    rules["path"] = "inputs/source"
    (folder / "rules.json").write_text(json.dumps(rules))
    for words in STEPS:
        subprocess.run([str(CODE / "study"), *words.split()], cwd=folder, check=True)
    return folder / "Dataset501_inspired", folder / "model"


def lay_out(folder: Path, dataset: Path, model: Path) -> None:
    """Preprocess, and put arrays and plans where nnU-Net's trainers look for them."""
    from cordstudy.pipeline.learning.preprocessor import preprocessed

    arrays = preprocessed(dataset, model, configuration="3d_fullres") / dataset.name
    view = folder / "preprocessed" / dataset.name
    view.mkdir(parents=True)
    for path in [*arrays.iterdir(), *model.glob("*.json")]:
        (view / path.name).symlink_to(path)


def train(folder: Path, trainer: str, epochs: int, iterations: int, augmenters: int) -> None:
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
    timed = Timed(plans, "3d_fullres", 0, dataset_json, torch.device(device()))
    timed.num_epochs = epochs
    timed.num_iterations_per_epoch = iterations
    timed.num_val_iterations_per_epoch = 2
    timed.augmenters = augmenters
    timed.logger.plot_progress_png = lambda *_: None
    timed.plot_network_architecture = lambda: None
    timed.run_training()
    (folder / "seconds.json").write_text(json.dumps(seconds))


def run(
    folder: Path, variant: str, *, epochs: int, iterations: int, augmenters: int
) -> list[float]:
    """Seconds of the epochs after the first."""
    from cordstudy.base.determinism import CAPS, THREADS

    trainer, capped = VARIANTS[variant]
    env = {name: value for name, value in os.environ.items() if name not in CAPS}
    env |= THREADS
    if capped:
        env |= CAPS
    for name in ("raw", "preprocessed", "results"):
        env[f"nnUNet_{name}"] = str(folder / name)
    counts = [str(count) for count in (epochs, iterations, augmenters)]
    argv = [sys.executable, "-P", __file__, "--one", str(folder), trainer, *counts]
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
        train(Path(single[0]), single[1], *map(int, single[2:]))
        return
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CORDSTUDY_CACHE"] = str(folder / "cache")
        dataset, model = prepare(folder)
        lay_out(folder, dataset, model)
        for _ in range(rounds):
            for variant in VARIANTS:
                seconds[variant] += run(
                    folder, variant, epochs=epochs, iterations=iterations, augmenters=augmenters
                )
    print_table(seconds)
    click.echo(
        f"Medians of {rounds * (epochs - 1)} epochs of {iterations} batches; "
        f"{augmenters} augmenting processes."
    )


def print_table(seconds: dict[str, list[float]]) -> None:
    """A line a variant: median, range, and median to that of the stock trainer."""
    stock = statistics.median(seconds["stock nnU-Net"])
    click.echo(f"{'trainer':32} {'s an epoch':>10} {'lowest':>8} {'highest':>8} {'to stock':>9}")
    for variant, values in seconds.items():
        median, low, high = statistics.median(values), min(values), max(values)
        click.echo(f"{variant:32} {median:10.2f} {low:8.2f} {high:8.2f} {median / stock:9.2f}")


if __name__ == "__main__":
    main()
