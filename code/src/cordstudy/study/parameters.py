"""The parameter files of a study: what is too long for a command line.

Owns: their content, rendered from a study's values.
Does not own: where they lie (`layout`), or what reads them (`sources.rules`, `judging.settings`).
"""

from __future__ import annotations

import json

from pydantic import BaseModel

from cordstudy.pipeline.judging.settings import JudgedDataset, JudgedModel, Settings
from cordstudy.pipeline.sources.rules import Rules
from cordstudy.study.layout import Layout
from cordstudy.study.models import (
    balanced,
    epochs,
    judged_models,
    planned_by,
    replicates,
)
from cordstudy.study.schema import Study

NOT_RULES = {"number", "split", "licence", "ask", "phantom", "phantom_participants"}
"""What a dataset's rules file does not hold: nothing that finds or converts cases reads it."""


def parameter_files(study: Study) -> dict[str, str]:
    """Path and content of the parameter files: each dataset's rules, and what the models are."""
    layout = Layout(study)
    files = {layout.rules(name): _text(rules_of(study, name)) for name in study.datasets}
    files[layout.judging] = _text(settings_of(study))
    return files


def _text(values: BaseModel) -> str:
    return json.dumps(values.model_dump(), indent=1, sort_keys=True) + "\n"


def rules_of(study: Study, dataset: str) -> Rules:
    """The rules of one dataset."""
    values = study.datasets[dataset].model_dump(exclude=NOT_RULES)
    return Rules.model_validate({"name": dataset, **values})


def _trained_on(study: Study, model: str) -> tuple[str, ...]:
    """The datasets that another's program was trained on."""
    baseline = study.baselines.get(model)
    return tuple(baseline.trained_on) if baseline else ()


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
    )
