"""Training the same bytes: again, in more processes, after a kill, by stock nnU-Net."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cordstudy.base import determinism
from helpers import REPOSITORY, run
from trainings import EPOCHS, MODEL, RAW, command, digest, train

SHORT = f"""\
import torch
from cordstudy.pipeline.learning.trainer import nnUNetTrainerRepeatable


class Short(nnUNetTrainerRepeatable):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device('cpu')):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = {EPOCHS}
        self.num_iterations_per_epoch = 2
        self.num_val_iterations_per_epoch = 1
        self.mirrored = ()

    def perform_actual_validation(self, save_probabilities=False):
        pass
"""
EMPTY_NAMES = """\
def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    return object
"""


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory) -> tuple[str, Path]:
    """The digest of a training that ran through in one process, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    checkpoint = train(tiny, folder / "fold_0", cache=folder / "cache")
    assert "nan" not in (folder / "fold_0/training_log.txt").read_text()
    return checkpoint, folder


@pytest.mark.slow
def test_a_training_killed_five_times_and_resumed_ends_in_the_same_bytes(tiny, whole, tmp_path):
    cache, out = tmp_path / "cache", tmp_path / "fold_0"
    reached: set[str] = set()
    for _ in range(5):
        reached |= train_a_while(tiny, out, cache, beyond=reached)
    assert not (out / "checkpoint_final.pth").exists() and len(reached) >= 5
    assert train(tiny, out, cache=cache) == whole[0]
    log, expected = out / "training_log.txt", whole[1] / "fold_0/training_log.txt"
    assert log.read_text() == expected.read_text()
    assert not list(cache.glob("training/*")), "what a finished training went on from is gone"


def train_a_while(folder: Path, out: Path, cache: Path, *, beyond: set[str]) -> set[str]:
    """Train until there is a checkpoint that is not among `beyond`, then kill; all there are."""
    env = os.environ | {"CORDSTUDY_CACHE": str(cache), "CORDSTUDY_WORKERS": "2"}
    training = subprocess.Popen(command(out), cwd=folder, env=env, start_new_session=True)
    while kept(cache) <= beyond:
        assert training.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.2))
    os.killpg(training.pid, signal.SIGKILL)
    training.wait()
    return kept(cache)


def kept(cache: Path) -> set[str]:
    """The names of the checkpoints that a training can go on from."""
    return {path.name for path in cache.glob("training/*/epoch-*.pth")}


@pytest.mark.slow
def test_the_number_of_augmenting_processes_changes_no_byte_and_the_seed_does(
    tiny, whole, tmp_path
):
    assert train(tiny, tmp_path / "a/fold_0", cache=tmp_path / "cache", workers=3) == whole[0]
    assert train(tiny, tmp_path / "b/fold_0", cache=tmp_path / "cache", seed=1) != whole[0]


@pytest.mark.slow
def test_stock_nnunet_trains_the_same_bytes_with_the_trainer_as_an_external_one(
    tiny, whole, tmp_path
):
    lay_out(tiny, whole[1] / "cache", tmp_path / "preprocessed/Dataset502_inspired")
    trainers = tmp_path / "trainers"
    trainers.mkdir()
    (trainers / "short.py").write_text(SHORT)
    code = REPOSITORY / "code"
    run(
        "nnUNetv2_train",
        *("502", "3d_fullres", "0", "-tr", "Short", "-device", "cpu"),
        cwd=tmp_path,
        **determinism.THREADS,
        **determinism.CAPS,
        PYTHONPATH=f"{code / 'src'}:{without_timm(tmp_path)}",
        nnUNet_extTrainer=f"{code / 'nnunet_trainers'}:{trainers}",
        nnUNet_raw=str(tiny / RAW / ".."),
        nnUNet_preprocessed=str(tmp_path / "preprocessed"),
        nnUNet_results=str(tmp_path / "results"),
    )
    out = next((tmp_path / "results").rglob("fold_0"))
    assert digest(out) == whole[0]
    assert not (out / "checkpoint_latest.pth").exists()


def lay_out(study: Path, cache: Path, folder: Path) -> None:
    """Preprocessed arrays and plans as nnU-Net's own commands leave them."""
    prepared = next((cache / "preprocessed").iterdir()) / folder.name
    shutil.copytree(prepared, folder)
    for name in ("dataset.json", "dataset_fingerprint.json", "splits_final.json"):
        shutil.copy(study / MODEL / name, folder)
    shutil.copy(study / MODEL / "plans.json", folder / "nnUNetPlans.json")


def without_timm(folder: Path) -> Path:
    """A folder with a `timm` of empty names: this environment has none, and nnU-Net's search for
    external trainers imports every trainer that it has, those of timm too."""
    stub = folder / "stub"
    packages = ("timm", "timm/layers", "timm/models", "timm/models/eva")
    for package in packages:
        (stub / package).mkdir(parents=True)
        (stub / package / "__init__.py").write_text(EMPTY_NAMES)
    return stub


def test_progress_stays_where_whoever_runs_a_training_says_and_changes_no_byte(tiny, tmp_path):
    expected = train(tiny, tmp_path / "a/fold_0", cache=tmp_path / "cache", epochs=2)
    assert not list((tmp_path / "cache/training").iterdir()), "nobody else would remove it"
    env = {
        "CORDSTUDY_CACHE": str(tmp_path / "cache"),
        "CORDSTUDY_PROGRESS": str(tmp_path / "progress"),
    }
    for _ in range(2):  # the second time it goes on from what the first has left
        run(*command(tmp_path / "b/fold_0", epochs=2), cwd=tiny, **env)
        assert digest(tmp_path / "b/fold_0") == expected
    assert len(list((tmp_path / "progress").glob("*/epoch-*.pth"))) == 1
