"""Weights of checkpoints as one file without pickle.

Owns: the content of that file.
Does not own: reading it (`load.py.txt`, which a release has as load.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save

KEY = "cordstudy"
"""Of the metadata. One key: safetensors writes several in any order, so that bytes would vary."""
TEXTS, SAME = "texts", "same"
"""Beside the folds: texts by name, and the names of tensors that are another's, which safetensors
holds once and nnU-Net's networks have under several names."""
ABOUT = ("trainer_name", "inference_allowed_mirroring_axes")
"""What of a checkpoint is no weight, and is needed to predict, beside its configuration."""


def packed(checkpoints: Mapping[int, Mapping[str, Any]], texts: Mapping[str, str]) -> bytes:
    """The content of a safetensors file of the weights of checkpoints, by fold, and of texts, by
    name."""
    tensors: dict[str, torch.Tensor] = {}
    same: dict[str, str] = {}
    about: dict[str, object] = {TEXTS: dict(texts), SAME: same}
    for fold, checkpoint in checkpoints.items():
        first: dict[tuple[object, ...], str] = {}
        for weight, tensor in checkpoint["network_weights"].items():
            name = f"fold_{fold}.{weight}"
            place = tensor.data_ptr(), tensor.shape, tensor.stride()
            if first.setdefault(place, name) == name:
                tensors[name] = tensor.contiguous()
            else:
                same[name] = first[place]
        configuration = checkpoint["init_args"]["configuration"]
        rest = {key: checkpoint[key] for key in ABOUT}
        about[f"fold_{fold}"] = {**rest, "init_args": {"configuration": configuration}}
    content: bytes = save(tensors, metadata={KEY: json.dumps(about, sort_keys=True)})
    return content
