"""nnU-Net v2 as this study uses it: plan, preprocess, train.

Owns: calling nnU-Net's own planner, preprocessor and trainer in this process, with paths given
as arguments, and the cache of preprocessed arrays.
Does not own: the training loop (`trainer`), prediction (`predictor`), or which data goes where.

nnU-Net takes its folders from the environment and starts pools of spawned workers, each
of which imports torch again (4 s): here threads stand in for them.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing.dummy
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
    ExperimentPlanner,
)
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading import nnunet_dataset
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from cordstudy.base import determinism
from cordstudy.base.errors import StudyError
from cordstudy.base.machine import cache_folder, device, kept_progress, progress
from cordstudy.base.tables import read_table, write_json
from cordstudy.base.texts import read_json
from cordstudy.pipeline.learning.checkpoints import (
    AGAIN,
    check_dataset,
    load_pickle,
    read_folds,
    read_plans,
)

PLANS = "nnUNetPlans"
nnunet_dataset.load_pickle = load_pickle
fingerprint_extractor.multiprocessing = SimpleNamespace(
    get_context=lambda method: multiprocessing.dummy
)


@dataclass(frozen=True)
class Reduction:
    """What is changed in nnU-Net's own plans so that a small machine can train.

    `spacing_mm` and `patch_size` are in nnU-Net's order (z, y, x); a 2D configuration has (y, x)
    and leaves the distance of slices as it is.
    """

    spacing_mm: tuple[float, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    features: tuple[int, ...]
    convolutions: int

    def apply(self, configuration: dict) -> dict:
        """A copy of one configuration of the plans with these values in place of nnU-Net's."""
        stages = len(self.features)
        network = dict(configuration["architecture"]["arch_kwargs"])
        network |= {
            "n_stages": stages,
            "features_per_stage": list(self.features),
            "kernel_sizes": [[3] * len(self.patch_size)] * stages,
            "strides": [[1] * len(self.patch_size)] + [[2] * len(self.patch_size)] * (stages - 1),
            "n_conv_per_stage": [self.convolutions] * stages,
            "n_conv_per_stage_decoder": [self.convolutions] * (stages - 1),
        }
        return configuration | {
            "spacing": list(self.spacing_mm),
            "patch_size": list(self.patch_size),
            "batch_size": self.batch_size,
            "architecture": configuration["architecture"] | {"arch_kwargs": network},
        }


@contextmanager
def nnunet_folders(**folders: Path) -> Iterator[None]:
    """Set nnUNet_raw, nnUNet_preprocessed and nnUNet_results for a while."""
    before = dict(os.environ)
    os.environ.update({f"nnUNet_{name}": str(path) for name, path in folders.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def plan(
    dataset: Path, *, configuration: str, reduction: Reduction | None, shared: Mapping | None = None
) -> dict[str, dict]:
    """Fingerprint a raw dataset and plan for it, or take over another model's plans (`shared`).

    `dataset` is a folder `DatasetNNN_Name` in nnU-Net's raw layout. Returns the contents of
    `plans.json`, `dataset.json` and `dataset_fingerprint.json` by file name. Source: nnU-Net's
    DatasetFingerprintExtractor, ExperimentPlanner (unchanged but for `reduction`) and
    `nnUNetv2_move_plans_between_datasets`.
    """
    dataset_json = read_json(dataset / "dataset.json")
    check_dataset(dataset_json, dataset / "dataset.json")
    with (
        tempfile.TemporaryDirectory() as scratch,
        open(os.devnull, "w") as quiet,
        redirect_stdout(quiet),
    ):
        with nnunet_folders(raw=dataset.parent, preprocessed=Path(scratch)):
            extractor = fingerprint_extractor.DatasetFingerprintExtractor(
                dataset.name, num_processes=1
            )
            extractor.show_progress_bar = False
            extractor.run(overwrite_existing=True)
            if shared is None:
                ExperimentPlanner(dataset.name).plan_experiment()
        made = Path(scratch) / dataset.name
        plans = (
            shared
            if shared is not None
            else json.loads((made / f"{PLANS}.json").read_text("utf-8"))
        )
        plans = {**plans, "dataset_name": dataset.name}
        fingerprint = json.loads((made / "dataset_fingerprint.json").read_text("utf-8"))
    if configuration not in plans["configurations"]:
        raise StudyError(
            f"{dataset}: nnU-Net plans no {configuration!r} for this dataset",
            hint=f"choose one of: {', '.join(sorted(plans['configurations']))}",
        )
    if reduction:
        plans["configurations"] = {
            configuration: reduction.apply(plans["configurations"][configuration])
        }
    return {
        "plans.json": plans,
        "dataset.json": dataset_json,
        "dataset_fingerprint.json": fingerprint,
    }


def preprocessed(dataset: Path, model: Path, *, configuration: str) -> Path:
    """The folder of a dataset's preprocessed arrays, made when the cache lacks it.

    The cache is addressed by the content that determines it: plans, dataset.json and every
    training file. Each file is checked against its recorded checksum before use; a folder
    that fails is made again. Returns a folder that serves as `nnUNet_preprocessed`.
    """
    address = _address(dataset, model, configuration)
    place = cache_folder() / "preprocessed" / address
    if not _intact(place):
        building = place.with_name(f"{address}.{os.getpid()}")
        try:
            _preprocess(dataset, model, configuration, building / dataset.name)
            _seal(building)
            shutil.rmtree(place, ignore_errors=True)
            _put(building, place)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return place


def _put(building: Path, place: Path) -> None:
    try:
        building.rename(place)
    except OSError:
        if not _intact(place):  # else another process was faster: its folder is as good
            raise


def _address(dataset: Path, model: Path, configuration: str) -> str:
    digest = hashlib.sha256(configuration.encode())
    for path in [model / "plans.json", model / "dataset.json", *sorted(dataset.glob("*Tr/*"))]:
        digest.update(f"{path.name} {_sha256(path)}\n".encode())
    return digest.hexdigest()[:32]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _seal(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    sums = {str(p.relative_to(folder)): _sha256(p) for p in files}
    write_json(folder / "SHA256SUMS.json", sums)


def _intact(folder: Path) -> bool:
    seal = folder / "SHA256SUMS.json"
    if not seal.is_file():
        return False
    try:
        sums = json.loads(seal.read_text("utf-8"))
    except ValueError:
        return False
    return all(
        (folder / name).is_file() and _sha256(folder / name) == value
        for name, value in sums.items()
    )


def _preprocess(dataset: Path, model: Path, configuration: str, out: Path) -> None:
    plans, dataset_json = read_plans(model)
    manager = PlansManager(plans)
    chosen = manager.get_configuration(configuration)
    arrays = out / chosen.data_identifier
    arrays.mkdir(parents=True)
    preprocessor = DefaultPreprocessor(verbose=False)
    with nnunet_folders(raw=dataset.parent):
        cases = get_filenames_of_train_images_and_targets(str(dataset), dataset_json)
    for case in progress(sorted(cases), total=len(cases), what="preprocess"):
        files = cases[case]
        preprocessor.run_case_save(
            str(arrays / case), files["images"], files["label"], manager, chosen, dataset_json
        )


def train(
    dataset: Path,
    model: Path,
    out: Path,
    *,
    configuration: str,
    fold: int,
    balanced: bool,
    settings: dict[str, int],
) -> None:
    """Preprocess where needed and train one fold into `out`; goes on where an earlier try was killed.

    `model` holds plans.json, dataset.json and splits_final.json; `balanced` draws the datasets of
    which `cases.tsv` of the training set tells with like chance; `settings` are the other keywords of
    `trainer.train_fold`.
    """
    from cordstudy.pipeline.learning.trainer import train_fold  # torch: 5 s to import

    plans, _ = read_plans(model)
    if configuration not in plans["configurations"] or not 0 <= fold < len(read_folds(model)):
        raise StudyError(
            f"{model}: it has no {configuration!r} planned, or no fold {fold}", hint=AGAIN
        )
    place = preprocessed(dataset, model, configuration=configuration)
    rows = read_table(dataset / "cases.tsv", "case_id", "dataset") if balanced else []
    groups = {row["case_id"]: row["dataset"] for row in rows}
    with tempfile.TemporaryDirectory() as scratch:
        view = Path(scratch) / dataset.name
        view.mkdir()
        texts = ("splits_final.json", "dataset.json", "dataset_fingerprint.json")
        for path in [*(place / dataset.name).iterdir(), *(model / name for name in texts)]:
            (view / path.name).symlink_to(path.resolve())
        folders = nnunet_folders(preprocessed=Path(scratch), results=Path(scratch) / "results")
        address = _training_address(place, model, fold, {**settings, "groups": groups})
        progress_folder = (kept_progress() or cache_folder() / "training") / address
        with folders, open(os.devnull, "w") as quiet, redirect_stdout(quiet):
            train_fold(
                model,
                out,
                configuration=configuration,
                fold=fold,
                groups=groups,
                progress_folder=progress_folder,
                **settings,
            )
        if not kept_progress():
            shutil.rmtree(progress_folder, ignore_errors=True)


def _training_address(arrays: Path, model: Path, fold: int, settings: Mapping) -> str:
    """What determines a training: data, folds, settings, device, code, versions."""
    packages = ("torch", "nnunetv2", "batchgeneratorsv2", "dynamic_network_architectures", "numpy")
    told = {
        "arrays": arrays.name,
        "splits": _sha256(model / "splits_final.json"),
        "fold": fold,
        "settings": settings,
        "device": device(),
        "code": [_sha256(Path(__file__).with_name(f"{name}.py")) for name in ("trainer", "nnunet")],
        "environment": {name: version(name) for name in packages},
        "processor": dict(determinism.present()),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
