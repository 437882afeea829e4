"""What the page says beside tables and figures of judging.

Owns: the notes on fairness, what is told of masks of unknown origin, and which published figures
stand beside those of a study.
Does not own: how any of it looks (`page`), or the words of the answer (`judging.answer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.pipeline.judging.rows import grouped_by
from cordstudy.pipeline.judging.settings import JudgedModel, Settings
from cordstudy.pipeline.judging.sizes import Size, alike
from cordstudy.pipeline.raw.layout import read_cases
from cordstudy.pipeline.sources.cases import of_unknown_origin


@dataclass(frozen=True)
class Published:
    """A mean Dice that others published, of a dataset and a model that this study has too."""

    testset: str
    model: str
    dice: str
    n: str
    source: str


PUBLISHED_COLUMNS = ("path", "model", "dice", "n", "source")


def published_beside(rows: Iterable[Mapping[str, str]], settings: Settings) -> list[Published]:
    """The published figures of the datasets that this study has too: those of the same path and
    model. `rows` have `PUBLISHED_COLUMNS`."""
    names = {dataset.path: dataset.name for dataset in settings.datasets}
    models = {model.name for model in settings.models}
    beside = []
    for row in rows:
        if row["path"] in names and row["model"] in models:
            testset = names[row["path"]]
            beside.append(Published(testset, row["model"], row["dice"], row["n"], row["source"]))
    return beside


def unknown_makers(raws: Iterable[Path]) -> list[str]:
    """What to tell of the reference masks of unknown origin in some raw datasets."""
    lines = []
    for raw in raws:
        lines += of_unknown_origin(read_cases(raw))
    return lines


def fairness_notes(settings: Settings, sizes: Mapping[str, Size]) -> list[str]:
    """What was done so that the comparison is of data and nothing else; and what was not. `sizes`
    is by model."""
    if settings.release:
        told = "One model of a release, compared with none: its card tells how it was trained."
        return [told, *_baselines(settings)]
    notes = [_training_length(settings), _plans(settings), _sampling(settings)]
    for model in settings.of_kind("size-matched", "size-matched-people"):
        notes.append(_matched(model, settings, sizes))
    left_out = settings.of_kind("leave-one-out")
    if left_out:
        notes.append(
            f"Leave one dataset out: {len(left_out)} general models, planned and trained without "
            "the dataset that they are judged on."
        )
    return notes + _baselines(settings)


def _baselines(settings: Settings) -> list[str]:
    """What stands beside the models and is compared with none."""
    baselines = settings.of_kind("baseline")
    if not baselines:
        return []
    names = ", ".join(model.name for model in baselines)
    notes = [f"Baselines, shown beside the models and in no comparison: {names}."]
    for model in baselines:
        if model.trained_on:
            notes.append(
                f"{model.name}: its training saw {', '.join(model.trained_on)}, maybe with what is "
                "for testing here."
            )
    return notes


def _matched(model: JudgedModel, settings: Settings, sizes: Mapping[str, Size]) -> str:
    """What a size-matched model is, and which models it is compared with."""
    counted = "people" if model.kind == "size-matched-people" else "images"
    note = f"{model.name}: a general model of as many training {counted} as a specific one has"
    others = [name for name in settings.specifics if alike(model.kind, model.name, name, sizes)]
    if model.name not in sizes:
        return f"{note}; their sizes are not known, so it is compared with none."
    size = sizes[model.name]
    told = f"{note} ({size.images} images of {size.people} people)"
    if not others:
        return f"{told}; no specific model is within a tenth of that, so it is compared with none."
    return f"{told}; it is compared with those within a tenth of that: {', '.join(others)}."


def _training_length(settings: Settings) -> str:
    trained = [model for model in settings.models if model.epochs]
    by_epochs = grouped_by(trained, lambda model: model.epochs)
    if len(by_epochs) == 1:
        return f"Equal training length: {trained[0].epochs} epochs for every model."
    parts = []
    for epochs, models in by_epochs.items():
        names = ", ".join(model.name for model in models)
        parts.append(f"{epochs} epochs: {names}")
    return f"Not equal in training length: {'; '.join(parts)}."


def _plans(settings: Settings) -> str:
    by_planner = grouped_by(settings.models, lambda model: model.plans_of)
    for planner, shared in by_planner.items():
        if len(shared) > 1:
            return (
                f"Shared plans: {len(shared)} models have network, patch and spacing of "
                f"{planner}'s plans."
            )
    return "Plans per model: each has those that nnU-Net makes of its own training data."


def _sampling(settings: Settings) -> str:
    balanced = [model.name for model in settings.models if model.balanced]
    if balanced:
        names = ", ".join(balanced)
        return f"Balanced sampling: every dataset has the same chance in a batch of {names}."
    return (
        "Sampling by case: a dataset with more images is drawn more often in a merged training set."
    )
