"""Reading checkpoints as data: nothing that one holds is ever run.

Owns: what a checkpoint and nnU-Net's pickles may hold, and what is said where one holds more.
Does not own: plans (`plans`), or what is done with a model (`predictor`, `trainer`, `likeness`).

A checkpoint is a pickle, and a pickle can run a command where it is loaded. nnU-Net loads it with
`weights_only=False`; `determinism` has torch overrule that in every process, and `load` before it
tells which file it is.
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

from cordstudy.base.errors import StudyError
from cordstudy.base.within import regular
from cordstudy.pipeline.learning.plans import Section

TRAINER = "nnUNetTrainer"
"""The trainer that checkpoints name: nnU-Net looks it up too."""
ARRAYS = {
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
}
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


def load(path: Path, *, hint: str = HINT) -> Mapping[str, object]:
    """A checkpoint: tensors, which stay on the disk until used, and plain values.

    Raises StudyError for one that holds anything else, before anything of it ran, or is damaged.
    """
    with _explained(path, hint):
        regular(path)
        mapped = zipfile.is_zipfile(path)
        checkpoint: Mapping[str, object] = torch.load(
            path, map_location="cpu", weights_only=True, mmap=mapped
        )
    return checkpoint


def load_pickle(path: str, mode: str = "rb") -> object:
    """A pickle of plain values and numpy arrays; raises StudyError for any other.

    Takes the place of nnU-Net's own function of this name, which runs what a pickle says.
    """
    with _explained(Path(path), "remove the folder: it is a cache"), open(path, mode) as stream:
        return _Plain(stream).load()


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if name in ARRAYS.get(module.replace("._core", ".core"), ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")


@contextmanager
def _explained(path: Path, hint: str) -> Iterator[None]:
    """Turn what loading a file raises into one error that names it."""
    try:
        yield
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({named[1]})" if named else ""
        raise StudyError(
            f"{path}: it holds more than weights{what}: refused before anything of it ran",
            hint=hint,
        ) from error
    except (EOFError, RuntimeError, OSError) as error:
        # EINVAL is torch's word for a file cut short; any other is a fault of the machine
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise StudyError(
            f"{path}: no checkpoint, or a damaged one: {str(error).splitlines()[0]}",
            hint="`git annex fsck` tells a damaged copy from a damaged original",
        ) from error


def check_trainer(checkpoint: object, path: Path) -> None:
    """Raise StudyError for a checkpoint that names another trainer than the stock one, which
    nnU-Net looks up."""
    whole = Section.of(checkpoint, path, hint=HINT)
    whole.check("trainer_name", {TRAINER}, needed=True)
    whole.section("init_args").check_place("configuration")
    whole.section("network_weights")
