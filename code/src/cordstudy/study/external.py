"""What may stand in the TOML of a study that trains nothing.

Owns: its keys, and what of them must agree.
Does not own: the study that follows from it (`loading`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from cordstudy.pipeline.sources.rules import Below, Name, Table
from cordstudy.study.releases import Unpack, is_release
from cordstudy.study.schema import Baseline, Dataset, Judge, check_distinct
from cordstudy.study.task import Task

NAMED: TypeAdapter[str] = TypeAdapter(Name)
BELOW_ROOT: TypeAdapter[str] = TypeAdapter(Below)


class External(Table):
    """The TOML of a study that trains nothing: it judges models that another study here trained, or
    the one of a release."""

    name: Name
    models: str
    """The study that trained them, or the path of a release."""
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    baselines: dict[Name, Baseline] = {}
    judge: Judge = Judge()
    unpack: Unpack | None = None
    """Of a release alone."""
    task: Task | None = None
    """Of a release alone: the task of another study's models is that study's."""

    @field_validator("models")
    @classmethod
    def _leads_to_models(cls, told: str) -> str:
        kind = BELOW_ROOT if is_release(told) else NAMED
        try:
            return kind.validate_python(told)
        except ValidationError as error:
            raise ValueError(
                f"{told!r} is neither a study's name nor the path of a release below the root of "
                "the repository: its .zip, or its folder"
            ) from error

    @model_validator(mode="after")
    def _says_nothing_of_a_study(self) -> External:
        if not is_release(self.models):
            lines = []
            for key in ("unpack", "task"):
                if getattr(self, key) is not None:
                    lines.append(f"{key}: it is of a release, and {self.models} is a study")
            if lines:
                raise ValueError("\n".join(lines))
        return self

    @model_validator(mode="after")
    def _only_judges(self) -> External:
        for name, dataset in self.datasets.items():
            if dataset.role != "test":
                told = "a study that takes the models of another trains none"
                raise ValueError(f'datasets.{name}.role: "test": {told}')
        for name, baseline in self.baselines.items():
            if not baseline.command:
                told = "baselines that learn are those of the study that trained the models"
                raise ValueError(f"baselines.{name}: needs command: {told}")
        return self

    @model_validator(mode="after")
    def _nothing_is_twice(self) -> External:
        check_distinct(self.datasets, {})
        return self
