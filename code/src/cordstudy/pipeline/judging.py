"""What is judged, and how: the models of a study, its datasets, the settings of the statistics.

Owns: a study's judging file, which `study run` renders from the study's TOML, as values.
Does not own: the statistics (`compare`), or the page about them (`report`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cordstudy.errors import StudyError
from cordstudy.pipeline.texts import read_json, shaped

HINT = "`code/study run` writes it from the study's TOML"


@dataclass(frozen=True)
class Model:
    """One model: the datasets that it learned from (`parts`), where its plans come from, how it was trained."""

    name: str
    kind: Literal["general", "specific", "size-matched", "leave-one-out"]
    parts: Sequence[str]
    without: str
    """The dataset that a leave-one-out model does not see."""
    plans_of: str
    epochs: int
    balanced: bool
    """Whether its batches drew its datasets with like chance."""


@dataclass(frozen=True)
class Dataset:
    """One dataset, by its path in the study; a phantom is synthetic."""

    name: str
    path: str
    phantom: bool


@dataclass(frozen=True)
class Judging:
    """All of it. `margin` is that of equivalence, in Dice; `resamples` and `seed` are the bootstrap's."""

    study: str
    models: Sequence[Model]
    datasets: Sequence[Dataset]
    trainings: int
    nsd_tolerance_mm: float
    margin: float
    resamples: int
    seed: int

    def of_kind(self, *kinds: str) -> list[Model]:
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
        """Datasets that no model learned from."""
        seen = {part for model in self.models for part in model.parts}
        return [dataset.name for dataset in self.datasets if dataset.name not in seen]


def read_judging(path: Path) -> Judging:
    """Read a judging file. Raises StudyError if it is not one."""
    try:
        content = read_json(path, hint=HINT)
        models = [Model(**entry) for entry in content["models"]]
        datasets = [Dataset(**entry) for entry in content["datasets"]]
        found = Judging(**{**content, "models": models, "datasets": datasets})  # it knows no other key
        return shaped(Judging, asdict(found))
    except (TypeError, ValueError, KeyError) as error:
        raise StudyError(f"{path}: not a study's judging file: {error}", hint=HINT) from error
