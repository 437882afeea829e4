"""The models of a study: those of its TOML, and those that fairness and baselines ask for.

Owns: what each model is there to show, what it learns from, whose plans it has, and how it is
trained.
Does not own: the TOML (`schema`), or where a model lies (`layout`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cordstudy.study.schema import Reduction, Study

IMAGES_MATCHED = 100
"""Added to the general model's number for that of the one with as many images as the largest of
its datasets: 701 and on."""
PEOPLE_MATCHED = 101
"""Likewise for the one with as many people: 702 and on, up to 800."""
LEAVE_ONE_OUT = 300
"""Added to a dataset's number for that of the model which does not see it: 801 and on."""

Kind = Literal[
    "general", "specific", "size-matched", "size-matched-people", "leave-one-out", "baseline"
]


@dataclass(frozen=True)
class Model:
    """A model of a study: the datasets that it learns from, and what it is there to show."""

    name: str
    kind: Kind
    learns_from: tuple[str, ...]
    number: int | None = None
    """Of its merged nnU-Net dataset; None where it learns from a source's own."""
    without: str = ""
    """The dataset that a leave-one-out model does not see."""
    set_of: str = ""
    """The model whose training set it learns from; empty where it has its own."""

    @property
    def merged(self) -> bool:
        """Whether it has a training set of its own, made from those of several datasets or a share
        of them."""
        return self.number is not None and not self.set_of


def general_model(study: Study) -> str:
    """The model that learns from the most datasets."""
    return max(study.models, key=lambda name: len(study.models[name].datasets))


def models_of(study: Study) -> dict[str, Model]:
    """Every model that is trained: those of the TOML, those that fairness asks for, and baselines
    that are networks. Of a study that trains nothing, those of the study that trained them."""
    if study.trained_in:
        return models_of(study.trained_in)
    general = general_model(study)
    models = {}
    for name, table in study.models.items():
        kind: Kind = "general" if name == general else "specific"
        models[name] = Model(name, kind, tuple(table.datasets), table.number)
    for model in fairness_models(study):
        models[model.name] = model
    for model in _baselines(study):
        if study.baselines[model.name].configuration:
            models[model.name] = model
    return models


def untrained_models(study: Study) -> list[Model]:
    """The baselines that are no networks of this study: a shape, or another's program."""
    return [model for model in _baselines(study) if model.name not in models_of(study)]


def judged_models(study: Study) -> list[Model]:
    """Every model that is judged: those that are trained, then the other baselines."""
    return [*models_of(study).values(), *untrained_models(study)]


def fairness_models(study: Study) -> list[Model]:
    """The models that fairness asks for beside those of the TOML."""
    if study.trained_in:
        return fairness_models(study.trained_in)
    table = study.models[general_model(study)]
    general, learns_from = table.number or 0, tuple(table.datasets)
    models = []
    if "images" in study.fairness.size_matched:
        number = general + IMAGES_MATCHED
        models.append(Model("size-matched", "size-matched", learns_from, number))
    if "people" in study.fairness.size_matched:
        number = general + PEOPLE_MATCHED
        models.append(Model("size-matched-people", "size-matched-people", learns_from, number))
    for left in left_out(study):
        others = tuple(name for name in learns_from if name != left)
        own = study.datasets[left].number + LEAVE_ONE_OUT if len(others) > 1 else None
        models.append(Model(f"without-{left}", "leave-one-out", others, own, without=left))
    return models


def left_out(study: Study) -> list[str]:
    """The datasets of the general model that a model of their own does not see."""
    asked = study.fairness.leave_one_out
    datasets = study.models[general_model(study)].datasets
    if isinstance(asked, bool):
        return list(datasets) if asked else []
    return [name for name in datasets if name in asked]


def _baselines(study: Study) -> list[Model]:
    """The baselines of a study; all but programs learn from the general model's training set."""
    general = general_model(study)
    table = study.models[general]
    models = []
    for name, baseline in study.baselines.items():
        if baseline.command:
            models.append(Model(name, "baseline", ()))
            continue
        learns_from = tuple(table.datasets)
        models.append(Model(name, "baseline", learns_from, table.number, set_of=general))
    return models


def planned_by(study: Study, model: Model) -> str:
    """The model whose training data a model's plans come from.

    Shared plans are those of the model of the most datasets that sees none which a leave-one-out
    model leaves out: without such models the general one. Where every dataset is left out there is
    none, and each model plans for itself, by the fixed values of `[plan.reduction]`.
    """
    if study.fairness.plans == "per-model" or model.kind == "baseline":
        return model.name
    return shared_planner(study) or model.name


def shared_planner(study: Study) -> str:
    """The model whose plans all share; empty where every one sees a dataset that is left out."""
    left = set(left_out(study))
    fit = [model for model in models_of(study).values() if not left.intersection(model.learns_from)]
    fit = [model for model in fit if model.kind != "baseline"]
    if not fit:
        return ""
    return max(fit, key=lambda model: (len(model.learns_from), model.kind == "general")).name


def configuration(study: Study, model: Model) -> str:
    """nnU-Net's configuration of a model that is trained."""
    baseline = study.baselines.get(model.name)
    if baseline and baseline.configuration:
        return baseline.configuration
    return study.plan.configuration


def reduction(study: Study, model: Model) -> Reduction | None:
    """What is changed in the plans that a model makes."""
    baseline = study.baselines.get(model.name)
    return baseline.reduction if baseline else study.plan.reduction


def epochs(study: Study, model: Model) -> int:
    """How long a model is trained; 0 for one that is not, and of which nobody here knows."""
    if study.given or model.name not in models_of(study):
        return 0
    return study.fairness.epochs.get(model.name, study.train.epochs)


def replicates(study: Study, model: Model) -> int:
    """How many times a model is trained."""
    return study.train.replicates_of.get(model.name, study.train.replicates)


def trainings(study: Study) -> list[tuple[Model, int]]:
    """Every training of every model, by its number: the first of all models, which are the judged
    ones, then the second of those that have one, and so on."""
    models = list(models_of(study).values())
    most = max(replicates(study, model) for model in models)
    numbered = []
    for number in range(1, most + 1):
        numbered += [(model, number) for model in models if number <= replicates(study, model)]
    return numbered


def balanced(study: Study, model: Model) -> bool:
    """Whether a model's batches draw its datasets with like chance."""
    return study.fairness.sampling == "datasets" and len(model.learns_from) > 1
