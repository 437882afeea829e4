"""What is judged, and how: the models of a study, its datasets, the settings of the statistics.

Owns: a study's judging file, which `code/study run` renders from the study's TOML, as values.
Does not own: the statistics (`comparisons`), or the page about them (`report`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import faults, read_json

HINT = "`code/study run` writes it from the study's TOML"
FEWEST_RESAMPLES = 500
"""With fewer, no p is small enough for a few comparisons with the best of a few models."""
Count = Annotated[int, Field(ge=1, strict=True)]
Named = Annotated[str, Field(min_length=1)]
Grouping = Literal["contrast", "vendor", "pathology", "label_origin", "site", "field_strength"]
STRATA: tuple[Grouping, ...] = get_args(Grouping)
"""Columns of cases.tsv whose values are told apart."""
QUESTION = "Does training on several datasets make spinal cord segmentation generalize?"


class Values(BaseModel):
    """Values of the judging file: unknown keys are errors, values never change, numbers are
    finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class JudgedModel(Values):
    """One model: the datasets that it learned from, where its plans come from, how it was
    trained."""

    name: Named
    kind: Literal[
        "general", "specific", "size-matched", "size-matched-people", "leave-one-out", "baseline"
    ]
    """A baseline is shown beside the others and in no comparison."""
    learns_from: tuple[str, ...]
    without: str
    """The dataset that a leave-one-out model does not see."""
    plans_of: str
    epochs: Annotated[int, Field(ge=0, strict=True)]
    """0 for a baseline that was not trained here."""
    balanced: bool
    """Whether its batches drew its datasets with like chance."""
    trainings: Count = 1
    """How many times it was trained, each with a seed of its own; the first is judged."""
    trained_on: tuple[str, ...] = ()
    """Datasets that the training of another's program saw, maybe with their test cases."""


class JudgedDataset(Values):
    """One dataset, by its path in the study; a phantom is synthetic."""

    name: Named
    path: str
    phantom: bool


class JudgedTask(Values):
    """What is segmented, and what of it is measured and told."""

    structure: Named = "spinal cord"
    areas: bool = True
    """Whether it is measured in cross-sections along the body."""
    strata: tuple[Grouping, ...] = STRATA
    """What results are told apart by."""
    question: Named = QUESTION


class Settings(Values):
    """All of it. `margin` is that of equivalence, in Dice; `resamples` and `seed` are those of what
    is drawn at random; a case below `failure_dice` is a failure. The limits are those of `[judge]`
    in the study's TOML."""

    study: str
    models: tuple[JudgedModel, ...]
    datasets: Annotated[tuple[JudgedDataset, ...], Field(min_length=1)]
    trainings: Count
    nsd_tolerance_mm: Annotated[float, Field(gt=0, strict=True)]
    margin: Annotated[float, Field(gt=0, lt=1, strict=True)]
    resamples: Annotated[int, Field(ge=FEWEST_RESAMPLES, strict=True)]
    seed: Annotated[int, Field(ge=0, strict=True)]
    failure_dice: Annotated[float, Field(gt=0, le=1, strict=True)] = 0.1
    task: JudgedTask = JudgedTask()
    trained_in: str = ""
    """The study that trained the models; empty where it is this one."""
    trained_on_phantoms: bool = False
    """Whether all that study's training images are synthetic."""
    release: str = ""
    """The release whose model it is; empty for models that were trained here. What its training saw
    is told by the comparisons with its cases alone (`leakage`)."""

    @model_validator(mode="after")
    def _has_a_general_model(self) -> Settings:
        """One general model. Without specific ones there is no answer, and no fault either: a study
        may train one model alone."""
        general = [model.name for model in self.of_kind("general")]
        if len(general) != 1:
            told = ", ".join(general) or "there is none"
            raise ValueError(f"models: one has the kind general, and no other: {told}")
        return self

    @model_validator(mode="after")
    def _names_each_once(self) -> Settings:
        for key, values in (("models", self.models), ("datasets", self.datasets)):
            names = [value.name for value in values]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{key}: {name!r} stands there twice")
        for model in self.models:
            if len(set(model.learns_from)) < len(model.learns_from):
                raise ValueError(f"models: {model.name}: learns_from has a dataset twice")
        return self

    def of_kind(self, *kinds: str) -> list[JudgedModel]:
        """The models of some kinds."""
        return [model for model in self.models if model.kind in kinds]

    @property
    def general(self) -> str:
        """The model that the question is about."""
        return self.of_kind("general")[0].name

    @property
    def specifics(self) -> list[str]:
        """The models that it is compared with."""
        return [model.name for model in self.of_kind("specific")]

    @property
    def unseen(self) -> list[str]:
        """Datasets that no model learned from, but for baselines."""
        seen: set[str] = set()
        for model in self._compared:
            seen.update(model.learns_from)
        return [dataset.name for dataset in self.datasets if dataset.name not in seen]

    def at_home(self, dataset: str) -> list[str]:
        """The models that learned from a dataset, but for baselines."""
        return [model.name for model in self._compared if dataset in model.learns_from]

    @property
    def _compared(self) -> list[JudgedModel]:
        return [model for model in self.models if model.kind != "baseline"]


def read_settings(path: Path) -> Settings:
    """Read a judging file. Raises StudyError if it is not one."""
    try:
        return Settings.model_validate(read_json(path, hint=HINT))
    except ValidationError as error:
        message = f"{path}: not a study's judging file: {faults(error)}"
        raise StudyError(message, hint=HINT) from error
