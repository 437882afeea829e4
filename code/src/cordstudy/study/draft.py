"""A first TOML of a study, to be read and changed: what was found, and the default of each key.

Owns: its text.
Does not own: what was found (`sources.guess`), or what may stand in it (`schema`).
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cordstudy.study.schema import Judge, Predict, Split, Train

WIDTH = 96
SMALL_REDUCTION = {
    "spacing_mm": [2.5, 1.5, 1.5],
    "patch_size": [16, 40, 40],
    "batch_size": 2,
    "features": [8, 16, 32, 64],
    "convolutions": 1,
}
"""Plans that two cores can train, coarser along the cord than across it."""
SMALL_TRAIN = {"folds": [0], "epochs": 4, "iterations": 15, "validations": 1}


@dataclass(frozen=True)
class DraftedDataset:
    """A source as it will stand in the TOML."""

    name: str
    number: int
    path: str
    role: Literal["train", "test"]
    images: Mapping[str, int]
    """How many masks each image has."""
    labels: str
    mask: str
    access: Mapping[str, object] = field(default_factory=dict)
    """Its licence, whom to ask, or the phantom that it is; empty where nothing says so."""
    session: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    site: str | None = None
    person: str | None = None
    notes: Sequence[str] = ()
    """What else was seen, for a comment."""


def draft_text(
    name: str, datasets: Sequence[DraftedDataset], *, number: int, folds: int, small: bool
) -> str:
    """The TOML of a study. `number` is that of the general model's dataset; `folds` are as many as
    the smallest source has persons for. `small` is of a size that a processor trains in minutes.
    """
    parts = [
        _comment(
            f"The study {name}: change what is not so, then commit it. "
            "code/studies/README.md has every key; what is not said here has its default."
        )
    ]
    parts += [_dataset(dataset) for dataset in datasets]
    parts.append(_models([one.name for one in datasets if one.role == "train"], number))
    parts += [_split(folds), _plan(small), _train(small), _predict(small), _judge()]
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class DraftedModels:
    """Models that are judged and not trained: where they are, and what of them is not the
    default."""

    models: str
    unpack: Mapping[str, object] = field(default_factory=dict)
    task: Mapping[str, object] = field(default_factory=dict)


def judging_text(name: str, datasets: Sequence[DraftedDataset], judged: DraftedModels) -> str:
    """The TOML of a study that trains nothing."""
    parts = [
        _comment(
            f"The study {name} trains nothing: change what is not so, then commit it. "
            "code/studies/README.md has every key; what is not said here has its default."
        ),
        f"models = {_value(judged.models)}",
    ]
    for table, values in (("unpack", judged.unpack), ("task", judged.task)):
        if values:
            parts.append("\n".join([f"[{table}]", *_keys(values)]))
    parts += [_dataset(dataset) for dataset in datasets]
    return "\n\n".join([*parts, _judge()]) + "\n"


def _dataset(dataset: DraftedDataset) -> str:
    lines = [
        f"[datasets.{dataset.name}]",
        f"number = {dataset.number}",
        f"path = {_value(dataset.path)}",
        f"role = {_value(dataset.role)}",
    ]
    lines += _keys(dataset.access)
    if not dataset.access:
        lines.append("# dataset_description.json names no licence; of a public source: licence = …")
        lines.append(f"ask = {_value(f'the owner of {dataset.path}')}")
    if dataset.session:
        lines.append(f"session = {_value(dataset.session)}")
    counts = ", ".join(f"{image} {count}" for image, count in dataset.images.items())
    lines.append(_comment(f"Masks of each image: {counts}."))
    lines.append(_images(list(dataset.images)))
    lines += [f"labels = {_value(dataset.labels)}", f"mask = {_value(dataset.mask)}"]
    if dataset.columns:
        lines.append(f"columns = {_inline(dataset.columns)}")
    if dataset.site:
        lines.append(f"site = '{dataset.site}'")
    if dataset.person:
        lines.append(f"person = '{dataset.person}'")
    lines += [_comment(note) for note in dataset.notes]
    return "\n".join(lines)


def _models(trained_on: Sequence[str], number: int) -> str:
    lines = ["[models]"]
    if len(trained_on) > 1:
        general = "general" if "general" not in trained_on else "all"
        lines.append(f"{general} = {{ number = {number}, datasets = {_value(trained_on)} }}")
    lines += [f"{name} = {_value([name])}" for name in trained_on]
    return "\n".join(lines)


def _split(folds: int) -> str:
    usual = Split()
    lines = [
        _comment("By person: a share for testing, the rest into folds."),
        "[split]",
        f"seed = {usual.seed}",
        f"test_fraction = {usual.test_fraction}",
    ]
    if folds < usual.folds:
        lines.append(_comment(f"Not {usual.folds}: a source has so few persons to learn from."))
    lines += [f"folds = {folds}", '# stratify = ["vendor", "pathology", "site", "sex"]']
    return "\n".join(lines)


def _plan(small: bool) -> str:
    lines = ["[plan]", 'configuration = "3d_fullres"']
    if small:
        lines += [
            "",
            _comment("Small, to see that all runs: take this table away for plans of nnU-Net's."),
            "[plan.reduction]",
            *_keys(SMALL_REDUCTION),
        ]
    return "\n".join(lines)


def _train(small: bool) -> str:
    usual = Train()
    sizes = {key: getattr(usual, key) for key in ("epochs", "iterations", "validations")}
    lines = ["[train]"]
    if small:
        full = ", ".join(f"{key} = {value}" for key, value in sizes.items())
        lines.insert(0, _comment(f"Small: nnU-Net has {full}, and all folds."))
        sizes = SMALL_TRAIN
    lines += [*_keys(sizes), f"seed = {usual.seed}"]
    lines.append(f"# replicates = {usual.replicates}")
    lines.append(
        '# identical = "here"  # for GPUs: the same bytes on those of one kind, not "anywhere"'
    )
    return "\n".join(lines)


def _predict(small: bool) -> str:
    usual = Predict()
    axes = usual.mirror_axes if small else [0, 1, 2]
    return "\n".join(
        ["[predict]", f"mirror_axes = {_value(axes)}", f"tile_step = {usual.tile_step}"]
    )


def _judge() -> str:
    usual = [f"# {key} = {value}" for key, value in Judge()]
    return "\n".join(["# [judge]", *usual])


def _keys(values: Mapping[str, object]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in values.items()]


def _images(images: Sequence[str]) -> str:
    """The list in one line, or a line each."""
    line = f"images = {_value(images)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(["images = [", *(f"    {_value(image)}," for image in images), "]"])


def _value(value: object) -> str:
    """A value as TOML has it, where that is as JSON has it."""
    return json.dumps(value, ensure_ascii=False)


def _inline(values: Mapping[str, str]) -> str:
    pairs = [f"{key} = {_value(value)}" for key, value in values.items()]
    return f"{{ {', '.join(pairs)} }}"


def _comment(text: str) -> str:
    return "\n".join(_wrapped(text))


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
