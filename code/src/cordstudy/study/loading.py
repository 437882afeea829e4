"""Reading a study's TOML.

Owns: one clear error for a file that is none, or that says what no study can.
Does not own: what may stand in it (`schema`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import check_values, did_you_mean, read_text
from cordstudy.pipeline.sources.rules import Name
from cordstudy.study.external import External
from cordstudy.study.faults import NO_KEYS, fault_lines, told
from cordstudy.study.models import (
    fairness_models,
    general_model,
    models_of,
    shared_planner,
)
from cordstudy.study.releases import Given, Unpack, is_release
from cordstudy.study.schema import ModelTable, Predict, Study, Train
from cordstudy.study.task import Task

FOLDER = "code/studies"
ALL_AXES: tuple[Literal[0, 1, 2], ...] = (0, 1, 2)
"""That a release mirrors along: of these it does along those that it was trained with."""
LONGEST = 80
"""Signs of a name that are told of one that is none."""


def load_study(root: Path, name: str) -> Study:
    """Read `code/studies/<name>.toml` of a study dataset.

    Raises StudyError for what is no study's name, a file that is missing or no TOML, a missing or
    unknown key or a value of the wrong kind, naming file and key; and for what another study's
    models cannot be judged on.
    """
    path = root / FOLDER / f"{name}.toml"
    content = _read(root, name)
    if not isinstance(content.get("models"), str):
        return parse_study(content, name=name, path=path)
    external = _parse_external(content, name=name, path=path)
    if is_release(external.models):
        return _judging_release(external, path)
    if not isinstance(_read(root, external.models).get("models"), dict):
        raise StudyError(
            f"{path}: models: {external.models} trains none either",
            hint="name the study that trained them",
        )
    return _judging(external, load_study(root, external.models), path)


def _read(root: Path, name: str) -> dict[str, object]:
    """The content of a study's TOML. See `load_study`."""
    path = root / FOLDER / f"{check_study(root, name)}.toml"
    try:
        content = tomllib.loads(read_text(path))
        check_values(content)
    except RecursionError as error:
        message = f"{path}: brackets in brackets in brackets"
        raise StudyError(message, hint="correct the TOML") from error
    except ValueError as error:
        raise StudyError(f"{path}: {error}", hint="correct the TOML") from error
    return content


def _parse_external(content: Mapping[str, object], *, name: str, path: Path) -> External:
    """Check the content of the TOML of a study that trains nothing."""
    try:
        return External.model_validate({**content, "name": name})
    except ValidationError as error:
        hint = "correct the study's TOML: one that takes models from elsewhere trains none"
        raise StudyError(f"{path}: {told(fault_lines(error, External))}", hint=hint) from error


def _judging(external: External, trained_in: Study, path: Path) -> Study:
    """The study that judges the models of another. Raises StudyError where those learned from what
    they would be judged on, or have the name of a baseline."""
    learned = {name for model in models_of(trained_in).values() for name in model.learns_from}
    paths = {trained_in.datasets[name].path: name for name in learned}
    for name, dataset in external.datasets.items():
        seen = name if name in learned else paths.get(dataset.path)
        if seen:
            raise StudyError(
                f"{path}: datasets.{name}: models of {trained_in.name} learned from {seen}",
                hint=f"they are judged on people of it in {trained_in.name}; name another dataset",
            )
    networks = {name: one for name, one in trained_in.baselines.items() if one.configuration}
    for name in external.baselines:
        if name in networks:
            fault = f"baselines.{name}: {trained_in.name} has a model of this name"
            raise StudyError(f"{path}: {fault}", hint="name it otherwise")
    study = trained_in.model_copy(
        update={
            "name": external.name,
            "datasets": external.datasets,
            "baselines": networks | external.baselines,
            "judge": external.judge,
            "release": None,
            "trained_in": trained_in,
        }
    )
    if fault := _baseline_fault(study):
        raise StudyError(f"{path}: {fault}", hint="correct the study's TOML")
    return study


def _judging_release(external: External, path: Path) -> Study:
    """The study that judges the model of a release: general, and of nobody knows what here. Raises
    StudyError where a baseline has its name."""
    unpack = external.unpack or Unpack()
    given = Given(path=external.models, **unpack.model_dump())
    study = Study.model_construct(
        name=external.name,
        datasets=external.datasets,
        models={given.model: ModelTable.model_construct(datasets=[])},
        train=Train(folds=given.folds, identical=given.identical),
        predict=Predict(mirror_axes=list(ALL_AXES), tile_step=given.tile_step),
        baselines=external.baselines,
        judge=external.judge,
        task=external.task or Task(),
        given=given,
    )
    if fault := _baseline_fault(study):
        raise StudyError(f"{path}: {fault}", hint="correct the study's TOML")
    return study


def studies(root: Path) -> list[str]:
    """The names of a dataset's studies, sorted."""
    return sorted(path.stem for path in (root / FOLDER).glob("*.toml") if _is_name(path.stem))


def check_study(root: Path, name: str, *, where: str = "") -> str:
    """The name of a study. Raises StudyError, which says `where` it was read, for one that is none:
    a path is no name."""
    known = studies(root)
    if name not in known:
        near = did_you_mean(name[:LONGEST], known)
        raise StudyError(
            f"{where}there is no study {name[:LONGEST]!r}",
            hint=f"{near}one of: {', '.join(known)}",
        )
    return name


def _is_name(name: str) -> bool:
    """Whether a study may be called so."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return False
    return True


def parse_study(content: Mapping[str, object], *, name: str, path: Path) -> Study:
    """Check the content of a study's TOML; `path` is for the message. See `load_study`."""
    if told_twice := [f"{key}: unknown key" for key in NO_KEYS if key in content]:
        raise StudyError(f"{path}: {told(told_twice)}", hint="take it out of the study's TOML")
    try:
        study = Study.model_validate({**content, "name": name})
    except ValidationError as error:
        hint = "correct the study's TOML" + _free_number(content, error)
        raise StudyError(f"{path}: {told(fault_lines(error, Study))}", hint=hint) from error
    lines = [line for line in (_fairness_fault(study), _baseline_fault(study)) if line]
    lines += _unknown_models(study)
    if lines:
        raise StudyError(f"{path}: {told(lines)}", hint="correct the study's TOML")
    return study


def _unknown_models(study: Study) -> list[str]:
    """What to tell of tables by model that name one which the study does not have."""
    known = models_of(study)
    tables: dict[str, Iterable[str]] = {
        "fairness.epochs": study.fairness.epochs,
        "train.replicates_of": study.train.replicates_of,
    }
    lines = []
    for key, names in tables.items():
        for name in sorted(set(names) - set(known)):
            near = did_you_mean(name, known).strip() or f"it has {', '.join(known)}"
            lines.append(f"{key}: there is no model {name!r}; {near}")
    return lines


def _fairness_fault(study: Study) -> str:
    """What fairness asks for that the models cannot give; empty for nothing."""
    fairness, datasets = study.fairness, study.models[general_model(study)].datasets
    asks_for_models = fairness.size_matched or fairness.leave_one_out
    if asks_for_models and len(datasets) < 2:
        return "fairness: size_matched and leave_one_out need a model of several datasets"
    for model in fairness_models(study):
        if model.name in study.models:
            return f"models.{model.name}: fairness makes a model of this name"
    if isinstance(fairness.leave_one_out, list):
        for name in fairness.leave_one_out:
            if name not in datasets:
                return f"fairness.leave_one_out: the general model does not see {name!r}"
    return _plans_fault(study)


def _plans_fault(study: Study) -> str:
    """Why no plans can be shared; empty where they can, or need not be."""
    if study.fairness.plans == "per-model" or shared_planner(study) or study.plan.reduction:
        return ""
    return (
        "fairness: plans that all share would come from a dataset that leave_one_out leaves out: "
        'list fewer datasets there, set every value by [plan.reduction], or plans = "per-model"'
    )


def _baseline_fault(study: Study) -> str:
    """What a baseline is that it cannot be; empty for nothing."""
    models = {*study.models, *(model.name for model in fairness_models(study))}
    for name, baseline in study.baselines.items():
        if name in models:
            return f"baselines.{name}: there is a model of this name"
        unknown = sorted(set(baseline.trained_on) - set(study.datasets))
        if unknown:
            return f"baselines.{name}.trained_on: there is no dataset {unknown[0]!r}"
        if study.plan.reduction and baseline.configuration and not baseline.reduction:
            return f"baselines.{name}: [plan] has a reduction, so it needs one of its own"
    return ""


def _free_number(content: Mapping[str, object], error: ValidationError) -> str:
    """The first number that is free, where a dataset lacks one."""
    lacking = any(fault["loc"][-1:] == ("number",) for fault in error.errors())
    datasets = content.get("datasets")
    if not lacking or not isinstance(datasets, dict):
        return ""
    taken = {table.get("number") for table in datasets.values() if isinstance(table, dict)}
    free = next(number for number in range(501, 600) if number not in taken)
    return f"; {free} is a free number"
