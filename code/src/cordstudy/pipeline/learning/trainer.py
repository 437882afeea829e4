"""nnU-Net's own trainer, made repeatable: same plans, data and seed, same checkpoint bytes.

Owns: `nnUNetTrainerRepeatable`, which learns as the stock trainer does.
Does not own: plans, preprocessing, where a training's progress is kept (`nnunet`).

What the stock trainer leaves to chance, and what is done here:
- no seeds: every batch has one, from study seed, model, fold, epoch and batch, so that neither
  history nor the number of workers matters, and a training that was killed goes on to the same end;
- augmentation workers in a queue: torch's DataLoader, which keeps the order;
- a convolution chosen by stopwatch: never; likewise cuDNN's;
- kernels that sum in any order: torch's deterministic ones. Cross entropy has none on CUDA, so it
  is written with `gather`, which has: the same values up to rounding;
- times in the checkpoint and log: none.

The checkpoint names the stock trainer, whose network it holds, so that stock nnU-Net loads it
without this package.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as stock
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from cordstudy.base.machine import device as machine_device
from cordstudy.base.machine import workers
from cordstudy.base.tables import write_file
from cordstudy.pipeline.learning.checkpoints import load, plain, read_plans
from cordstudy.pipeline.learning.resuming import newest, store

Moment = tuple[int, int]
"""Epoch and batch."""


def seed_all(*what: object) -> None:
    """Seed Python, numpy and torch from values that name a moment."""
    value = int.from_bytes(hashlib.sha256("/".join(map(str, what)).encode()).digest()[:4], "big")
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


class Batches(Dataset):
    """nnU-Net's batches by moment: the same batch for the same moment, in any process."""

    def __init__(self, loader: nnUNetDataLoader, *names: object) -> None:
        self.loader, self.names = loader, names

    def __getitem__(self, moment: Moment) -> dict:
        seed_all(*self.names, *moment)
        return self.loader.generate_train_batch()


class DeterministicCrossEntropy(nn.Module):
    """Mean cross entropy of logits (b, c, ...) and labels (b, ...) or (b, 1, ...)."""

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if target.ndim < logits.ndim:
            target = target[:, None]
        return -torch.log_softmax(logits, dim=1).gather(1, target.long()).mean()


def even_chances(groups: Sequence[str]) -> np.ndarray:
    """The chance of each case to be drawn, by its group: alike for every group, and within it."""
    sizes = Counter(groups)
    return np.array([1 / (len(sizes) * sizes[group]) for group in groups])


class nnUNetTrainerRepeatable(stock.nnUNetTrainer):
    """The stock trainer with every source of chance seeded and every clock left out.

    `nnUNetv2_train` finds it in `nnUNet_extTrainer` (see code/docs/determinism.md); its study
    seed is then CORDSTUDY_SEED, else 0.
    """

    study_seed = int(os.environ.get("CORDSTUDY_SEED") or 0)
    augmenters = 0
    """Processes that augment beside this one."""
    progress_folder: Path | None = None
    groups: Mapping[str, str] | None = None
    """Group of each case; with any, batches draw every group with like chance, not every case."""
    on_epoch: Callable[[], object] = staticmethod(lambda: None)
    """Called at the end of each epoch."""

    def _names(self, what: str) -> tuple[object, ...]:
        """What seeds come from, but epoch and batch."""
        name = self.plans_manager.dataset_name.partition("_")[2]  # a number says nothing of a model
        return self.study_seed, name, self.fold, what

    def initialize(self) -> None:
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = (
            False  # 12 % of a step; nothing here reads such memory
        )
        seed_all(*self._names("weights"))
        super().initialize()
        if (
            len(self.configuration_manager.patch_size) == 3
        ):  # the convolutions' faster layout on a CPU
            self.network.to(memory_format=torch.channels_last_3d)

    def on_train_start(self) -> None:
        super().on_train_start()
        torch.backends.cudnn.deterministic = True  # `nnUNetv2_train` sets both the other way
        torch.backends.cudnn.benchmark = False

    def _build_loss(self) -> nn.Module:
        wrapped = super()._build_loss()
        loss = getattr(wrapped, "loss", wrapped)
        if hasattr(loss, "ce") and self.label_manager.ignore_label is None:
            loss.ce = DeterministicCrossEntropy()
        return wrapped

    @staticmethod
    def get_training_transforms(*args, **kwargs):
        """The stock augmentation, but a Gaussian blur that does not time itself."""
        composed = stock.nnUNetTrainer.get_training_transforms(*args, **kwargs)
        for item in composed.transforms:
            inner = getattr(item, "transform", item)
            if isinstance(inner, GaussianBlurTransform):
                inner.benchmark = False
        return composed

    def get_dataloaders(self) -> tuple[Iterator[dict], Iterator[dict]]:
        """The stock loaders, each batch seeded by its moment, in order from any number of processes."""
        os.environ["nnUNet_n_proc_DA"] = (
            "0"  # else the stock starts its own; its planner crashes on 0
        )
        try:
            train, held_out = (augmenter.data_loader for augmenter in super().get_dataloaders())
        finally:
            del os.environ["nnUNet_n_proc_DA"]
        if self.groups:
            train.sampling_probabilities = even_chances(
                [self.groups[case] for case in train.indices]
            )
        return (
            self._in_order(
                Batches(train, *self._names("train")),
                self.num_iterations_per_epoch,
                self.augmenters,
            ),
            self._in_order(
                Batches(held_out, *self._names("held out")),
                self.num_val_iterations_per_epoch,
                min(1, self.augmenters),
            ),
        )

    def _in_order(self, batches: Batches, per_epoch: int, workers: int) -> Iterator[dict]:
        moments: Sequence[Moment] = [
            (epoch, batch)
            for epoch in range(self.current_epoch, self.num_epochs)
            for batch in range(per_epoch)
        ]
        return iter(
            DataLoader(
                batches,
                batch_size=None,
                sampler=moments,
                num_workers=workers,
                pin_memory=self.device.type == "cuda",
            )
        )

    def on_epoch_start(self) -> None:
        self.logger.log("epoch_start_timestamps", 0.0, self.current_epoch)
        self.batch = 0

    def train_step(self, batch: dict) -> dict:
        """The stock step. A network with dropout draws from the moment's seed, whoever made the batch."""
        seed_all(*self._names("step"), self.current_epoch, self.batch)
        self.batch += 1
        return super().train_step(batch)

    def on_epoch_end(self) -> None:
        """The stock bookkeeping without clock, progress picture or best checkpoint."""
        self.logger.log("epoch_end_timestamps", 0.0, self.current_epoch)
        logged = self.logger.local_logger.my_fantastic_logging
        logged.update(
            plain(logged)
        )  # here and not where it is saved: what goes on has what a resumed one has
        write_file(Path(self.output_folder, "training_log.txt"), self._log())
        if self.current_epoch + 1 < self.num_epochs:
            self.save_progress()
        self.current_epoch += 1
        self.on_epoch()

    def save_progress(self) -> None:
        """Save what a continued training starts from: in `progress_folder`, else where
        `nnUNetv2_train --c` looks for it."""
        if self.progress_folder:
            store(
                self.progress_folder,
                self.current_epoch,
                lambda path: self.save_checkpoint(str(path)),
            )
        else:
            self.save_checkpoint(str(Path(self.output_folder, "checkpoint_latest.pth")))

    def _log(self) -> str:
        """A line an epoch, from what the checkpoint keeps: the same after an interruption."""
        columns = [
            self.logger.get_value(name, step=None)
            for name in ("train_losses", "val_losses", "ema_fg_dice")
        ]
        return "".join(
            "epoch %d: train loss %.4f, validation loss %.4f, mean Dice %.4f\n" % (epoch, *values)
            for epoch, values in enumerate(zip(*columns))
        )

    def print_to_log_file(self, *args, also_print_to_console=False, add_timestamp=False) -> None:
        """The stock messages hold times and paths; `on_epoch_end` writes the log."""

    def save_checkpoint(self, filename: str) -> None:
        """The stock checkpoint, of tensors and plain values, under the stock trainer's name; whole or not at
        all, and through a stream, as torch's own writing does not say why it fails."""
        name, type(self).__name__ = type(self).__name__, "nnUNetTrainer"
        unfinished = Path(f"{filename}.unfinished")
        try:
            with unfinished.open("wb") as stream:
                super().save_checkpoint(stream)
            unfinished.replace(filename)
        finally:
            type(self).__name__ = name
            unfinished.unlink(missing_ok=True)

    def _save_debug_information(self) -> None:
        """The stock file holds addresses and paths."""

    def plot_network_architecture(self) -> None:
        """Needs a package that no longer exists."""


def train_fold(
    model: Path,
    out: Path,
    *,
    configuration: str,
    fold: int,
    seed: int,
    epochs: int,
    iterations: int,
    validations: int,
    groups: Mapping[str, str],
    progress_folder: Path,
) -> None:
    """Train one fold of a planned model into `out`: checkpoint_final.pth and training_log.txt.

    `iterations` are batches an epoch, `validations` batches of the held-out subjects an epoch,
    from which the log's losses and Dice come. `groups`: see the trainer. Goes on from a checkpoint in
    `progress_folder`.
    nnUNet_preprocessed and nnUNet_results must be set.
    """
    plans, dataset_json = read_plans(model)
    plans |= {"continue_training": False}
    trainer = nnUNetTrainerRepeatable(
        plans, configuration, fold, dataset_json, torch.device(machine_device())
    )
    trainer.study_seed = seed
    trainer.num_epochs = epochs
    trainer.num_iterations_per_epoch = iterations
    trainer.num_val_iterations_per_epoch = validations
    trainer.augmenters = workers() - 1
    trainer.groups = groups
    trainer.progress_folder = progress_folder
    out.mkdir(parents=True, exist_ok=True)
    trainer.output_folder = str(out)
    if found := newest(progress_folder):
        load(found, hint="remove it: the training then starts afresh")
        trainer.load_checkpoint(str(found))
    start = trainer.current_epoch
    with tqdm(
        total=epochs,
        initial=start,
        desc=f"train fold {fold}",
        unit="epoch",
        disable=None,
        leave=False,
    ) as bar:
        trainer.on_epoch = bar.update
        trainer.run_training()
