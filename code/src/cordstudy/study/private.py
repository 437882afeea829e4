"""What of a study's results comes from sources that are private.

Owns: by the path of a result, which of its sources it comes from, and whether it shows their
images.
Does not own: what was ever made (a history), or what may be told to whom (`cli`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from cordstudy.study.layout import Layout
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study
from cordstudy.study.steps import judged

WEIGHTS = (".pth", ".safetensors", ".zip")
"""How the names of files end that hold what a model learned; anything else beside it may be a mask
or an image."""
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


def asked_for(texts: Iterable[bytes]) -> dict[str, str]:
    """The private sources of any of a TOML's versions, and whom to ask; a version that is no TOML
    had no results."""
    found: dict[str, str] = {}
    for text in texts:
        try:
            datasets = tomllib.loads(text.decode()).get("datasets", {})
        except (ValueError, RecursionError):
            continue
        for name, table in datasets.items() if isinstance(datasets, dict) else ():
            if isinstance(table, dict) and "ask" in table:
                found[name] = str(table["ask"])
    return found
