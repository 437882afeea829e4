"""What a model folder from elsewhere may hold, looked at before any of it is used.

Owns: that its pickles are weights or plain values, that its weights are numbers, and that it is a
model of one image and one structure, of a size that a machine holds.
Does not own: its checksums (`opening`), what plans may name (`learning.plans`), or how a checkpoint
is read (`learning.checkpoints`).
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.checkpoints import ARRAYS, check_trainer, load
from cordstudy.pipeline.learning.networks import network_of
from cordstudy.pipeline.learning.plans import read_plans
from cordstudy.pipeline.learning.postprocessing import read_postprocessing

CHECKPOINT = "checkpoint_final.pth"
LARGEST_PATCH = 2**27
"""Voxels of a patch: 512 a side; one of nnU-Net's own has some 2**21."""
MOST = 4096
"""Features of a layer, or layers of a network."""
PLANNED = ("transpose_forward", "transpose_backward", "image_reader_writer")
CONFIGURED = (
    "preprocessor_name",
    "normalization_schemes",
    "use_mask_for_norm",
    "resampling_fn_data",
    "resampling_fn_data_kwargs",
    "resampling_fn_probabilities",
    "resampling_fn_probabilities_kwargs",
)
"""What of plans, and of a configuration in them, an image is prepared by, and a mask brought
back."""
NNUNET = {
    "nnunetv2.postprocessing.remove_connected_components": (
        "remove_all_but_largest_component_from_segmentation",
    )
}
"""What the pickles name that stock nnU-Net reads beside checkpoints: what it does with a mask."""


def check_model(folder: Path, folds: Sequence[int], *, hint: str) -> None:
    """Look through a model folder.

    Raises StudyError for a pickle that names what could run, used here or not: stock nnU-Net loads
    them all. So for a fold that is not there, weights that are no numbers, and a model that tells
    several structures apart or asks for several images: its masks would not be what `segment` says.
    """
    for path in sorted(folder.rglob("*.pkl")):
        _check_pickle(path, hint=hint)
    for path in sorted(folder.rglob("*.pth")):
        load(path, hint=hint)
    _, dataset = read_plans(folder)
    _check_task(dataset, folder, hint=hint)
    read_postprocessing(folder)
    for fold in folds:
        path = folder / f"fold_{fold}" / CHECKPOINT
        checkpoint = load(path, hint=hint)
        check_trainer(checkpoint, path)
        weights = _check_weights(checkpoint["network_weights"], path, hint=hint)
        _check_planned(folder, checkpoint, weights, hint=hint)


class _Inert:
    """Stands for whatever a pickle names: calling it does nothing."""

    def __new__(cls, *_: object, **__: object) -> _Inert:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


class _Names(pickle.Unpickler):
    """Reads a pickle of which every name is known, and runs nothing."""

    def find_class(self, module: str, name: str) -> object:
        known = ARRAYS | NNUNET
        if name in known.get(module.replace("._core", ".core"), ()):
            return _Inert
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _check_pickle(path: Path, *, hint: str) -> None:
    """Raise StudyError for a pickle that names more than nnU-Net's own do."""
    try:
        with path.open("rb") as stream:
            _Names(stream).load()
    except Exception as error:  # a pickle that is none raises anything
        why = str(error).partition("\n")[0] or type(error).__name__
        message = f"{path}: no pickle that nnU-Net reads: {why}: refused before anything of it ran"
        raise StudyError(message, hint=hint) from error


def _check_task(dataset: Mapping[str, object], folder: Path, *, hint: str) -> None:
    """Raise StudyError for a model of anything but one structure in one image."""
    path = folder / "dataset.json"
    labels, channels = dataset["labels"], dataset.get("channel_names")
    assert isinstance(labels, dict)  # `read_plans` looked
    if labels.get("background") != 0 or sorted(labels.values(), key=repr) != [0, 1]:
        told = ", ".join(map(str, labels))
        raise StudyError(f"{path}: it labels {told}: needed are background 0 and one 1", hint=hint)
    if not isinstance(channels, dict) or set(channels) != {"0"}:
        raise StudyError(f"{path}: channel_names: needed is one image, 0", hint=hint)


def _check_weights(weights: object, path: Path, *, hint: str) -> Mapping[str, torch.Tensor]:
    """The weights of a checkpoint. Raises StudyError where not all are tensors of finite
    numbers."""
    assert isinstance(weights, Mapping)  # `check_trainer` looked
    for name, tensor in weights.items():
        is_dense = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        if not is_dense or not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise StudyError(f"{path}: {name} is no tensor of finite numbers", hint=hint)
    return weights


def _check_planned(
    folder: Path,
    checkpoint: Mapping[str, object],
    weights: Mapping[str, torch.Tensor],
    *,
    hint: str,
) -> None:
    """Raise StudyError for plans that lack the checkpoint's configuration, or what an image is
    prepared by, ask for patches that no machine holds, or are those of another network."""
    path = folder / "plans.json"
    plans, dataset = read_plans(folder)
    told = checkpoint["init_args"]
    assert isinstance(told, Mapping)  # `check_trainer` looked
    try:
        manager = PlansManager(dict(plans))
        chosen = manager.get_configuration(told["configuration"])
        lacking = [key for key in PLANNED if key not in plans]
        lacking += [key for key in CONFIGURED if key not in chosen.configuration]
        if lacking:
            raise KeyError(lacking[0])
        _check_sizes(chosen)
        expected = _shapes(manager, chosen, dataset)
    except Exception as error:  # nnU-Net and torch raise anything for plans that are none
        why = str(error).partition("\n")[0]
        message = f"{path}: no plans of a network: {type(error).__name__}: {why}"
        raise StudyError(message, hint=hint) from error
    there = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | there.keys()):
        if expected.get(name) != there.get(name):
            raise StudyError(
                f"{folder}: {name} is {there.get(name, 'not among the weights')}, "
                f"{expected.get(name, 'not there')} in the network of the plans",
                hint=hint,
            )


def _check_sizes(chosen: ConfigurationManager) -> None:
    """Raise ValueError for sizes of patches and voxels, and for numbers of layers, that cannot
    be."""
    patch, spacing = chosen.patch_size, chosen.spacing
    if len(patch) not in (2, 3) or len(spacing) != len(patch):
        raise ValueError(f"patches of {patch} voxels of {spacing} mm")
    if not all(type(side) is int and side > 0 for side in patch):
        raise ValueError(f"patches of {patch} voxels")
    if math.prod(patch) > LARGEST_PATCH:
        raise ValueError(f"patches of {patch} voxels")
    if not all(math.isfinite(side) and side > 0 for side in spacing):
        raise ValueError(f"voxels of {spacing} mm")
    _check_numbers(chosen.network_arch_init_kwargs)


def _check_numbers(value: object) -> None:
    """Raise ValueError for a number, of layers or features, that no network has."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _check_numbers(item)
    elif isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"{value:,} of its architecture")


def _shapes(
    plans: PlansManager, chosen: ConfigurationManager, dataset: Mapping[str, object]
) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of the network of plans, of which no weight is made."""
    with torch.device("meta"):
        network = network_of(plans, chosen, dataset)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
