"""The models of a study: those of its TOML, and those that fairness asks for beside them.

Owns: what each model is there to show, what it learns from, and how it is trained.
Does not own: the TOML (`schema`), or where a model lies (`layout`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cordstudy.study.schema import Study

SIZE_MATCHED = 100
"""Added to the general model's number for that of the size-matched one: 701 and on."""
LEAVE_ONE_OUT = 300
"""Added to a dataset's number for that of the model which does not see it: 801 and on."""

Kind = Literal["general", "specific", "size-matched", "leave-one-out"]


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

    @property
    def merged(self) -> bool:
        """Whether it has a training set of its own, made from those of several datasets or a share
        of them."""
        return self.number is not None


def general_model(study: Study) -> str:
    """The model that learns from the most datasets."""
    return max(study.models, key=lambda name: len(study.models[name].datasets))


def models_of(study: Study) -> dict[str, Model]:
    """Every model that is trained: those of the TOML, then those that fairness asks for."""
    general = general_model(study)
    models = {}
    for name, table in study.models.items():
        kind: Kind = "general" if name == general else "specific"
        models[name] = Model(name, kind, tuple(table.datasets), table.number)
    for model in fairness_models(study):
        models[model.name] = model
    return models


def fairness_models(study: Study) -> list[Model]:
    """The models that fairness asks for beside those of the TOML."""
    table = study.models[general_model(study)]
    models = []
    if study.fairness.size_matched:
        number = (table.number or 0) + SIZE_MATCHED
        models.append(Model("size-matched", "size-matched", tuple(table.datasets), number))
    if study.fairness.leave_one_out:
        for left in table.datasets:
            others = tuple(name for name in table.datasets if name != left)
            name = f"without-{left}"
            own = study.datasets[left].number + LEAVE_ONE_OUT if len(others) > 1 else None
            models.append(Model(name, "leave-one-out", others, own, without=left))
    return models


def planned_by(study: Study, model: Model) -> str:
    """The model whose training data a model's plans come from.

    A leave-one-out model's are always its own: the general ones have seen the dataset that it
    leaves out.
    """
    if study.fairness.plans == "shared" and model.kind != "leave-one-out":
        return general_model(study)
    return model.name


def epochs(study: Study, model: Model) -> int:
    """How long a model is trained."""
    return study.fairness.epochs.get(model.name, study.train.epochs)


def balanced(study: Study, model: Model) -> bool:
    """Whether a model's batches draw its datasets with like chance."""
    return study.fairness.sampling == "datasets" and len(model.learns_from) > 1
