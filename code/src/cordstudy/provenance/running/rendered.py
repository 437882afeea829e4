"""What some code renders: steps, how sources are made, and the form in which code says so.

Owns: the form (`render --json`), and steps as records are compared with them.
Does not own: which code is asked, and how (`rendering`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cordstudy.base.errors import inline
from cordstudy.provenance.history.paths import Declared
from cordstudy.provenance.history.records import join
from cordstudy.provenance.running.recipes import Recipe
from cordstudy.provenance.running.step import Recorded


class PrintedStep(BaseModel):
    """A step as code says that it renders it."""

    model_config = ConfigDict(strict=True)

    argv: Annotated[list[str], Field(min_length=1)]
    inputs: list[str]
    outputs: list[str]


class PrintedSource(BaseModel):
    """How a source is made, as code says it: a recipe, and where what it makes belongs."""

    model_config = ConfigDict(strict=True)

    path: str
    argv: Annotated[list[str], Field(min_length=1)]
    code: list[str]
    outputs: list[str]
    message: str
    attributes: str
    unique_name: str
    author: tuple[str, str]
    date: str

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return Recipe(
            argv=tuple(self.argv),
            code=tuple(self.code),
            outputs=tuple(self.outputs),
            message=self.message,
            attributes=self.attributes,
            unique_name=self.unique_name,
            author=self.author,
            date=self.date,
        )


class PrintedStudy(BaseModel):
    """The steps of one study and its sources that are made, or why there are none."""

    model_config = ConfigDict(strict=True)

    steps: list[PrintedStep] = []
    sources: list[PrintedSource] = []
    fault: str = ""


class Printed(BaseModel):
    """All that code renders: `render --json`. A change that takes a key away is a new format."""

    model_config = ConfigDict(strict=True)

    format: Literal[1] = 1
    studies: dict[str, PrintedStudy]
    """By the path of the study's file."""


@dataclass(frozen=True)
class Expected:
    """What the record of a step says: its command and its inputs."""

    cmd: str
    inputs: frozenset[str]


@dataclass(frozen=True)
class Steps:
    """The steps that some code renders, by their outputs; the studies that it cannot, with why."""

    by_outputs: Mapping[tuple[str, ...], Expected]
    faults: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def outputs(self) -> Declared:
        """What any of them makes."""
        specs: set[str] = set()
        for outputs in self.by_outputs:
            specs.update(outputs)
        return Declared(specs)

    def unreadable(self, outputs: tuple[str, ...]) -> str:
        """Why nobody can tell whether a step has these outputs; empty where one can."""
        if outputs in self.by_outputs or not self.faults:
            return ""
        study, fault = next(iter(self.faults.items()))
        return f"{study}: {fault}"


@dataclass(frozen=True)
class Rendered:
    """What the present code renders: the steps of each study by the path of its file, the files
    that the renderer itself consists of, and why some studies render nothing."""

    studies: Mapping[str, Sequence[Recorded]]
    renderer: tuple[str, ...]
    faults: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, Mapping[str, Recipe]] = field(default_factory=dict)
    """How the sources of each study are made that are, by their path."""


def printed(rendered: Rendered) -> Printed:
    """What the present code renders, in the form that other code reads."""
    studies: dict[str, PrintedStudy] = {}
    for path, fault in rendered.faults.items():
        studies[inline(path)] = PrintedStudy(fault=inline(fault))
    for path, steps in rendered.studies.items():
        recipes = rendered.recipes.get(path, {})
        studies[inline(path)] = PrintedStudy(
            steps=[_printed_step(step) for step in steps],
            sources=[_printed_source(place, recipe) for place, recipe in recipes.items()],
        )
    return Printed(studies=studies)


def _printed_step(step: Recorded) -> PrintedStep:
    return PrintedStep(argv=list(step.argv), inputs=list(step.inputs), outputs=list(step.outputs))


def _printed_source(path: str, recipe: Recipe) -> PrintedSource:
    return PrintedSource(
        path=path,
        argv=list(recipe.argv),
        code=list(recipe.code),
        outputs=list(recipe.outputs),
        message=recipe.message,
        attributes=recipe.attributes,
        unique_name=recipe.unique_name,
        author=recipe.author,
        date=recipe.date,
    )


def understood(told: Printed) -> Steps:
    """The steps that code says it renders."""
    by_outputs: dict[tuple[str, ...], Expected] = {}
    faults: dict[str, str] = {}
    for path, study in told.studies.items():
        if study.fault:
            faults[path] = study.fault
        for step in study.steps:
            by_outputs[tuple(step.outputs)] = Expected(join(step.argv), frozenset(step.inputs))
    return Steps(by_outputs, faults)
