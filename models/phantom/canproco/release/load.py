"""Weights of a release without pickle: `NAME.safetensors` to a network, or to a model of nnU-Net's.

    python load.py NAME.safetensors FOLDER     what nnUNetv2_predict_from_modelfolder takes
    from load import network                   a torch module, for one fold

The file has the weights of each fold, by name `fold_0.…`, and in its metadata the texts that say
what network they are of. Needed: safetensors, torch, nnunetv2. This file stands alone.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

KEY, TEXTS, SAME = "cordstudy", "texts", "same"
FILE, FOLD = re.compile("(dataset|plans|postprocessing|inference)[.]json"), re.compile("fold_[0-9]+")
NETWORKS = "dynamic_network_architectures.architectures.unet."
LAYERS = re.compile("torch[.]nn[.](modules[.](activation|batchnorm|conv|dropout|instancenorm|normalization)[.])?[A-Z]\\w*")


def read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The texts of a file, and its checkpoints by fold (`fold_0`): weights, and what is told of
    them. Raises ValueError for a file of another kind, or of other texts than a model has."""
    with safe_open(path, framework="pt") as opened:
        told = (opened.metadata() or {}).get(KEY)
        if told is None:
            raise ValueError("it does not say what network its weights are of")
        about = json.loads(told)
        texts, same = about.pop(TEXTS), about.pop(SAME)
        for name in [*texts, *about]:
            if not (FILE if name in texts else FOLD).fullmatch(name):
                raise ValueError(f"{name!r} is no file of a model and no fold")
        checkpoints: dict[str, dict[str, Any]] = {}
        for fold, rest in about.items():
            checkpoints[fold] = {**rest, "network_weights": {}}
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
        for name, tensor in [*tensors.items(), *((name, tensors[same[name]]) for name in same)]:
            fold, _, weight = name.partition(".")
            checkpoints[fold]["network_weights"][weight] = tensor
    return texts, checkpoints


def unpack(path: Path, folder: Path) -> None:
    """Write a model as nnU-Net has it into a folder: its texts, and a checkpoint for each fold."""
    texts, checkpoints = read(path)
    for name, text in texts.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for fold, checkpoint in checkpoints.items():
        place = folder / fold
        place.mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, place / "checkpoint_final.pth")


def network(path: Path, fold: int = 0) -> torch.nn.Module:
    """The network of one fold with its weights, ready to segment: (b, 1, z, y, x) to logits
    (b, classes, z, y, x), of images as the plans have them preprocessed."""
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    texts, checkpoints = read(path)
    checkpoint = checkpoints[f"fold_{fold}"]
    plans, dataset = PlansManager(json.loads(texts["plans.json"])), json.loads(texts["dataset.json"])
    chosen = plans.get_configuration(checkpoint["init_args"]["configuration"])
    layers = [chosen.network_arch_init_kwargs[key] for key in chosen.network_arch_init_kwargs_req_import]
    for name in filter(None, layers):  # nnU-Net imports whatever the texts name
        if not LAYERS.fullmatch(name):
            raise ValueError(f"{name!r} is no layer")
    if not re.fullmatch(re.escape(NETWORKS) + "\\w+", chosen.network_arch_class_name):
        raise ValueError(f"{chosen.network_arch_class_name!r} is no network of nnU-Net's")
    made: torch.nn.Module = get_network_from_plans(
        chosen.network_arch_class_name,
        chosen.network_arch_init_kwargs,
        chosen.network_arch_init_kwargs_req_import,
        len(dataset["channel_names"]),
        plans.get_label_manager(dataset).num_segmentation_heads,
        deep_supervision=False,
    )
    made.load_state_dict(checkpoint["network_weights"])
    return made.eval()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python load.py NAME.safetensors FOLDER")
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
