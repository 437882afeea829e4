"""What of a study's results comes from sources that are private.

Owns: by the path of a result, which of its sources it comes from, and whether it shows their
images.
Does not own: what was ever made (a history), or what may be told to whom (`cli`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cordstudy.study.layout import Layout
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study
from cordstudy.study.steps import judged

WEIGHTS = (".pth", ".safetensors", ".zip")
"""How the names of files end that hold what a model learned; anything else beside it may be a mask
or an image."""
TEXTS = (".ipynb", ".json", ".md", ".py", ".toml", ".tsv", ".txt", "LICENSE", "SHA256SUMS")
"""How the names of files end that show no image."""
CHARTS = ("forest.png",)
OF_UNSEEN = ("segmentation.png",)
"""The report's two pictures: of numbers, and of images that no model has seen."""
RESULTS = ("derivatives", "models")


@dataclass(frozen=True)
class Behind:
    """The sources that a result comes from; whether it shows their images, or masks of these."""

    sources: frozenset[str]
    images: bool


def behind(study: Study, path: str) -> Behind:
    """What is behind a path of a study's results: what is not known comes from every source."""
    folders = _folders(study)
    for folder in map(str, PurePosixPath(path).parents):
        if folder in folders:
            found = folders[folder]
            weights = not found.images and path.endswith(WEIGHTS)
            return Behind(found.sources, images=not weights)
    return Behind(frozenset(study.datasets), images=True)


def _folders(study: Study) -> dict[str, Behind]:
    """By folder what is behind the results in it, of those folders that are not about all."""
    layout = Layout(study)
    folders = {layout.raw(name): Behind(frozenset({name}), images=True) for name in study.datasets}
    for model in models_of(study).values():
        learned = frozenset(model.learns_from)
        folders[layout.training_set(model)] = Behind(learned, images=True)
        folders[f"models/{study.name}/{model.name}"] = Behind(learned, images=False)
    for model, number in judged(study):
        for name in study.datasets:
            folder = f"{layout.predictions(model, number)}/{name}"
            folders[folder] = Behind(frozenset({name}), images=True)
    return folders


@dataclass(frozen=True)
class Private:
    """A source that is private in some version of a study's TOML."""

    ask: str
    """Whom to ask."""
    paths: frozenset[str]
    """Where it was in those versions: another source may have its name by now."""
    is_shown: bool
    """Whether one of them kept it from all models; the report's picture shows such sources."""


def asked_for(texts: Iterable[str]) -> dict[str, Private]:
    """The private sources of any of a TOML's versions, by name; a version that is no TOML had no
    results."""
    found: dict[str, Private] = {}
    for text in texts:
        for name, table in _datasets(text).items():
            if isinstance(table, dict) and "ask" in table:
                before = found.get(name, Private("", frozenset(), is_shown=False))
                found[name] = Private(
                    ask=str(table["ask"]),
                    paths=before.paths | {str(table.get("path"))},
                    is_shown=before.is_shown or table.get("role") != "train",
                )
    return found


def _datasets(text: str) -> dict[str, object]:
    try:
        datasets = tomllib.loads(text).get("datasets")
    except (ValueError, RecursionError):
        return {}
    return datasets if isinstance(datasets, dict) else {}


def shown_by(path: str, sources: Mapping[str, Private]) -> set[str]:
    """Those of a study's private sources whose images a result may show that git itself holds."""
    name = PurePosixPath(path).name
    if name.endswith(TEXTS) or name in CHARTS:
        return set()
    if name in OF_UNSEEN:
        return {source for source, told in sources.items() if told.is_shown}
    return set(sources)
