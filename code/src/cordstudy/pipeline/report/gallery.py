"""The cases that the page shows: which, and their pictures.

Owns: the choice of cases, and where their image and masks lie.
Does not own: how a picture is drawn (`pictures`, `viewer`), or the page (`page`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cordstudy.base.machine import progress
from cordstudy.pipeline.judging.scores import of_model
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.raw.names import (
    TEST,
    image_path,
    mask_file,
    mask_path,
    name_without_number,
)
from cordstudy.pipeline.report.pictures import Picture, overlay, read_picture
from cordstudy.pipeline.report.strips import Strip, strip
from cordstudy.pipeline.report.viewer import centre_mm, volumes

WORST = 2
"""Cases of each test set that are shown, those with the lowest Dice of the general model."""


@dataclass(frozen=True)
class Shown:
    """One case on the page, with its measures for the general and the best specific model."""

    case_id: str
    testset: str
    contrast: str
    vendor: str
    pathology: str
    label_origin: str
    general: str
    specific: str
    """The best specific model of its test set; empty where there is none."""
    dice: Mapping[str, float]
    """By model."""
    hd95_mm: float
    """Of the general model."""

    @property
    def models(self) -> list[str]:
        """The models whose masks are shown."""
        return [self.general, self.specific] if self.specific else [self.general]

    @property
    def told(self) -> str:
        """What the viewer says of it."""
        parts = [f"{self.dice[model]:.3f} ({model})" for model in self.models]
        return f"{self.testset}, Dice {', '.join(parts)}."


@dataclass(frozen=True)
class WorstCase:
    """One of those that the general model does worst on, still and for the viewer."""

    case: Shown
    still: str
    volumes: Mapping[str, str]
    centre_mm: Sequence[float]


@dataclass(frozen=True)
class MiddleCase:
    """The one in the middle of a test set: its slices, with the masks side by side."""

    case: Shown
    strip: Strip


@dataclass(frozen=True)
class Gallery:
    """All scores of the first trainings, and the folders with images and masks of the cases."""

    scores: pd.DataFrame
    settings: Settings
    best_specific: Mapping[str, str]
    """By test set."""
    raws: Mapping[str, Path]
    """The raw dataset of each test set."""
    predictions: Mapping[str, Path]
    """The folder of each model's masks."""

    def worst(self) -> list[WorstCase]:
        """Pictures of `worst_names`."""
        names = self.worst_names()
        cases = []
        for name in progress(names, total=len(names), what="worst cases"):
            case = self.shown(name)
            picture = self.picture(case)
            place = centre_mm(picture)
            cases.append(WorstCase(case, overlay(picture), volumes(picture), place))
        return cases

    def middle(self) -> list[MiddleCase]:
        """Pictures of `middle_names`."""
        names = self.middle_names()
        cases = []
        for name in progress(names, total=len(names), what="slices"):
            case = self.shown(name)
            picture = self.picture(case)
            cases.append(MiddleCase(case, strip(picture)))
        return cases

    def worst_names(self) -> list[str]:
        """The cases with the lowest Dice of the general model, some of each test set and lowest
        first."""
        by_testset = self._from_lowest_dice().groupby("testset", sort=False)
        names: list[str] = by_testset.head(WORST)["case_id"].tolist()
        return names

    def middle_names(self) -> list[str]:
        """Of each test set the case with the median Dice of the general model."""
        names = []
        for _, rows in self._from_lowest_dice().groupby("testset", sort=False):
            names.append(str(rows["case_id"].iloc[len(rows) // 2]))
        return names

    def _from_lowest_dice(self) -> pd.DataFrame:
        """The general model's scores, sorted."""
        return of_model(self.scores, self.settings.general).sort_values(["dice", "case_id"])

    def shown(self, case_id: str) -> Shown:
        """What the table says of a case."""
        rows = self.scores[self.scores["case_id"] == case_id].set_index("model")
        general = self.settings.general
        row = rows.loc[general]
        specific = self.best_specific.get(row["testset"], "")
        dice = {general: float(row["dice"])}
        if specific:
            dice[specific] = float(rows.loc[specific, "dice"])
        return Shown(
            case_id=case_id,
            testset=row["testset"],
            contrast=row["contrast"],
            vendor=row["vendor"],
            pathology=row["pathology"],
            label_origin=row["label_origin"],
            general=general,
            specific=specific,
            dice=dice,
            hd95_mm=float(row["hd95_mm"]),
        )

    def picture(self, case: Shown) -> Picture:
        """Its image, its reference, and what the models made of it."""
        raw = self.raws[case.testset]
        masks = {"reference": raw / mask_path(TEST, case.case_id)}
        masks["general"] = self._prediction(case, case.general)
        if case.specific:
            masks["specific"] = self._prediction(case, case.specific)
        return read_picture(raw / image_path(TEST, case.case_id), masks)

    def _prediction(self, case: Shown, model: str) -> Path:
        return self.predictions[model] / case.testset / mask_file(case.case_id)


def by_testset(raws: Sequence[Path]) -> dict[str, Path]:
    """Raw datasets by the name of the dataset."""
    return {name_without_number(raw.name): raw for raw in raws}


def by_model(predictions: Sequence[Path]) -> dict[str, Path]:
    """Folders of masks by the model that made them."""
    return {folder.name: folder for folder in predictions}
