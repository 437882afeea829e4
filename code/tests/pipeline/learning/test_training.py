"""Training the same bytes: again, in another number of processes, after a kill, by stock nnU-Net."""

import hashlib
import json
import os
import pickle
import pydoc
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.training.loss.robust_ce_loss import RobustCrossEntropyLoss

from cordstudy.base import determinism
from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.compare import spread
from cordstudy.pipeline.learning.checkpoints import (
    check_dataset,
    check_plans,
    check_trainer,
    layers,
    load,
    load_pickle,
    plain,
    read_folds,
    read_plans,
)
from cordstudy.pipeline.learning.resuming import newest, store
from cordstudy.pipeline.learning.trainer import DeterministicCrossEntropy
from cordstudy.provenance.audit.likeness import compare
from helpers import REPOSITORY, run

RAW = "derivatives/tiny/nnunet-raw/Dataset502_inspired"
MODEL = "models/tiny/inspired/Dataset502_inspired/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
EPOCHS = 60
SETTINGS = {
    "configuration": "3d_fullres",
    "fold": 0,
    "seed": 0,
    "epochs": EPOCHS,
    "iterations": 2,
    "validations": 1,
    "identical": "anywhere",
}


def command(out: Path, **changes: object) -> list[str]:
    """The step command of a training of many epochs of two batches."""
    options = [
        word for key, value in {**SETTINGS, **changes}.items() for word in (f"--{key}", str(value))
    ]
    return [str(REPOSITORY / "code/study"), "train", RAW, MODEL, "--out", str(out), *options]


def train(folder: Path, out: Path, *, cache: Path, workers: int = 1, **changes: object) -> str:
    """Train; the digest of the checkpoint."""
    run(
        *command(out, **changes),
        cwd=folder,
        CORDSTUDY_CACHE=str(cache),
        CORDSTUDY_WORKERS=str(workers),
    )
    return digest(out)


def digest(out: Path) -> str:
    return hashlib.sha256((out / "checkpoint_final.pth").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory) -> tuple[str, Path]:
    """The digest of a training that ran through in one process, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    found = train(tiny, folder / "fold_0", cache=folder / "cache")
    assert "nan" not in (folder / "fold_0/training_log.txt").read_text()
    return found, folder


@pytest.mark.slow
def test_a_training_killed_five_times_and_resumed_ends_in_the_same_bytes(tiny, whole, tmp_path):
    cache, out = tmp_path / "cache", tmp_path / "fold_0"
    reached: set[str] = set()
    for _ in range(5):
        env = os.environ | {"CORDSTUDY_CACHE": str(cache), "CORDSTUDY_WORKERS": "2"}
        running = subprocess.Popen(command(out), cwd=tiny, env=env, start_new_session=True)
        while (
            not (found := {path.name for path in cache.glob("training/*/epoch-*.pth")})
            or found <= reached
        ):
            assert running.poll() is None, "it ended before it could be killed"
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.2))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        reached |= {path.name for path in cache.glob("training/*/epoch-*.pth")}
    assert not (out / "checkpoint_final.pth").exists() and len(reached) >= 5
    assert train(tiny, out, cache=cache) == whole[0]
    assert (out / "training_log.txt").read_text() == (
        whole[1] / "fold_0/training_log.txt"
    ).read_text()
    assert not list(cache.glob("training/*")), "what a finished training went on from is gone"


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
    prepared = next((whole[1] / "cache/preprocessed").iterdir()) / "Dataset502_inspired"
    place = Path(shutil.copytree(prepared, tmp_path / "preprocessed/Dataset502_inspired"))
    for name in ("dataset.json", "dataset_fingerprint.json", "splits_final.json"):
        shutil.copy(tiny / MODEL / name, place)
    shutil.copy(tiny / MODEL / "plans.json", place / "nnUNetPlans.json")
    trainers = tmp_path / "trainers"
    trainers.mkdir()
    (trainers / "short.py").write_text(
        "import torch\nfrom cordstudy.pipeline.learning.trainer import nnUNetTrainerRepeatable\n\n\n"
        "class Short(nnUNetTrainerRepeatable):\n"
        "    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device('cpu')):\n"
        "        super().__init__(plans, configuration, fold, dataset_json, device)\n"
        "        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = "
        f"{EPOCHS}, 2, 1\n\n"
        "    def perform_actual_validation(self, save_probabilities=False):\n        pass\n"
    )
    code = REPOSITORY / "code"
    run(
        "nnUNetv2_train",
        "501",
        "3d_fullres",
        "0",
        "-tr",
        "Short",
        "-device",
        "cpu",
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


def without_timm(folder: Path) -> Path:
    """A folder with a `timm` of empty names: this environment has none, and nnU-Net's search for
    external trainers imports every trainer that it has, those of timm too."""
    place = folder / "stub"
    for name in ("layers", "models/eva"):
        (place / "timm" / name).mkdir(parents=True)
    text = "def __getattr__(name):\n    if name.startswith('__'):\n        raise AttributeError(name)\n    return object\n"
    for below in (place / "timm", *(place / "timm").rglob("*/")):
        (below / "__init__.py").write_text(text)
    return place


def test_the_deterministic_cross_entropy_is_nnunets(tmp_path):
    torch.manual_seed(0)
    logits, target = (
        torch.randn(2, 3, 5, 6, 7, requires_grad=True),
        torch.randint(0, 3, (2, 1, 5, 6, 7)),
    )
    values = []
    for loss in (DeterministicCrossEntropy(), RobustCrossEntropyLoss()):
        value = loss(logits, target[:, 0])
        (gradient,) = torch.autograd.grad(value, logits)
        values.append((value, gradient))
    assert torch.allclose(values[0][0], values[1][0]) and torch.allclose(
        values[0][1], values[1][1], atol=1e-8
    )


def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path):
    for epoch in (0, 1):
        store(tmp_path, epoch, lambda path, epoch=epoch: path.write_text(f"epoch {epoch}"))
    (kept,) = tmp_path.iterdir()
    assert newest(tmp_path) == kept and kept.read_text() == "epoch 1"
    kept.write_text("damaged")
    assert newest(tmp_path) is None


class Planted:
    """What a pickle can be made to do where it is loaded."""

    def __init__(self, told: Path) -> None:
        self.told = told

    def __reduce__(self):
        return Path.touch, (self.told,)


def planted(path: Path, told: Path, *, like: Path | None = None) -> Path:
    """A checkpoint that writes a file where it is loaded."""
    content = torch.load(like, weights_only=True) if like else {}
    path.unlink(missing_ok=True)
    torch.save({**content, "more": Planted(told)}, path)
    return path


FINAL = f"{MODEL}/fold_0/checkpoint_final.pth"


@pytest.mark.parametrize("command_name", ["segment", "predict", "train"])
def test_a_checkpoint_that_holds_a_command_is_refused_before_it_runs(
    tiny_copy, tmp_path, command_name
):
    told, cache = tmp_path / "it ran", tmp_path / "cache"
    checkpoint = planted(tiny_copy / FINAL, told, like=tiny_copy / FINAL)
    if command_name == "segment":
        nib.save(
            nib.Nifti1Image(np.zeros((16, 16, 16), np.int16), np.eye(4)), tmp_path / "x.nii.gz"
        )
        words = (
            "--study",
            "tiny",
            "segment",
            tmp_path / "x.nii.gz",
            "--model",
            "inspired",
            "--out",
            tmp_path / "out",
        )
    elif command_name == "predict":
        words = (
            "predict",
            MODEL,
            RAW,
            "--out",
            tmp_path / "out",
            "--fold",
            "0",
            "--tile-step",
            "1",
            "--identical",
            "anywhere",
        )
    else:
        words = command(tmp_path / "out/fold_0", epochs=3)[1:]
        os.environ["CORDSTUDY_PROGRESS"] = str(tmp_path / "progress")
        try:
            run(tiny_copy / "code/study", *words, cwd=tiny_copy, CORDSTUDY_CACHE=str(cache))
        finally:
            del os.environ["CORDSTUDY_PROGRESS"]
        (progress,) = (tmp_path / "progress").iterdir()
        store(progress, 1, lambda path: path.write_bytes(checkpoint.read_bytes()))
    env = {"CORDSTUDY_CACHE": str(cache), "CORDSTUDY_PROGRESS": str(tmp_path / "progress")}
    failed = run(tiny_copy / "code/study", *words, cwd=tiny_copy, check=False, **env)
    assert failed.returncode == 1
    assert [line.partition(":")[0] for line in failed.stderr.splitlines()] == ["error", "hint"], (
        failed.stderr
    )
    assert (
        "it holds more than weights" in failed.stderr
        and "refused before anything of it ran" in failed.stderr
    )
    assert not told.exists()


@pytest.mark.parametrize("side", ["recorded", "made"])
def test_comparing_checkpoints_runs_nothing_of_either(tmp_path, side):
    for name in ("recorded", "made"):
        (tmp_path / name).mkdir()
        torch.save({"a": torch.zeros(2)}, tmp_path / name / "x.pth")
    planted(tmp_path / side / "x.pth", tmp_path / "it ran")
    with pytest.raises(StudyError, match="holds more than weights"):
        compare(tmp_path / "recorded/x.pth", tmp_path / "made/x.pth")
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("kind", ["plain pickle", "preprocessed case"])
def test_no_other_pickle_runs_anything(tmp_path, kind):
    (tmp_path / "x.pkl").write_bytes(
        pickle.dumps({"shape": np.zeros(3), "more": Planted(tmp_path / "it ran")})
    )
    with pytest.raises(StudyError, match="refused before anything of it ran"):
        load(tmp_path / "x.pkl") if kind == "plain pickle" else load_pickle(str(tmp_path / "x.pkl"))
    assert not (tmp_path / "it ran").exists()


def test_a_damaged_checkpoint_is_one_error(tiny, tmp_path):
    (tmp_path / "x.pth").write_bytes((tiny / FINAL).read_bytes()[:5000])
    with pytest.raises(StudyError, match="no checkpoint, or a damaged one"):
        load(tmp_path / "x.pth")


def test_checkpoints_hold_tensors_and_plain_values_only(tiny):
    for path in (tiny / "models/tiny").rglob("checkpoint_final.pth"):
        logged = load(path)["logging"]
        assert logged["train_losses"] and {type(value) for value in logged["train_losses"]} == {
            float
        }
    values = {"a": np.float32(0.5), "b": [np.arange(2), (np.int64(3),)], "c": torch.ones(1)}
    assert plain(values) == {"a": 0.5, "b": [[0, 1], (3,)], "c": torch.ones(1)}


PLANS = {
    "dataset_name": "Dataset501_x",
    "plans_name": "nnUNetPlans",
    "image_reader_writer": "SimpleITKIO",
    "label_manager": "LabelManager",
    "configurations": {
        "3d_fullres": {
            "data_identifier": "nnUNetPlans_3d_fullres",
            "preprocessor_name": "DefaultPreprocessor",
            "normalization_schemes": ["ZScoreNormalization"],
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {
                    "conv_op": "torch.nn.modules.conv.Conv3d",
                    "dropout_op": None,
                    "nonlin": "torch.nn.LeakyReLU",
                    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                },
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
        }
    },
}
CHOSEN = "configurations 3d_fullres"
ARCHITECTURE = f"{CHOSEN} architecture"
WALKED = "torch.nn.functional.torch.os.system"


@pytest.mark.parametrize(
    "name",
    [
        "torch.hub.load",
        "os.system",
        "cordstudy.pipeline.learning.trainer.train_fold",
        WALKED,
        "torch.nn.init.xavier_normal_",
        "torch.nn.modules.module.torch.hub.load",
        "torch.nn.Conv3d.__init__.__globals__",
        "torch.nn.Conv3d.forward",
        "dynamic_network_architectures.architectures.unet.torch.os.system",
        "dynamic_network_architectures.building_blocks.helper.np.load",
        "torch.nn.modules.conv.F.torch.load",
    ],
)
def test_plans_call_networks_and_layers_only(tmp_path, name):
    check_plans(PLANS, tmp_path)
    for place in ("network_class_name", *(f"arch_kwargs {key}" for key in PLANS_KWARGS)):
        with pytest.raises(
            StudyError, match=f"it names {name} as .*refused before anything of it ran"
        ):
            check_plans(changed(PLANS, f"{ARCHITECTURE} {place}", name), tmp_path)


PLANS_KWARGS = ("conv_op", "norm_op", "dropout_op", "nonlin")


def changed(plans: dict, place: str, value: object) -> dict:
    """A copy of plans with another value at a place, keys apart by spaces."""
    made = json.loads(json.dumps(plans))
    *keys, last = place.split()
    part = made
    for key in keys:
        part = part[key]
    part[last] = value
    return made


REFUSED = {
    "reader": ("image_reader_writer", "recursive_find_python_class"),
    "labels": ("label_manager", "repeat"),
    "preprocessor": (f"{CHOSEN} preprocessor_name", "ThreadPool"),
    "one of the schemes": (f"{CHOSEN} normalization_schemes", ["ZScoreNormalization", "ABC"]),
    "resampling": (f"{CHOSEN} resampling_fn_data", "recursive_find_python_class"),
    "resampling of masks": (f"{CHOSEN} resampling_fn_seg", "map_coordinates"),
    "keyword without a value": (f"{ARCHITECTURE} _kw_requires_import", ["block"]),
    "keywords as a word": (f"{ARCHITECTURE} _kw_requires_import", "nonlin"),
    "folder elsewhere": (f"{CHOSEN} data_identifier", "../../elsewhere"),
    "dataset elsewhere": ("dataset_name", "/etc"),
    "stage elsewhere": (f"{CHOSEN} previous_stage", "../x"),
    "no table": ("configurations", ["3d_fullres"]),
    "no configuration": (CHOSEN, 3),
    "no architecture": (ARCHITECTURE, None),
    "a layer that is none": (f"{ARCHITECTURE} arch_kwargs nonlin", {"x": 1}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_plans_name_nothing_else_of_nnunet_and_no_other_place(tmp_path, name):
    with pytest.raises(StudyError, match=str(tmp_path)) as raised:
        check_plans(changed(PLANS, *REFUSED[name]), tmp_path)
    assert raised.value.hint


def test_every_layer_that_plans_may_name_is_a_layer_where_nnunet_finds_it():
    assert {"torch.nn.Conv3d", "torch.nn.modules.conv.Conv3d", "torch.nn.LeakyReLU"} <= layers()
    for name in layers():
        found = pydoc.locate(name)
        assert issubclass(found, torch.nn.Module) and found.__module__.startswith(
            "torch.nn.modules."
        ), name


LONG = '{"configurations": ' + "9" * 5000 + "}"


@pytest.mark.parametrize(
    "content", ["[", "[" * 20_000, LONG, '{"a": "\\u0000"}', "3", "", "{}"], ids=range(7)
)
@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "splits_final.json"])
def test_files_of_a_model_that_are_none_are_one_error(tmp_path, name, content):
    dataset = {"labels": {"background": 0, "spinal_cord": 1}, "file_ending": ".nii.gz"}
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    (tmp_path / "splits_final.json").write_text('[{"train": ["a_1"], "val": ["a_2"]}]')
    assert read_plans(tmp_path) == (PLANS, dataset) and read_folds(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(StudyError, match=name):
        read_folds(tmp_path) if "splits" in name else read_plans(tmp_path)


def test_a_dataset_json_names_no_reader_and_no_file_elsewhere(tmp_path):
    told = {"labels": {}, "file_ending": ".nii.gz"}
    check_dataset(told, tmp_path)
    for more in (
        {"overwrite_image_reader_writer": "load_json"},
        {"dataset": {"x": {"label": "/etc/passwd"}}},
        {"file_ending": "/../x.nii.gz"},
    ):
        with pytest.raises(StudyError, match=str(tmp_path)):
            check_dataset(told | more, tmp_path)


def test_a_checkpoint_names_the_stock_trainer_only(tiny, tmp_path):
    content = dict(load(tiny / FINAL))
    check_trainer(content, tmp_path)
    for name in ("nnUNetTrainerBN", "os.system", None, 3):
        with pytest.raises(StudyError, match=str(tmp_path)):
            check_trainer(content | {"trainer_name": name}, tmp_path)


@pytest.mark.parametrize("command_name", ["segment", "predict", "train"])
def test_plans_that_hold_a_command_are_refused_before_it_runs(tiny_copy, tmp_path, command_name):
    path = tiny_copy / MODEL / "plans.json"
    plans = changed(json.loads(path.read_text()), f"{ARCHITECTURE} arch_kwargs nonlin", WALKED)
    path.write_text(
        json.dumps(
            changed(
                plans,
                f"{ARCHITECTURE} arch_kwargs nonlin_kwargs",
                {"command": f"touch '{tmp_path}/it ran'"},
            )
        )
    )
    words = {
        "segment": (
            "--study",
            "tiny",
            "segment",
            tmp_path / "x.nii.gz",
            "--model",
            "inspired",
            "--out",
            tmp_path,
        ),
        "predict": (
            "predict",
            MODEL,
            RAW,
            "--out",
            tmp_path / "out",
            "--fold",
            "0",
            "--tile-step",
            "1",
            "--identical",
            "anywhere",
        ),
        "train": command(tmp_path / "out/fold_0", epochs=3)[1:],
    }
    nib.save(nib.Nifti1Image(np.zeros((16, 16, 16), np.int16), np.eye(4)), tmp_path / "x.nii.gz")
    failed = run(
        tiny_copy / "code/study",
        *words[command_name],
        cwd=tiny_copy,
        check=False,
        CORDSTUDY_CACHE=str(tmp_path / "cache"),
    )
    assert failed.returncode == 1 and f"it names {WALKED}" in failed.stderr, failed.stderr
    assert [line.partition(":")[0] for line in failed.stderr.splitlines()] == ["error", "hint"]
    assert not (tmp_path / "it ran").exists()


def test_progress_stays_where_whoever_runs_a_training_says_and_changes_no_byte(tiny, tmp_path):
    expected = train(tiny, tmp_path / "a/fold_0", cache=tmp_path / "cache", epochs=2)
    assert not list((tmp_path / "cache/training").iterdir()), "nobody else would remove it"
    again = command(tmp_path / "b/fold_0", epochs=2)
    env = {
        "CORDSTUDY_CACHE": str(tmp_path / "cache"),
        "CORDSTUDY_PROGRESS": str(tmp_path / "progress"),
    }
    for _ in range(2):  # the second time it goes on from what the first has left
        run(*again, cwd=tiny, **env)
        assert digest(tmp_path / "b/fold_0") == expected
    assert len(list((tmp_path / "progress").glob("*/epoch-*.pth"))) == 1


def test_replicates_have_seeds_of_their_own_and_a_table_of_their_spread(tiny):
    checkpoints = sorted((tiny / "models/tiny/inspired").rglob("checkpoint_final.pth"))
    assert len(checkpoints) == 2 and len({path.readlink().name for path in checkpoints}) == 2
    table = pd.read_csv(tiny / "derivatives/tiny/evaluation/replicates.tsv", sep="\t")
    assert set(table["trainings"]) == {2} and len(table) == 3 * 3
    scores = pd.read_csv(tiny / "derivatives/tiny/evaluation/cases.tsv", sep="\t")
    assert set(scores["replicate"]) == {1, 2}
    summary = pd.read_csv(tiny / "derivatives/tiny/evaluation/summary.tsv", sep="\t")
    judged = scores[
        (scores.replicate == 1) & (scores.model == "general") & (scores.testset == "epi")
    ]
    row = summary[(summary.model == "general") & (summary.testset == "epi")].iloc[0]
    assert row.dice == pytest.approx(judged.groupby("participant_id").dice.mean().mean(), abs=1e-6)


def test_the_spread_of_retraining_is_over_trainings_of_means_over_participants():
    rows = [
        ("m", r, "t", p, d)
        for r, p, d in ((1, "a", 0.2), (1, "a", 0.4), (1, "b", 0.7), (2, "a", 0.5), (2, "b", 0.9))
    ]
    found = spread(
        pd.DataFrame(rows, columns=["model", "replicate", "testset", "participant_id", "dice"])
    ).iloc[0]
    assert (found.trainings, found.dice_mean, found.dice_min, found.dice_max) == pytest.approx(
        (2, 0.6, 0.5, 0.7)
    )
    assert found.dice_sd == pytest.approx(2**0.5 / 10)
