"""The section about who was studied: its counts and cells, in words.

Owns: what of the tables of the cohort stands on the page, and how a cell says it.
Does not own: any number in it (`judging.cohort`, `judging.flow`), or how it looks (the template).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.cohort import ALL, Characteristic, Cohort
from cordstudy.pipeline.judging.flow import JUDGED, LEFT, LISTED, NOTHING, TRAINED, USED, Stage
from cordstudy.pipeline.judging.rows import grouped_by
from cordstudy.pipeline.judging.settings import JudgedModel, Settings
from cordstudy.pipeline.raw.names import TRAIN
from cordstudy.pipeline.report import origins
from cordstudy.pipeline.report.origins import Origin

SHOWN = 4
"""Values of one thing that a cell counts singly."""
HEADINGS = {
    "sex": "sex",
    "vendor": "vendor",
    "field_strength": "tesla",
    "site": "sites",
    "pathology": "pathology",
    "contrast": "contrast",
    "voxel_size_mm": "voxel size, mm",
}
"""Of the columns after the ages, by what they are about."""
VOXEL_SIZE = "voxel_size_mm"
OF_IMAGES = ("contrast", VOXEL_SIZE)
"""What is counted by images; all else by persons."""
WHOLE = ("general", "specific", "leave-one-out")
"""The kinds of models that learn from all training cases of their datasets."""


@dataclass(frozen=True)
class Part:
    """The training or test part of one source, as a row of the table."""

    dataset: str
    part: str
    told: Sequence[Characteristic]

    @property
    def total(self) -> Characteristic:
        """All of its cases."""
        return next(one for one in self.told if one.characteristic == ALL)

    @property
    def origin(self) -> Origin:
        """Where its numbers come from."""
        return origins.of_cohort(self.dataset, self.part)

    @property
    def ages(self) -> str:
        """The ages, years."""
        ages = {one.characteristic: one for one in self.told}
        unknown = ages["age"].persons if "age" in ages else 0
        if "age median" not in ages:
            return "not known"
        years = {name: one.value.removesuffix(".0") for name, one in ages.items()}
        text = (
            f"{years['age median']} ({years['age quartile 1']} to {years['age quartile 3']}), "
            f"{years['age lowest']} to {years['age highest']}"
        )
        return f"{text}; not known: {unknown}" if unknown else text

    def cell(self, name: str) -> str:
        """How many have each value of one thing; where they are many, how many values and the
        most frequent, of voxel sizes the smallest and largest along each axis."""
        rows = [one for one in self.told if one.characteristic == name]
        known = [one for one in rows if one.value != MISSING]
        if not known:
            return "not known"
        words = [self._counted(one) for one in known]
        text = ", ".join(words)
        if len(known) > SHOWN and name == VOXEL_SIZE:
            text = f"{len(known)}: {_ranges([one.value for one in known])}"
        elif len(known) > SHOWN:
            rest = len(known) - SHOWN + 1
            text = f"{len(known)}: {', '.join(words[: SHOWN - 1])} and {rest} more"
        unknown = [self._counted(one) for one in rows if one.value == MISSING]
        return "; ".join([text, *unknown]).replace(MISSING, "not known:")

    @staticmethod
    def _counted(row: Characteristic) -> str:
        count = row.images if row.characteristic in OF_IMAGES else row.persons
        value = row.value.replace("x", "×") if row.characteristic == VOXEL_SIZE else row.value
        return f"{value} {count}"


def _ranges(sizes: Sequence[str]) -> str:
    """The smallest and largest of voxel sizes along each axis."""
    axes = zip(*(map(float, size.split("x")) for size in sizes))
    return " × ".join(f"{min(axis):g} to {max(axis):g}" for axis in axes)


@dataclass(frozen=True)
class Reason:
    """Why images are left out, over all sources: what is alike in words, or of some images."""

    reason: str
    datasets: Sequence[str]
    participants: int
    images: int


@dataclass(frozen=True)
class Who:
    """All of the section."""

    cohort: Cohort
    settings: Settings

    @cached_property
    def flow(self) -> dict[str, dict[str, Stage]]:
        """By source, its stages but for the reasons."""
        stages = [one for one in self.cohort.flow if one.stage != LEFT]
        by_dataset = grouped_by(stages, lambda one: one.dataset)
        return {name: {one.stage: one for one in here} for name, here in by_dataset.items()}

    def images_left_out(self, dataset: str) -> int:
        """How many images of a source are there and not used."""
        rows = [one for one in self.cohort.flow if (one.dataset, one.stage) == (dataset, LEFT)]
        return sum(one.images for one in rows)

    @cached_property
    def reasons(self) -> list[Reason]:
        """Why something is left out, the most frequent first."""
        rows = [one for one in self.cohort.flow if one.stage == LEFT]
        reasons = []
        for reason, alike in grouped_by(rows, lambda one: one.reason).items():
            names = list(dict.fromkeys(one.dataset for one in alike))
            participants = sum(one.participants for one in alike)
            images = sum(one.images for one in alike)
            reasons.append(Reason(reason, names, participants, images))
        return sorted(reasons, key=lambda one: (-one.participants, one.reason))

    @cached_property
    def parts(self) -> list[Part]:
        """The rows of the table of who was studied."""
        groups = grouped_by(self.cohort.characteristics, lambda one: (one.dataset, one.part))
        return [Part(dataset, part, told) for (dataset, part), told in groups.items()]

    def box(self, stage: str) -> str:
        """How many of all sources are at a stage, in words."""
        rows = [one for one in self.cohort.flow if one.stage == stage]
        persons = sum(one.persons for one in rows)
        participants = sum(one.participants for one in rows)
        images = sum(one.images for one in rows)
        people = f"{persons} persons"
        if participants != persons:
            people += f" ({participants} participant ids)"
        return f"{people}, {images} images"

    @property
    def by_model(self) -> list[tuple[JudgedModel, int, int]]:
        """Models that learn from all training cases of their datasets: how many of these have a
        mask that a model made, and how many there are."""
        told = []
        for model in self.settings.models:
            if model.kind in WHOLE:
                told.append((model, *self._made_by_models(model.learns_from)))
        return told

    def _made_by_models(self, datasets: Sequence[str]) -> tuple[int, int]:
        rows = [
            one for one in self.cohort.references if one.part == TRAIN and one.dataset in datasets
        ]
        made = sum(one.images for one in rows if one.label_origin == "model")
        return made, sum(one.images for one in rows)


STAGES = {"listed": LISTED, "nothing": NOTHING, "used": USED, "train": TRAINED, "test": JUDGED}
"""The stages, as the template calls them."""
