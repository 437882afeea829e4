"""What is judged, and how: the models of a study, its datasets, the settings of the statistics.

Owns: a study's judging file, which `code/study run` renders from the study's TOML, as values.
Does not own: the statistics (`comparisons`), or the page about them (`report`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import faults, read_json

HINT = "`code/study run` writes it from the study's TOML"


class Values(BaseModel):
    """Values of the judging file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JudgedModel(Values):
    """One model: the datasets that it learned from, where its plans come from, how it was
    trained."""

    name: str
    kind: Literal[
        "general", "specific", "size-matched", "size-matched-people", "leave-one-out", "baseline"
    ]
    """A baseline is shown beside the others and in no comparison."""
    learns_from: tuple[str, ...]
    without: str
    """The dataset that a leave-one-out model does not see."""
    plans_of: str
    epochs: int
    """0 for a baseline that was not trained here."""
    balanced: bool
    """Whether its batches drew its datasets with like chance."""
    trainings: int = 1
    """How many times it was trained, each with a seed of its own; the first is judged."""
    trained_on: tuple[str, ...] = ()
    """Datasets that the training of another's program saw, maybe with their test cases."""


class JudgedDataset(Values):
    """One dataset, by its path in the study; a phantom is synthetic."""

    name: str
    path: str
    phantom: bool


class Settings(Values):
    """All of it. `margin` is that of equivalence, in Dice; `resamples` and `seed` are those of what
    is drawn at random; a case below `failure_dice` is a failure."""

    study: str
    models: tuple[JudgedModel, ...]
    datasets: tuple[JudgedDataset, ...]
    trainings: int
    nsd_tolerance_mm: float
    margin: float
    resamples: int
    seed: int
    failure_dice: float = 0.1

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
