"""The device that networks compute on.

Owns: that it is one that this machine has.
Does not own: its name, which whoever runs a step sets (`base.machine`).
"""

from __future__ import annotations

import torch

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import device

HINT = "device in site.toml is for machines that have it: cpu, cuda, cuda:1"


def torch_device() -> torch.device:
    """The device that was asked for. Raises StudyError for a name that is none's, and for a GPU
    that this machine, or its build of PyTorch, does not have."""
    name = device()
    try:
        asked = torch.device(name)
    except RuntimeError as error:
        raise StudyError(f"there is no device {name!r}", hint=HINT) from error
    if asked.type not in ("cpu", "cuda"):
        raise StudyError(f"{name}: steps compute on cpu or cuda", hint=HINT)
    if asked.type == "cuda" and (asked.index or 0) >= torch.cuda.device_count():
        built = "" if torch.version.cuda else ", and PyTorch is built without CUDA"
        raise StudyError(
            f"{name}: this machine has {torch.cuda.device_count()} GPUs that can be used{built}",
            hint=HINT,
        )
    return asked
