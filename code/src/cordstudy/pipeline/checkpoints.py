"""Reading models as data: nothing that a model's files hold is ever run.

Owns: what a checkpoint, its plans and nnU-Net's pickles may hold, and what is said where one holds more.
Does not own: what is done with them (`predictor`, `trainer`, `likeness`).

A checkpoint is a pickle, and a pickle can run a command where it is loaded. nnU-Net loads it with
`weights_only=False`; `determinism` has torch overrule that in every process, and `load` before it tells
which file it is. Plans name classes, which nnU-Net imports and calls: only networks and layers may be named.
"""

from __future__ import annotations

import errno
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from cordstudy.errors import StudyError

NETWORKS = ("dynamic_network_architectures.architectures.",)
LAYERS = ("torch.nn.", "dynamic_network_architectures.building_blocks.")
ARRAYS = {"numpy": ("ndarray", "dtype"), "numpy.core.multiarray": ("_reconstruct", "scalar"),
          "numpy.core.numeric": ("_frombuffer",)}  # fmt: skip
"""What pickles of numpy's arrays and numbers name, by module."""
HINT = "train it again, or have whoever made it store tensors and plain values only"


def plain(value: object) -> object:
    """A value with Python's own numbers and lists in place of numpy's; tensors stay."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    return value


def load(path: Path, *, hint: str = HINT) -> Mapping:
    """A checkpoint: tensors, which stay on the disk until used, and plain values.

    Raises StudyError for one that holds anything else, before anything of it ran, or is damaged.
    """
    with _told(path, hint):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def load_pickle(path: str, mode: str = "rb") -> object:
    """A pickle of plain values and numpy arrays; raises StudyError for any other. Takes the place of
    nnU-Net's own function of this name, which runs what a pickle says."""
    with _told(Path(path), "remove the folder: it is a cache"), open(path, mode) as stream:
        return _Plain(stream).load()


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module.replace("._core", ".core") in ARRAYS and name in ARRAYS[module.replace("._core", ".core")]:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")


@contextmanager
def _told(path: Path, hint: str) -> Iterator[None]:
    try:
        yield
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise StudyError(
            f"{path}: it holds more than weights{what}: refused before anything of it ran",
            hint=hint,
        ) from error
    except (EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that is torch's word for a file cut short
            raise
        raise StudyError(
            f"{path}: no checkpoint, or a damaged one: {str(error).splitlines()[0]}",
            hint="`git annex fsck` tells a damaged copy from a damaged original",
        ) from error


def check_plans(plans: Mapping, path: Path) -> None:
    """Raise StudyError for plans that name anything but networks and layers to be called."""
    for chosen in plans.get("configurations", {}).values():
        told = chosen.get("architecture") or {}
        kwargs = told.get("arch_kwargs") or {}
        named = [(told.get("network_class_name"), NETWORKS)]
        named += [(kwargs.get(name), LAYERS) for name in told.get("_kw_requires_import") or ()]
        for name, allowed in named:
            if name is not None and not str(name).startswith(allowed):
                raise StudyError(
                    f"{path}: it names {name}, which is no network or layer: refused before anything of it ran",
                    hint="`code/study run` plans a model again",
                )
