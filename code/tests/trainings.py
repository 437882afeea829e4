"""Trainings of the tiny study, models that hold a command, and plans to be spoilt."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from helpers import REPOSITORY, run

RAW = "derivatives/tiny/nnunet-raw/Dataset502_inspired"
MODEL = "models/tiny/inspired/Dataset502_inspired/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
FINAL = f"{MODEL}/fold_0/checkpoint_final.pth"
EPOCHS = 60
SETTINGS: dict[str, object] = {
    "configuration": "3d_fullres",
    "fold": 0,
    "seed": 0,
    "epochs": EPOCHS,
    "iterations": 2,
    "validations": 1,
    "identical": "anywhere",
}
PREDICT = ("--fold", "0", "--tile-step", "1", "--identical", "anywhere")
NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
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
                "network_class_name": NETWORK,
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
"""A way from a layer's module to a function that runs a command."""


def command(out: Path, **changes: object) -> list[str]:
    """The step command of a training of many epochs of two batches."""
    argv = [str(REPOSITORY / "code/study"), "train", RAW, MODEL, "--out", str(out)]
    for name, value in (SETTINGS | changes).items():
        argv += [f"--{name}", str(value)]
    return argv


def train(folder: Path, out: Path, *, cache: Path, workers: int = 1, **changes: object) -> str:
    """Train in a study's folder; the digest of the checkpoint."""
    settings = {"CORDSTUDY_CACHE": str(cache), "CORDSTUDY_WORKERS": str(workers)}
    run(*command(out, **changes), cwd=folder, **settings)
    return digest(out)


def digest(out: Path) -> str:
    """Of the final checkpoint of a fold's folder."""
    return hashlib.sha256((out / "checkpoint_final.pth").read_bytes()).hexdigest()


class Planted:
    """What a pickle can be made to do where it is loaded: make a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def planted(path: Path, mark: Path, *, like: Path | None = None) -> Path:
    """A checkpoint that makes the file `mark` where it is loaded."""
    content = torch.load(like, weights_only=True) if like else {}
    path.unlink(missing_ok=True)
    torch.save({**content, "more": Planted(mark)}, path)
    return path


def changed(plans: dict, place: str, value: object) -> dict:
    """A copy of plans with another value at a place, keys apart by spaces."""
    copy = json.loads(json.dumps(plans))
    *keys, last = place.split()
    section = copy
    for key in keys:
        section = section[key]
    section[last] = value
    return copy
