"""The card of a model, for people: what it is for, who trained it, how it did, how to use it.

Owns: what the template `card.md.j2` may use.
Does not own: the numbers (`facts`), the sentences (the template), MONAI's form of it (`metadata`).

It names annex keys and no commit, so that the same inputs give the same card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from cordstudy.pipeline.learning.plans import read_plans
from cordstudy.pipeline.learning.postprocessing import Postprocessing, read_postprocessing
from cordstudy.pipeline.raw.dataset_json import SIDES, Segmented, read_segmented
from cordstudy.pipeline.raw.grids import axcodes
from cordstudy.pipeline.release.archive import sha256
from cordstudy.pipeline.release.facts import Change, Citation, Judged, Trained
from cordstudy.pipeline.release.inference import Inference

TEMPLATE = "card.md.j2"
PACKAGES = ("nnunetv2", "torch", "numpy", "nibabel", "SimpleITK", "safetensors")
"""What a model needs where it segments."""


@dataclass(frozen=True)
class Card:
    """All that is told of a released model."""

    name: str
    licence: str
    changes: Sequence[Change]
    citation: Citation
    trained: Trained
    judged: Judged
    model: Path
    folds: Sequence[int]
    tile_step: float

    @property
    def title(self) -> str:
        """What its files are called."""
        return f"{self.judged.settings.study}-{self.name}"

    @property
    def cite(self) -> str:
        """What to cite, on one line."""
        url = f", {self.citation.url}" if self.citation.url else ""
        model = f"Model {self.title}, version {self.version}"
        return f"{self.citation.authors}: {self.citation.title}{url}. {model}"

    @property
    def version(self) -> str:
        """Of the weights."""
        return self.changes[0].version

    @cached_property
    def plans(self) -> Mapping[str, Any]:
        """nnU-Net's plans."""
        return read_plans(self.model)[0]

    @cached_property
    def dataset(self) -> Mapping[str, Any]:
        """nnU-Net's dataset.json."""
        return read_plans(self.model)[1]

    @property
    def configuration(self) -> str:
        """nnU-Net's configuration, told by the model's folder."""
        return self.model.name.split("__")[2]

    @property
    def planned(self) -> Mapping[str, Any]:
        """What the plans say of the configuration."""
        planned: Mapping[str, Any] = self.plans["configurations"][self.configuration]
        return planned

    @property
    def dataset_name(self) -> str:
        """What nnU-Net calls the training set."""
        return str(self.plans["dataset_name"])

    @property
    def inference(self) -> Inference:
        """How it segments."""
        return Inference(self.title, self.version, tuple(self.folds), self.tile_step)

    @property
    def labels(self) -> list[int]:
        """Its foreground labels."""
        labels: Mapping[str, int] = self.dataset["labels"]
        return sorted(label for label in labels.values() if label)

    @cached_property
    def segmented(self) -> Segmented:
        """What it segments, and how its images lie."""
        return read_segmented(self.model)

    @property
    def structure(self) -> str:
        """What it segments, in words."""
        return self.segmented.structure

    @property
    def orientation(self) -> str:
        """Of its images, as the Spinal Cord Toolbox calls it."""
        return self.segmented.orientation

    @property
    def axes(self) -> str:
        """The orientation in words: where each voxel axis comes from and goes to."""
        ends = zip(self.orientation, axcodes(self.orientation))
        return ", ".join(f"{SIDES[start]} to {SIDES[end]}" for start, end in ends)

    @property
    def axcodes(self) -> str:
        """The orientation as nibabel calls it."""
        return "".join(axcodes(self.orientation))

    @property
    def channel(self) -> str:
        """What its images are of, as nnU-Net is told."""
        channels: Mapping[str, str] = self.dataset["channel_names"]
        return channels["0"]

    @property
    def modality(self) -> str:
        """The same, before the word image."""
        return "MR" if self.channel == "MRI" else self.channel

    @property
    def z_scored(self) -> bool:
        """Whether each image's intensities are scaled by its own alone."""
        return list(self.planned["normalization_schemes"]) == ["ZScoreNormalization"]

    @property
    def postprocessing(self) -> Postprocessing:
        """What is kept of a mask."""
        return read_postprocessing(self.model)

    @cached_property
    def keys(self) -> dict[str, str]:
        """The annex key of each fold's checkpoint."""
        keys = {}
        for fold in self.folds:
            path = self.model / f"fold_{fold}/checkpoint_final.pth"
            keys[f"fold_{fold}"] = f"SHA256E-s{path.stat().st_size}--{sha256(path)}.pth"
        return keys

    @property
    def synthetic(self) -> bool:
        """Whether it learned from synthetic images alone."""
        known = {one.name: one.phantom for one in self.judged.settings.datasets}
        return all(known[group.dataset] for group in self.trained.groups)

    @property
    def packages(self) -> dict[str, str]:
        """The versions that it was made with."""
        return {name: version(name).partition("+")[0] for name in PACKAGES}

    @property
    def images(self) -> int:
        """How many are in its training set, held out or not."""
        return sum(group.images for group in self.trained.groups)


def card_text(card: Card) -> str:
    """The card in Markdown, with what model hubs read in front."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["counts"] = _counts
    return environment.get_template(TEMPLATE).render(card=card)


def _counts(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value} {count}" for value, count in values.items())
