"""Planning by nnU-Net v2: a fingerprint of the training data, and plans from it.

Owns: calling nnU-Net's own fingerprint extractor and planner, and what a small machine needs
changed in the plans.
Does not own: the folds of a model (`plan`), or what plans may hold (`plans`).

nnU-Net starts a pool of spawned workers, each of which imports torch again (4 s): here threads
stand in for them.
"""

from __future__ import annotations

import json
import multiprocessing.dummy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
    ExperimentPlanner,
)

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table
from cordstudy.base.texts import read_json
from cordstudy.base.within import regular
from cordstudy.pipeline.learning.nnunet import (
    in_place_of,
    listed_in_threads,
    nnunet_folders,
    quiet,
)
from cordstudy.pipeline.learning.plans import (
    Architecture,
    Configuration,
    Plans,
    check_dataset,
)
from cordstudy.pipeline.raw.names import CASES, TRAIN, image_path, mask_path

PLANS = "nnUNetPlans"
READER = "SimpleITKIO"
UNREADABLE = (RuntimeError, ValueError, LookupError, StopIteration, AssertionError)
"""What ITK raises for a file that it does not read, and nnU-Net for one that it cannot use."""
THREADS = SimpleNamespace(get_context=lambda method: multiprocessing.dummy)
"""What stands in for `multiprocessing`."""


@dataclass(frozen=True)
class PlanReduction:
    """What is changed in nnU-Net's own plans so that a small machine can train.

    `spacing_mm` and `patch_size` are in nnU-Net's order (z, y, x); a 2D configuration has (y, x)
    and leaves the distance of slices as it is.
    """

    spacing_mm: tuple[float, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    features: tuple[int, ...]
    convolutions: int

    def apply(self, configuration: Configuration) -> Configuration:
        """A copy of one configuration of the plans with these values in place of nnU-Net's."""
        architecture = configuration["architecture"]
        network = architecture["arch_kwargs"] | self._network()
        reduced: Architecture = {**architecture, "arch_kwargs": network}
        return {
            **configuration,
            "spacing": list(self.spacing_mm),
            "patch_size": list(self.patch_size),
            "batch_size": self.batch_size,
            "architecture": reduced,
        }

    def _network(self) -> dict[str, object]:
        """The keywords of the network that change: each stage after the first halves the grid."""
        stages, axes = len(self.features), len(self.patch_size)
        return {
            "n_stages": stages,
            "features_per_stage": list(self.features),
            "kernel_sizes": [[3] * axes] * stages,
            "strides": [[1] * axes] + [[2] * axes] * (stages - 1),
            "n_conv_per_stage": [self.convolutions] * stages,
            "n_conv_per_stage_decoder": [self.convolutions] * (stages - 1),
        }


def plan(
    dataset: Path,
    *,
    configuration: str,
    reduction: PlanReduction | None,
    shared: Plans | None = None,
) -> dict[str, object]:
    """Fingerprint a raw dataset and plan for it, or take over another model's plans (`shared`).

    `dataset` is a folder `DatasetNNN_Name` in nnU-Net's raw layout. Returns the contents of
    `plans.json`, `dataset.json` and `dataset_fingerprint.json` by file name. Source: nnU-Net's
    DatasetFingerprintExtractor, ExperimentPlanner (unchanged but for `reduction`) and
    `nnUNetv2_move_plans_between_datasets`.
    """
    dataset_json = read_json(dataset / "dataset.json")
    check_dataset(dataset_json, dataset / "dataset.json")
    _check_files(dataset)
    with tempfile.TemporaryDirectory() as scratch:
        made = _run_nnunet(
            dataset,
            Path(scratch),
            fingerprint_only=shared is not None,
            as_stored=reduction is not None,
        )
        fingerprint = json.loads((made / "dataset_fingerprint.json").read_text("utf-8"))
        if shared is None:
            shared = json.loads((made / f"{PLANS}.json").read_text("utf-8"))
            _check_reader(shared, dataset)
    plans: Plans = {**shared, "dataset_name": dataset.name}
    known = plans["configurations"]
    if configuration not in known:
        raise StudyError(
            f"{dataset}: nnU-Net plans no {configuration!r} for this dataset",
            hint=f"choose one of: {', '.join(sorted(known))}",
        )
    if reduction:
        plans["configurations"] = {configuration: reduction.apply(known[configuration])}
    return {
        "plans.json": plans,
        "dataset.json": dataset_json,
        "dataset_fingerprint.json": fingerprint,
    }


def _run_nnunet(dataset: Path, scratch: Path, *, fingerprint_only: bool, as_stored: bool) -> Path:
    """The folder, below `scratch`, in which nnU-Net has put its fingerprint and plans; `as_stored`
    keeps the axes in the order in which files have them, which values of a reduction are in."""
    folders = nnunet_folders(raw=dataset.parent, preprocessed=scratch)
    threads = in_place_of(fingerprint_extractor, "multiprocessing", THREADS)
    with folders, threads, listed_in_threads(), quiet():
        extractor = fingerprint_extractor.DatasetFingerprintExtractor(dataset.name, num_processes=1)
        extractor.show_progress_bar = False
        try:
            extractor.run(overwrite_existing=True)
            if not fingerprint_only:
                ExperimentPlanner(dataset.name, suppress_transpose=as_stored).plan_experiment()
        except UNREADABLE as error:
            raise _unreadable(dataset, str(error)) from error
    return scratch / dataset.name


def _check_files(dataset: Path) -> None:
    """Raise StudyError unless the images and masks to train on are those of the table of cases, and
    here: nnU-Net plans for the images that it finds."""
    for row in read_table(dataset / CASES, "case_id", "part"):
        if row["part"] == TRAIN:
            regular(dataset / image_path(TRAIN, row["case_id"]))
            regular(dataset / mask_path(TRAIN, row["case_id"]))


def _check_reader(plans: Plans, dataset: Path) -> None:
    """Raise StudyError where nnU-Net took another reader than ITK's for the whole model, as it
    silently does where ITK does not read the first image."""
    if plans["image_reader_writer"] != READER:
        raise _unreadable(dataset, f"it would read with {plans['image_reader_writer']}")


def _unreadable(dataset: Path, why: str) -> StudyError:
    lines = [line.strip() for line in why.splitlines() if line.strip()]
    return StudyError(
        f"{dataset}: nnU-Net cannot use all of its images: {lines[-1] if lines else 'no reason'}",
        hint="make the dataset with `code/study convert`, which writes what it reads",
    )
