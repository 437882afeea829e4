"""Reading models as data: nothing that a model's files hold is ever run.

Owns: what a checkpoint, its plans and nnU-Net's pickles may hold, and what is said where one holds more.
Does not own: what is done with them (`predictor`, `trainer`, `likeness`).

A checkpoint is a pickle, and a pickle can run a command where it is loaded. nnU-Net loads it with
`weights_only=False`; `determinism` has torch overrule that in every process, and `load` before it tells
which file it is. Plans name classes and functions, which nnU-Net imports and calls: only what is listed here.
"""

from __future__ import annotations

import errno
import pickle
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_json
from cordstudy.base.within import regular

NETWORKS = frozenset(
    f"dynamic_network_architectures.architectures.unet.{name}"
    for name in ("PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet")
)
LAYERS = frozenset(
    f"torch.nn.modules.{name}"
    for name in ("activation", "batchnorm", "conv", "dropout", "instancenorm", "normalization")
)
"""The modules whose classes are layers."""
READERS = frozenset({"SimpleITKIO", "NibabelIO", "NibabelIOWithReorient"})
RESAMPLING = frozenset(
    {"resample_data_or_seg_to_shape", "resample_torch_fornnunet", "no_resampling_hack"}
)
BY_NAME = {
    "image_reader_writer": READERS,
    "label_manager": frozenset({"LabelManager"}),
}
BY_NAME_IN_CONFIGURATION = {
    "preprocessor_name": frozenset({"DefaultPreprocessor"}),
    "normalization_schemes": frozenset(
        {
            "ZScoreNormalization",
            "CTNormalization",
            "NoNormalization",
            "RescaleTo01Normalization",
            "RGBTo01Normalization",
        }
    ),
    "resampling_fn_data": RESAMPLING,
    "resampling_fn_seg": RESAMPLING,
    "resampling_fn_probabilities": RESAMPLING,
}
"""What plans name of nnU-Net's, by key, and what of it may be named."""
TRAINER = "nnUNetTrainer"
"""The trainer that checkpoints name: nnU-Net looks it up too."""
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
ARRAYS = {
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
}
"""What pickles of numpy's arrays and numbers name, by module."""
AGAIN = "`code/study run` plans a model again"
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
        return torch.load(
            regular(path), map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )


def load_pickle(path: str, mode: str = "rb") -> object:
    """A pickle of plain values and numpy arrays; raises StudyError for any other. Takes the place of
    nnU-Net's own function of this name, which runs what a pickle says."""
    with _told(Path(path), "remove the folder: it is a cache"), open(path, mode) as stream:
        return _Plain(stream).load()


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (
            module.replace("._core", ".core") in ARRAYS
            and name in ARRAYS[module.replace("._core", ".core")]
        ):
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
        if (
            isinstance(error, OSError) and error.errno != errno.EINVAL
        ):  # that is torch's word for a file cut short
            raise
        raise StudyError(
            f"{path}: no checkpoint, or a damaged one: {str(error).splitlines()[0]}",
            hint="`git annex fsck` tells a damaged copy from a damaged original",
        ) from error


def check_trainer(checkpoint: object, path: Path) -> None:
    """Raise StudyError for a checkpoint that names another trainer than the stock one, which nnU-Net looks up."""
    told = _Part(checkpoint, path, hint=HINT)
    told.check("trainer_name", {TRAINER}, needed=True)
    told.part("init_args").check_place("configuration")
    told.part("network_weights")


def read_plans(model: Path) -> tuple[dict, dict]:
    """plans.json and dataset.json of a model, checked.

    Raises StudyError for what is no plan, and for one that names anything but nnU-Net's own networks, layers,
    readers, … to be called, or a file elsewhere.
    """
    plans, dataset = (
        read_json(model / "plans.json", hint=AGAIN),
        read_json(model / "dataset.json", hint=AGAIN),
    )
    check_plans(plans, model / "plans.json")
    check_dataset(dataset, model / "dataset.json")
    return plans, dataset


def check_plans(plans: object, path: Path) -> None:
    """Raise StudyError for plans that name anything but what is listed here; `path` is for the message.

    Each name that nnU-Net 2.8 looks up: networks and layers by `pydoc.locate`, which walks from module to module
    by attributes; the rest in its own modules, by any name that these have.
    """
    whole = _Part(plans, path)
    for key, known in BY_NAME.items():
        whole.check(key, known)
    whole.check_place("dataset_name", "plans_name", "experiment_planner_used")
    for name, chosen in whole.part("configurations").items():
        configuration = whole.part("configurations").part(name)
        _check_configuration(configuration, inherits="inherits_from" in chosen)


def _check_configuration(told: _Part, *, inherits: bool) -> None:
    for key, known in BY_NAME_IN_CONFIGURATION.items():
        told.check(key, known)
    told.check_place("data_identifier", "previous_stage", "next_stage", "inherits_from")
    if "architecture" not in told.content:
        if inherits:
            return
        raise told.error("has no architecture")
    architecture = told.part("architecture")
    architecture.check("network_class_name", NETWORKS, needed=True)
    kwargs = architecture.part("arch_kwargs")
    imported = architecture.content.get("_kw_requires_import", ())
    if not isinstance(imported, list | tuple) or not {
        name for name in imported if isinstance(name, str)
    } <= {*kwargs}:
        raise architecture.error("_kw_requires_import is no list of keys of arch_kwargs")
    for name in imported:
        kwargs.check(name, layers())


def check_dataset(dataset: object, path: Path) -> None:
    """Raise StudyError for a dataset.json that names another reader than nnU-Net's own, or files elsewhere."""
    told = _Part(dataset, path)
    told.check("overwrite_image_reader_writer", READERS | {"None"})
    told.part("labels")
    told.check("file_ending", {".nii.gz"}, needed=True)
    if "dataset" in told.content:
        raise told.error("lists files: they are those of imagesTr and labelsTr")


def read_folds(model: Path) -> list[dict[str, list[str]]]:
    """The folds of a model, nnU-Net's `splits_final.json`. Raises StudyError for another content, and for a case
    whose name leads to another folder."""
    path = model / "splits_final.json"
    folds = read_json(path, hint=AGAIN)
    if not isinstance(folds, list) or not folds:
        raise StudyError(f"{path}: no list of folds", hint=AGAIN)
    for number, fold in enumerate(folds):
        for side in ("train", "val"):
            cases = _Part(fold, path, f"fold {number}").content.get(side)
            if not isinstance(cases, list) or not all(
                isinstance(one, str) and PLAIN.fullmatch(one) for one in cases
            ):
                raise StudyError(f"{path}: fold {number}: {side} is no list of cases", hint=AGAIN)
    return folds


@cache
def layers() -> frozenset[str]:
    """Layers by each of their two names: `torch.nn.Conv3d`, `torch.nn.modules.conv.Conv3d`."""
    found = {name: one for name, one in vars(torch.nn).items() if isinstance(one, type)}
    own = {
        name: one
        for name, one in found.items()
        if issubclass(one, torch.nn.Module) and one.__name__ == name and one.__module__ in LAYERS
    }
    return frozenset(
        f"{module}.{name}" for name, one in own.items() for module in ("torch.nn", one.__module__)
    )


@dataclass(frozen=True)
class _Part:
    """A table of a file, and what is said where it holds what it must not."""

    content: dict
    path: Path
    where: str = ""
    hint: str = AGAIN

    def __post_init__(self) -> None:
        if not isinstance(self.content, dict):
            raise self.error("is no table")

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def items(self) -> Iterator[tuple[str, dict]]:
        """The tables in it by name."""
        return ((name, self.part(name).content) for name in self.content)

    def part(self, key: str) -> _Part:
        """A table in it."""
        return _Part(self.content.get(key), self.path, f"{self.where}{key}.", self.hint)

    def error(self, what: str) -> StudyError:
        place = self.where.rstrip(".")
        return StudyError(f"{self.path}: {f'{place} ' if place else 'it '}{what}", hint=self.hint)

    def check(self, key: str, known: Collection[str], *, needed: bool = False) -> None:
        """Raise StudyError for a name, or one of several, that is not known."""
        told = self.content.get(key)
        if needed and told is None:
            raise self.error(f"has no {key}")
        for name in told if isinstance(told, list) else [told]:
            if name is not None and not (isinstance(name, str) and name in known):
                raise StudyError(
                    f"{self.path}: it names {name} as {self.where}{key}, which is none of nnU-Net's own that are known "
                    "here: refused before anything of it ran",
                    hint=self.hint,
                )

    def check_place(self, *keys: str) -> None:
        """Raise StudyError for names that lead to another folder: nnU-Net has them in paths."""
        for key in keys:
            told = self.content.get(key)
            for name in told if isinstance(told, list) else [told]:
                if name is not None and not (isinstance(name, str) and PLAIN.fullmatch(name)):
                    raise self.error(f"has {key} = {name!r}, which is no plain name")
