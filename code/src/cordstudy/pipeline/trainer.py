"""nnU-Net's own trainer, made repeatable: same plans, data and seed, same checkpoint bytes.

Owns: `nnUNetTrainerRepeatable`, which learns as the stock trainer does, and `train_fold`.
Does not own: plans, preprocessing, prediction (`nnunet`).

What the stock trainer leaves to chance, and what is done here: no seeds (seeded at each
epoch from study seed and epoch, so history does not matter); a queue of augmentation
workers (one ordered process); a convolution chosen by stopwatch (never); times in the
checkpoint and log (none). The checkpoint names the stock trainer, whose network it holds,
so that stock nnU-Net loads it without this package.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as stock
from tqdm import tqdm

from cordstudy.pipeline.machine import device as machine_device


class nnUNetTrainerRepeatable(stock.nnUNetTrainer):
    """The stock trainer with every source of chance seeded and every clock left out."""

    study_seed = 0

    def initialize(self) -> None:
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # 12 % of a step; nothing here reads such memory
        self._seed(0)
        super().initialize()
        if len(self.configuration_manager.patch_size) == 3:  # the convolutions' faster layout on a CPU
            self.network.to(memory_format=torch.channels_last_3d)

    def _seed(self, moment: int) -> None:
        value = int(np.random.SeedSequence([self.study_seed, self.fold, moment]).generate_state(1)[0])
        random.seed(value)
        np.random.seed(value)
        torch.manual_seed(value)

    @staticmethod
    def get_training_transforms(*args, **kwargs):
        """The stock augmentation, but a Gaussian blur that does not time itself."""
        composed = stock.nnUNetTrainer.get_training_transforms(*args, **kwargs)
        for item in composed.transforms:
            inner = getattr(item, "transform", item)
            if isinstance(inner, GaussianBlurTransform):
                inner.benchmark = False
        return composed

    def get_dataloaders(self):
        self._seed(1)
        os.environ["nnUNet_n_proc_DA"] = "0"  # this process augments; nnU-Net's planner crashes on 0
        try:
            return super().get_dataloaders()
        finally:
            del os.environ["nnUNet_n_proc_DA"]

    def on_epoch_start(self) -> None:
        self._seed(2 + self.current_epoch)
        self.logger.log("epoch_start_timestamps", 0.0, self.current_epoch)

    def on_epoch_end(self) -> None:
        """The stock bookkeeping without clock, progress picture or intermediate checkpoints."""
        epoch, log = self.current_epoch, self.logger
        log.log("epoch_end_timestamps", 0.0, epoch)
        losses = (log.get_value(name, step=-1) for name in ("train_losses", "val_losses", "ema_fg_dice"))
        self._write_log("epoch %d: train loss %.4f, validation loss %.4f, mean Dice %.4f" % (epoch, *losses))
        self.current_epoch += 1
        self.bar.update()

    def _write_log(self, line: str) -> None:
        with (Path(self.output_folder) / "training_log.txt").open("a") as stream:
            stream.write(line + "\n")

    def print_to_log_file(self, *args, also_print_to_console=False, add_timestamp=False) -> None:
        """The stock messages hold times and paths; `on_epoch_end` writes the log."""

    def save_checkpoint(self, filename: str) -> None:
        name, type(self).__name__ = type(self).__name__, "nnUNetTrainer"
        try:
            super().save_checkpoint(filename)
        finally:
            type(self).__name__ = name

    def _save_debug_information(self) -> None:
        """The stock file holds addresses and paths."""

    def plot_network_architecture(self) -> None:
        """Needs a package that no longer exists."""


def train_fold(
    model: Path, *, configuration: str, fold: int, seed: int, epochs: int, iterations: int, validations: int
) -> None:
    """Train one fold into `model/fold_<fold>`: checkpoint_final.pth and training_log.txt.

    `iterations` are batches an epoch, `validations` batches of the held-out subjects an epoch,
    from which the log's losses and Dice come. nnUNet_preprocessed and nnUNet_results must be set.
    """
    plans = json.loads((model / "plans.json").read_text()) | {"continue_training": False}
    dataset_json = json.loads((model / "dataset.json").read_text())
    trainer = nnUNetTrainerRepeatable(plans, configuration, fold, dataset_json, torch.device(machine_device()))
    trainer.study_seed = seed
    trainer.num_epochs = epochs
    trainer.num_iterations_per_epoch = iterations
    trainer.num_val_iterations_per_epoch = validations
    out = model / f"fold_{fold}"
    out.mkdir(parents=True, exist_ok=True)
    trainer.output_folder = str(out)
    with tqdm(total=epochs, desc=f"train fold {fold}", unit="epoch", disable=None, leave=False) as trainer.bar:
        trainer.run_training()
