"""Reading what describes a model: plans.json, dataset.json, splits_final.json.

Owns: what these may hold, and what is said where one holds more.
Does not own: making them (`planner`, `plan`), or checkpoints (`checkpoints`).

Plans name classes and functions, which nnU-Net imports and calls: only what is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

import torch

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_json

NETWORKS = frozenset(
    {
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
        "dynamic_network_architectures.architectures.unet.ResidualUNet",
    }
)
LAYERS = frozenset(
    {
        "torch.nn.modules.activation",
        "torch.nn.modules.batchnorm",
        "torch.nn.modules.conv",
        "torch.nn.modules.dropout",
        "torch.nn.modules.instancenorm",
        "torch.nn.modules.normalization",
    }
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
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
AGAIN = "`code/study run` plans a model again"

DatasetJson = dict[str, object]
"""nnU-Net's dataset.json."""
FoldCases = dict[str, list[str]]
"""The cases of each side of a fold: `train`, `val`."""


class Architecture(TypedDict):
    """A network of the plans; nnU-Net has more keys."""

    network_class_name: str
    arch_kwargs: dict[str, object]


class Configuration(TypedDict):
    """One configuration of the plans, such as `3d_fullres`; nnU-Net has more keys."""

    spacing: list[float]
    patch_size: list[int]
    batch_size: int
    architecture: Architecture


class Plans(TypedDict):
    """nnU-Net's plans.json, which has more keys."""

    dataset_name: str
    image_reader_writer: str
    configurations: dict[str, Configuration]


def read_plans(model: Path) -> tuple[Plans, DatasetJson]:
    """plans.json and dataset.json of a model, checked.

    Raises StudyError for what is no plan, and for one that names anything but nnU-Net's own
    networks, layers, readers, … to be called, or a file elsewhere.
    """
    plans_path, dataset_path = model / "plans.json", model / "dataset.json"
    plans: Plans = read_json(plans_path, hint=AGAIN)
    dataset: DatasetJson = read_json(dataset_path, hint=AGAIN)
    check_plans(plans, plans_path)
    check_dataset(dataset, dataset_path)
    return plans, dataset


def check_plans(plans: object, path: Path) -> None:
    """Raise StudyError for plans that name anything but what is listed here; `path` is for the
    message.

    Each name that nnU-Net 2.8 looks up: networks and layers by `pydoc.locate`, which walks from
    module to module by attributes; the rest in its own modules, by any name that these have.
    """
    whole = Section.of(plans, path)
    for key, known in BY_NAME.items():
        whole.check(key, known)
    whole.check_place("dataset_name", "plans_name", "experiment_planner_used")
    configurations = whole.section("configurations")
    for name in configurations.content:
        _check_configuration(configurations.section(name))


def _check_configuration(configuration: Section) -> None:
    for key, known in BY_NAME_IN_CONFIGURATION.items():
        configuration.check(key, known)
    configuration.check_place("data_identifier", "previous_stage", "next_stage", "inherits_from")
    if "architecture" in configuration.content:
        _check_architecture(configuration.section("architecture"))
    elif "inherits_from" not in configuration.content:
        raise configuration.error("has no architecture")


def _check_architecture(architecture: Section) -> None:
    architecture.check("network_class_name", NETWORKS, needed=True)
    kwargs = architecture.section("arch_kwargs")
    imported = architecture.content.get("_kw_requires_import", ())
    if not isinstance(imported, list | tuple) or not _are_keys(imported, kwargs.content):
        raise architecture.error("_kw_requires_import is no list of keys of arch_kwargs")
    for name in imported:
        kwargs.check(name, layers())


def _are_keys(names: Collection[object], content: Collection[str]) -> bool:
    return all(isinstance(name, str) and name in content for name in names)


def check_dataset(dataset: object, path: Path) -> None:
    """Raise StudyError for a dataset.json that names another reader than nnU-Net's own, or files
    elsewhere."""
    whole = Section.of(dataset, path)
    whole.check("overwrite_image_reader_writer", READERS | {"None"})
    whole.section("labels")
    whole.check("file_ending", {".nii.gz"}, needed=True)
    if "dataset" in whole.content:
        raise whole.error("lists files: they are those of imagesTr and labelsTr")


def read_folds(model: Path) -> list[FoldCases]:
    """The folds of a model, nnU-Net's `splits_final.json`. Raises StudyError for another content,
    and for a case whose name leads to another folder."""
    path = model / "splits_final.json"
    folds = read_json(path, hint=AGAIN)
    if not isinstance(folds, list) or not folds:
        raise StudyError(f"{path}: no list of folds", hint=AGAIN)
    for number, fold in enumerate(folds):
        section = Section.of(fold, path, f"fold {number}")
        for side in ("train", "val"):
            if not _are_cases(section.content.get(side)):
                raise StudyError(f"{path}: fold {number}: {side} is no list of cases", hint=AGAIN)
    return folds


def _are_cases(names: object) -> bool:
    return isinstance(names, list) and all(_is_plain(name) for name in names)


def _is_plain(name: object) -> bool:
    """Whether it is a name that leads nowhere else, as part of a path."""
    return isinstance(name, str) and PLAIN.fullmatch(name) is not None


@cache
def layers() -> frozenset[str]:
    """Layers by each of their two names: `torch.nn.Conv3d`, `torch.nn.modules.conv.Conv3d`."""
    names = set()
    for name, value in vars(torch.nn).items():
        if _is_layer(name, value):
            names |= {f"torch.nn.{name}", f"{value.__module__}.{name}"}
    return frozenset(names)


def _is_layer(name: str, value: object) -> bool:
    if not isinstance(value, type) or not issubclass(value, torch.nn.Module):
        return False
    return value.__name__ == name and value.__module__ in LAYERS


@dataclass(frozen=True)
class Section:
    """A table of a file, and what is said where it holds what it must not."""

    content: dict[str, object]
    path: Path
    where: str
    """The keys that lead to it, each with a point after it; empty for a whole file."""
    hint: str

    @classmethod
    def of(cls, content: object, path: Path, where: str = "", *, hint: str = AGAIN) -> Section:
        """A value as a table. Raises StudyError for what is none."""
        if not isinstance(content, dict):
            raise cls({}, path, where, hint).error("is no table")
        return cls(content, path, where, hint)

    def section(self, key: str) -> Section:
        """A table in it. Raises StudyError where there is none."""
        return Section.of(self.content.get(key), self.path, f"{self.where}{key}.", hint=self.hint)

    def error(self, fault: str) -> StudyError:
        """The error for a fault of this table."""
        subject = self.where.rstrip(".") or "it"
        return StudyError(f"{self.path}: {subject} {fault}", hint=self.hint)

    def check(self, key: str, known: Collection[str], *, needed: bool = False) -> None:
        """Raise StudyError for a name, or one of several, that is not known."""
        if needed and self.content.get(key) is None:
            raise self.error(f"has no {key}")
        for name in self._names(key):
            if not isinstance(name, str) or name not in known:
                raise StudyError(
                    f"{self.path}: it names {name} as {self.where}{key}, which is none of "
                    "nnU-Net's own that are known here: refused before anything of it ran",
                    hint=self.hint,
                )

    def check_place(self, *keys: str) -> None:
        """Raise StudyError for names that lead to another folder: nnU-Net has them in paths."""
        for key in keys:
            for name in self._names(key):
                if not _is_plain(name):
                    raise self.error(f"has {key} = {name!r}, which is no plain name")

    def _names(self, key: str) -> list[object]:
        """What stands at a key, one or several; null is none."""
        value = self.content.get(key)
        values = value if isinstance(value, list) else [value]
        return [name for name in values if name is not None]
