"""How the phantom sources of a study are made, as the engine under `provenance` is told.

Owns: what a phantom's own dataset is like, and who is said to have made it.
Does not own: running the command (`provenance.running.recipes`), or the command itself
(`pipeline.phantom`).
"""

from __future__ import annotations

import shlex

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.running.recipes import Recipe
from cordstudy.study.closure import code_files
from cordstudy.study.schema import Dataset, Study
from cordstudy.study.steps import phantom_arguments

OUTPUTS = (
    ".bidsignore",
    "README.md",
    "*.json",
    "derivatives",
    "exclude.yml",
    "participants.tsv",
    "sub-*",
)
ATTRIBUTES = """\
* annex.backend=SHA256E
* annex.largefiles=nothing
*.nii.gz annex.largefiles=anything
"""
AUTHOR = ("cordstudy phantom", "phantom@cordstudy.invalid")
DATE = "2023-08-01T00:00:00+00:00"
"""Both fixed, so that the same content has the same commit id wherever it is made."""


def phantom_recipe(dataset: Dataset) -> Recipe | None:
    """How a source is made; None for one that is no phantom."""
    arguments = phantom_arguments(dataset)
    if not arguments:
        return None
    return Recipe(
        argv=(PROFILE.launcher, *arguments),
        code=code_files("phantom"),
        outputs=OUTPUTS,
        message=f"Make the phantom of {dataset.phantom}",
        attributes=ATTRIBUTES,
        unique_name=f"{NAME}/{shlex.join(arguments)}",
        author=AUTHOR,
        date=DATE,
    )


def phantom_recipes(study: Study) -> dict[str, Recipe]:
    """How the phantoms of a study are made, by their path."""
    recipes = {}
    for dataset in study.datasets.values():
        recipe = phantom_recipe(dataset)
        if recipe:
            recipes[dataset.path] = recipe
    return recipes
