"""The parameter files of a study: what is too long for a command line.

Owns: their content, rendered from a study's values.
Does not own: where they lie (`layout`), or what reads them (`sources.rules`, `judging.settings`).
"""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel

from cordstudy.pipeline.judging.settings import (
    JudgedDataset,
    JudgedModel,
    JudgedTask,
    Settings,
)
from cordstudy.pipeline.sources.rules import Imaged, Rules
from cordstudy.study.layout import Layout
from cordstudy.study.models import (
    balanced,
    epochs,
    judged_models,
    planned_by,
    replicates,
)
from cordstudy.study.schema import Study

Part = TypeVar("Part", bound=BaseModel)
NOT_RULES = {"number", "split", "licence", "ask", "phantom", "phantom_participants"}
"""What a dataset's rules file does not hold: nothing that finds or converts cases reads it."""


def parameter_files(study: Study) -> dict[str, str]:
    """Path and content of the parameter files: each dataset's rules, and what the models are."""
    layout = Layout(study)
    files = {layout.rules(name): _text(rules_of(study, name)) for name in study.datasets}
    files[layout.judging] = _text(settings_of(study))
    return files


def _text(values: Rules | Settings) -> str:
    """The task, and the release, are absent where they are the default."""
    usual = {"task"} if values.task == type(values.task)() else set()
    if isinstance(values, Settings) and not values.release:
        usual.add("release")
    return json.dumps(values.model_dump(exclude=usual), indent=1, sort_keys=True) + "\n"


def _of_task(study: Study, kind: type[Part]) -> Part:
    """What of a study's task is in one kind of parameter files: a change of the rest makes nothing
    stale that reads them."""
    return kind.model_validate(study.task.model_dump(include=set(kind.model_fields)))


def rules_of(study: Study, dataset: str) -> Rules:
    """The rules of one dataset."""
    values = study.datasets[dataset].model_dump(exclude=NOT_RULES)
    task = _of_task(study, Imaged)
    return Rules.model_validate({"name": dataset, "task": task, **values})


def _trained_on(study: Study, model: str) -> tuple[str, ...]:
    """The datasets that another's program was trained on."""
    baseline = study.baselines.get(model)
    return tuple(baseline.trained_on) if baseline else ()


def trained_on_phantoms(study: Study) -> bool:
    """Whether all images that models of a study learned from are synthetic."""
    datasets = (study.trained_in or study).datasets.values()
    return all(dataset.phantom for dataset in datasets if dataset.role == "train")


def settings_of(study: Study) -> Settings:
    """What is judged, and how."""
    models = []
    for model in judged_models(study):
        models.append(
            JudgedModel(
                name=model.name,
                kind=model.kind,
                learns_from=model.learns_from,
                without=model.without,
                plans_of=planned_by(study, model),
                epochs=epochs(study, model),
                balanced=balanced(study, model),
                trainings=replicates(study, model),
                trained_on=_trained_on(study, model.name),
            )
        )
    datasets = []
    for name, dataset in study.datasets.items():
        datasets.append(JudgedDataset(name=name, path=dataset.path, phantom=bool(dataset.phantom)))
    return Settings(
        study=study.name,
        models=tuple(models),
        datasets=tuple(datasets),
        trainings=max(model.trainings for model in models),
        nsd_tolerance_mm=study.judge.nsd_tolerance_mm,
        margin=study.judge.margin,
        resamples=study.judge.resamples,
        seed=study.judge.seed,
        failure_dice=study.judge.failure_dice,
        task=_of_task(study, JudgedTask),
        trained_in=study.trained_in.name if study.trained_in else "",
        trained_on_phantoms=bool(study.trained_in) and trained_on_phantoms(study),
        release=study.given.path if study.given else "",
    )
