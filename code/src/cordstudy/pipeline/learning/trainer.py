"""nnU-Net's own trainer, made repeatable: same plans, data and seed, same checkpoint bytes.

Owns: `nnUNetTrainerRepeatable`, which learns as the stock trainer does; training a fold with it.
Does not own: plans (`planner`), arrays (`preprocessor`), batches and their seeds (`batches`), how
progress is kept (`resuming`).

What the stock trainer leaves to chance, and what is done here:
- no seeds: every batch has one, from study seed, model, fold, epoch and batch, whatever the number
  of workers and interruptions;
- workers in a queue: torch's DataLoader, which keeps the order; convolutions by stopwatch: never;
- kernels that sum in any order: torch's deterministic ones, cross entropy by `gather`;
- times in the checkpoint and log: none. It names the stock trainer, so that stock nnU-Net loads it.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.dataloading import data_loader, nnunet_dataset
from torch import nn
from tqdm import tqdm

from cordstudy.base import determinism, machine
from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_file
from cordstudy.pipeline.learning.batches import (
    Batch,
    Batches,
    even_chances,
    in_order,
    moments,
    seed_all,
)
from cordstudy.pipeline.learning.checkpoints import TRAINER, load, load_pickle, plain
from cordstudy.pipeline.learning.devices import torch_device
from cordstudy.pipeline.learning.memory import keep_freed_memory
from cordstudy.pipeline.learning.nnunet import (
    environment,
    in_place_of,
    nnunet_folders,
    quiet,
    stand_in,
)
from cordstudy.pipeline.learning.plans import AGAIN, read_folds, read_plans
from cordstudy.pipeline.learning.preprocessor import file_sha256, preprocessed
from cordstudy.pipeline.learning.resuming import newest, store

COMPILER = "torch._dynamo"
NO_COMPILER = {
    "OptimizedModule": type("OptimizedModule", (), {}),
    "disable": lambda function, *_, **__: function,
    "graph_break": lambda: None,
}
"""What nnU-Net and torch's optimizers ask of torch's compiler where nothing is compiled."""
# Half of the start of a training: that compiler, pictures of progress, the making of folds.
with (
    stand_in(COMPILER, **NO_COMPILER),
    stand_in("matplotlib", use=lambda _: None),
    stand_in("matplotlib.pyplot"),
    stand_in("seaborn"),
    stand_in("sklearn.model_selection", KFold=None),
):
    from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as stock

LIBRARIES = ("torch", "nnunetv2", "batchgeneratorsv2", "dynamic_network_architectures", "numpy")
CODE = ("trainer", "batches", "preprocessor", "nnunet")
"""The libraries and the files beside this one that determine what a training learns."""
LOG_LINE = "epoch %d: train loss %.4f, validation loss %.4f, mean Dice %.4f\n"
LOGGED = ("train_losses", "val_losses", "ema_fg_dice")
"""What of an epoch the log tells, by nnU-Net's names."""


@dataclass(frozen=True)
class Schedule:
    """How long a fold is trained, and from which seed.

    `iterations` are batches an epoch, `validations` batches of the held-out subjects an epoch, from
    which the log's losses and Dice come.
    """

    seed: int
    epochs: int
    iterations: int
    validations: int
    mirrored: tuple[int, ...] | None = None
    """Axes that predictions with it mirror (see the trainer)."""


class DeterministicCrossEntropy(nn.Module):
    """Mean cross entropy of logits (b, c, ...) and labels (b, ...) or (b, 1, ...)."""

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The mean over all voxels of all batches, a scalar."""
        if target.ndim < logits.ndim:
            target = target[:, None]
        return -torch.log_softmax(logits, dim=1).gather(1, target.long()).mean()


class nnUNetTrainerRepeatable(stock.nnUNetTrainer):
    """The stock trainer with every source of chance seeded and every clock left out.

    `nnUNetv2_train` finds it in `nnUNet_extTrainer` (docs/determinism.md), with CORDSTUDY_SEED.
    """

    study_seed = int(os.environ.get("CORDSTUDY_SEED") or 0)
    augmenters = 0
    """Processes that augment beside this one."""
    progress_folder: Path | None = None
    mirrored: Sequence[int] | None = None
    """Axes (0, 1, 2: z, y, x) that predictions may mirror; None: all that training mirrors."""
    groups: Mapping[str, str] | None = None
    """Group of each case; with any, batches draw every group with like chance, not every case."""
    on_epoch: Callable[[], object] = staticmethod(lambda: None)
    """Called at the end of each epoch."""

    def _names(self, what: str) -> tuple[object, ...]:
        """What seeds come from, but epoch and batch."""
        name = self.plans_manager.dataset_name.partition("_")[2]  # a number says nothing of a model
        return self.study_seed, name, self.fold, what

    def initialize(self) -> None:
        """The stock network, from seeded weights, with torch's deterministic kernels."""
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")  # without the compiler, too
        # 12 % of a step; nothing here reads such memory. torch makes the attribute at run time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        seed_all(*self._names("weights"))
        super().initialize()
        if len(self.configuration_manager.patch_size) == 3:  # faster convolutions on a CPU
            self.network.to(memory_format=torch.channels_last_3d)

    def on_train_start(self) -> None:
        """The stock start; `nnUNetv2_train` sets both of cuDNN's the other way."""
        super().on_train_start()
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, ...]:
        """The stock choice; what stock predictions mirror is then what this study's do."""
        chosen: tuple[Any, ...] = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        if self.mirrored is not None:
            missing = 3 - len(self.configuration_manager.patch_size)  # a slice has no z
            own, trained = [axis - missing for axis in self.mirrored], chosen[-1] or ()
            self.inference_allowed_mirroring_axes = tuple(axis for axis in own if axis in trained)
        return chosen

    def _build_loss(self) -> nn.Module:
        wrapped: nn.Module = super()._build_loss()
        loss = getattr(wrapped, "loss", wrapped)
        if hasattr(loss, "ce") and self.label_manager.ignore_label is None:
            loss.ce = DeterministicCrossEntropy()
        return wrapped

    @staticmethod
    def get_training_transforms(*args: object, **kwargs: object) -> ComposeTransforms:
        """The stock augmentation, but a Gaussian blur that does not time itself."""
        composed = stock.nnUNetTrainer.get_training_transforms(*args, **kwargs)
        for item in composed.transforms:
            inner = getattr(item, "transform", item)
            if isinstance(inner, GaussianBlurTransform):
                inner.benchmark = False
        return composed

    def get_dataloaders(self) -> tuple[Iterator[Batch], Iterator[Batch]]:
        """The stock loaders, each batch seeded by its moment, in order from any number of
        processes."""
        # else the stock starts processes of its own; not for longer: its planner crashes on 0
        with environment(nnUNet_n_proc_DA="0"):
            training, held_out = super().get_dataloaders()
        if self.groups:
            groups = [self.groups[case] for case in training.data_loader.indices]
            training.data_loader.sampling_probabilities = even_chances(groups)
        epochs, pinned = range(self.current_epoch, self.num_epochs), self.device.type == "cuda"
        train_batches = in_order(
            Batches(training.data_loader, *self._names("train")),
            moments(epochs, self.num_iterations_per_epoch),
            workers=self.augmenters,
            pinned=pinned,
        )
        held_out_batches = in_order(
            Batches(held_out.data_loader, *self._names("held out")),
            moments(epochs, self.num_val_iterations_per_epoch),
            workers=min(1, self.augmenters),
            pinned=pinned,
        )
        return train_batches, held_out_batches

    def on_epoch_start(self) -> None:
        """The stock start without its clock."""
        self.logger.log("epoch_start_timestamps", 0.0, self.current_epoch)
        self.batch = 0

    def train_step(self, batch: Batch) -> dict[str, object]:
        """The stock step. A network with dropout draws from the moment's seed, whoever made the
        batch."""
        seed_all(*self._names("step"), self.current_epoch, self.batch)
        self.batch += 1
        losses: dict[str, object] = super().train_step(batch)
        return losses

    def on_epoch_end(self) -> None:
        """The stock bookkeeping without clock, progress picture or best checkpoint."""
        self.logger.log("epoch_end_timestamps", 0.0, self.current_epoch)
        logged = self.logger.local_logger.my_fantastic_logging
        # here and not where it is saved: what goes on has what a resumed one has
        logged.update(plain(logged))
        write_file(Path(self.output_folder, "training_log.txt"), self._log())
        if self.current_epoch + 1 < self.num_epochs:
            self.save_progress()
        self.current_epoch += 1
        self.on_epoch()

    def save_progress(self) -> None:
        """Save what a continued training starts from: in `progress_folder`, else where
        `nnUNetv2_train --c` looks for it."""
        if not self.progress_folder:
            self.save_checkpoint(str(Path(self.output_folder, "checkpoint_latest.pth")))
            return

        def write(path: Path) -> None:
            self.save_checkpoint(str(path))

        store(self.progress_folder, self.current_epoch, write)

    def _log(self) -> str:
        """A line an epoch, from what the checkpoint keeps: the same after an interruption."""
        columns = [self.logger.get_value(name, step=None) for name in LOGGED]
        lines = []
        for epoch, values in enumerate(zip(*columns)):
            lines.append(LOG_LINE % (epoch, *values))
        return "".join(lines)

    def print_to_log_file(
        self, *args: object, also_print_to_console: bool = False, add_timestamp: bool = False
    ) -> None:
        """The stock messages hold times and paths; `on_epoch_end` writes the log."""

    def save_checkpoint(self, filename: str) -> None:
        """The stock checkpoint, of tensors and plain values, under the stock trainer's name; whole
        or not at all, and through a stream, as torch's own writing does not say why it fails."""
        unfinished = Path(f"{filename}.unfinished")
        try:
            with unfinished.open("wb") as stream:
                self._save_as_stock(stream)
            unfinished.replace(filename)
        finally:
            unfinished.unlink(missing_ok=True)

    def _save_as_stock(self, stream: BinaryIO) -> None:
        """The checkpoint says what the class is called."""
        own = type(self).__name__
        type(self).__name__ = TRAINER
        try:
            super().save_checkpoint(stream)
        finally:
            type(self).__name__ = own

    def _save_debug_information(self) -> None:
        """The stock file holds addresses and paths."""

    def plot_network_architecture(self) -> None:
        """Needs a package that no longer exists."""


def train(
    dataset: Path,
    model: Path,
    out: Path,
    *,
    configuration: str,
    fold: int,
    balanced: bool,
    schedule: Schedule,
) -> None:
    """Preprocess where needed and train one fold into `out`: checkpoint_final.pth and
    training_log.txt. Goes on where an earlier try was killed.

    `model` holds plans.json, dataset.json and splits_final.json; `balanced` draws the datasets of
    which `cases.tsv` of the training set tells with like chance.
    """
    _check_planned(model, configuration, fold)
    keep_freed_memory()
    arrays = preprocessed(dataset, model, configuration=configuration)
    groups = _groups(dataset / "cases.tsv") if balanced else {}
    address = _training_address(arrays, model, fold, schedule, groups)
    progress_folder = (machine.kept_progress() or machine.cache_folder() / "training") / address
    with tempfile.TemporaryDirectory() as scratch:
        _lay_out(Path(scratch) / dataset.name, arrays / dataset.name, model)
        folders = nnunet_folders(preprocessed=Path(scratch), results=Path(scratch) / "results")
        plain_pickles = in_place_of(nnunet_dataset, "load_pickle", load_pickle)
        threads = in_place_of(data_loader, "threadpool_limits", _one_thread)
        gc.freeze()  # what has been imported stays: not to be looked through again and again
        with folders, plain_pickles, threads, _no_compiler(), quiet():
            train_fold(
                model,
                out,
                configuration=configuration,
                fold=fold,
                schedule=schedule,
                groups=groups,
                progress_folder=progress_folder,
            )
    if not machine.kept_progress():
        shutil.rmtree(progress_folder, ignore_errors=True)


def _no_compiler() -> AbstractContextManager[None]:
    """Have torch's optimizers start no compiler: on a GPU its start does not count."""
    return stand_in(COMPILER, **NO_COMPILER) if machine.device() == "cpu" else nullcontext()


def _one_thread(*, limits: int, user_api: str | None) -> AbstractContextManager[None]:
    """In place of what asks every library for one thread before each batch, 8 % of a training: each
    has one from the start of a step (`determinism`)."""
    return nullcontext()


def _check_planned(model: Path, configuration: str, fold: int) -> None:
    """Raise StudyError for a configuration or a fold that the plan of a model does not have."""
    plans, _ = read_plans(model)
    if configuration not in plans["configurations"] or not 0 <= fold < len(read_folds(model)):
        raise StudyError(
            f"{model}: it has no {configuration!r} planned, or no fold {fold}", hint=AGAIN
        )


def _groups(cases: Path) -> dict[str, str]:
    """The dataset that each case of a training set comes from."""
    rows = read_table(cases, "case_id", "dataset")
    return {row["case_id"]: row["dataset"] for row in rows}


def _lay_out(view: Path, arrays: Path, model: Path) -> None:
    """A folder as nnU-Net's trainer wants it: links to the arrays, and to the model's texts."""
    paths = list(arrays.iterdir())
    paths += [
        model / "splits_final.json",
        model / "dataset.json",
        model / "dataset_fingerprint.json",
    ]
    view.mkdir()
    for path in paths:
        (view / path.name).symlink_to(path.resolve())


def _training_address(
    arrays: Path, model: Path, fold: int, schedule: Schedule, groups: Mapping[str, str]
) -> str:
    """What determines a training: data, folds, settings, device, code, versions."""
    here = Path(__file__)
    determinants = {
        "arrays": arrays.name,
        "splits": file_sha256(model / "splits_final.json"),
        "fold": fold,
        "settings": asdict(schedule) | {"groups": groups},
        "device": machine.device(),
        "code": [file_sha256(here.with_name(f"{name}.py")) for name in CODE],
        "environment": {name: version(name) for name in LIBRARIES},
        "processor": dict(determinism.present()),
    }
    return hashlib.sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()[:32]


def train_fold(
    model: Path,
    out: Path,
    *,
    configuration: str,
    fold: int,
    schedule: Schedule,
    groups: Mapping[str, str],
    progress_folder: Path,
) -> None:
    """Train one fold of a planned model into `out`: checkpoint_final.pth and training_log.txt.

    `groups`: see the trainer. Goes on from a checkpoint in `progress_folder`.
    nnUNet_preprocessed and nnUNet_results must be set.
    """
    trainer = _scheduled(model, configuration, fold, schedule)
    trainer.groups = groups
    trainer.progress_folder = progress_folder
    out.mkdir(parents=True, exist_ok=True)
    trainer.output_folder = str(out)
    begun = newest(progress_folder)
    if begun:
        load(begun, hint="remove it: the training then starts afresh")
        trainer.load_checkpoint(str(begun))
    with _epoch_bar(fold, trainer.current_epoch, schedule.epochs) as bar:
        trainer.on_epoch = bar.update
        trainer.run_training()


def _scheduled(
    model: Path, configuration: str, fold: int, schedule: Schedule
) -> nnUNetTrainerRepeatable:
    """A trainer of a planned model that keeps to a schedule."""
    plans, dataset_json = read_plans(model)
    trainer = nnUNetTrainerRepeatable(
        plans | {"continue_training": False},
        configuration,
        fold,
        dataset_json,
        torch_device(),
    )
    trainer.study_seed = schedule.seed
    trainer.mirrored = schedule.mirrored
    trainer.num_epochs = schedule.epochs
    trainer.num_iterations_per_epoch = schedule.iterations
    trainer.num_val_iterations_per_epoch = schedule.validations
    trainer.augmenters = machine.workers() - 1
    return trainer


def _epoch_bar(fold: int, done: int, epochs: int) -> tqdm[NoReturn]:
    """A progress bar on a terminal, nothing elsewhere."""
    return tqdm(
        total=epochs,
        initial=done,
        desc=f"train fold {fold}",
        unit="epoch",
        disable=None,
        leave=False,
    )
