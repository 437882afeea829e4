"""Reading a study's TOML.

Owns: one clear error for a file that is none, or that says what no study can.
Does not own: what may stand in it (`schema`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import check_values, faults, read_text
from cordstudy.pipeline.sources.rules import Name
from cordstudy.study.models import fairness_models, general_model, models_of
from cordstudy.study.schema import Study

FOLDER = "code/studies"
LONGEST = 80
"""Signs of a name that are told of one that is none."""


def load_study(root: Path, name: str) -> Study:
    """Read `code/studies/<name>.toml` of a study dataset.

    Raises StudyError for what is no study's name, a file that is missing or no TOML, a missing or
    unknown key or a value of the wrong kind, naming file and key.
    """
    folder = root / FOLDER
    path = folder / f"{name}.toml"
    if not _is_name(name) or not path.is_file():
        known = sorted(other.stem for other in folder.glob("*.toml"))
        raise StudyError(
            f"there is no study {name[:LONGEST]!r}",
            hint=f"one of: {', '.join(known)}",
        )
    try:
        content = tomllib.loads(read_text(path))
        check_values(content)
    except RecursionError as error:
        message = f"{path}: brackets in brackets in brackets"
        raise StudyError(message, hint="correct the TOML") from error
    except ValueError as error:
        raise StudyError(f"{path}: {error}", hint="correct the TOML") from error
    return parse_study(content, name=name, path=path)


def _is_name(name: str) -> bool:
    """Whether a study may be called so."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return False
    return True


def parse_study(content: Mapping[str, object], *, name: str, path: Path) -> Study:
    """Check the content of a study's TOML; `path` is for the message. See `load_study`."""
    try:
        study = Study.model_validate({**content, "name": name})
    except ValidationError as error:
        hint = "correct the study's TOML" + _free_number(content, error)
        raise StudyError(f"{path}: {faults(error)}", hint=hint) from error
    fault = _fairness_fault(study)
    if fault:
        raise StudyError(f"{path}: {fault}", hint="correct the study's TOML")
    return study


def _fairness_fault(study: Study) -> str:
    """What fairness asks for that the models cannot give; empty for nothing."""
    fairness = study.fairness
    asks_for_models = fairness.size_matched or fairness.leave_one_out
    if asks_for_models and len(study.models[general_model(study)].datasets) < 2:
        return "fairness: size_matched and leave_one_out need a model of several datasets"
    for model in fairness_models(study):
        if model.name in study.models:
            return f"models.{model.name}: fairness makes a model of this name"
    unknown = sorted(set(fairness.epochs) - set(models_of(study)))
    if unknown:
        return f"fairness.epochs: there is no model {unknown[0]!r}"
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
