"""What a study segments: the `[task]` table of its TOML.

Owns: its keys, and what of another structure follows from its name.
Does not own: what is done with them (`steps`, `pipeline`).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cordstudy.pipeline.judging.settings import QUESTION, STRATA, Grouping
from cordstudy.pipeline.sources.rules import Distinct, Imaged, Said


class Task(Imaged):
    """What is segmented, in which images, and what of it is measured and told: the cord's, where
    nothing is said."""

    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] = "SC"
    """In the names of BIDS' masks: `label-SC`. Of another structure it is its words."""
    components: Literal["chosen", "all"] = "chosen"
    """What is kept of a mask: all components or the largest alone, whichever has the higher Dice in
    held-out cases; or always all, as of a structure of several pieces."""
    areas: bool = True
    """Whether it is measured in cross-sections along the body: areas, and in how many slices it was
    found."""
    strata: Annotated[list[Grouping], Distinct] = list(STRATA)
    """What results are told apart by."""
    question: Said = QUESTION
    """That the study asks, in a sentence. Of another structure it is the same of it."""

    @model_validator(mode="before")
    @classmethod
    def _speaks_of_its_structure(cls, told: object) -> object:
        """Label and question of another structure, where they are not said."""
        of_cord = cls.model_fields["structure"].default
        structure = told.get("structure", of_cord) if isinstance(told, dict) else of_cord
        if not isinstance(told, dict) or not isinstance(structure, str) or structure == of_cord:
            return told
        words = re.split("[ -]", structure)
        own = {
            "label": "".join(word[:1].upper() + word[1:] for word in words),
            "question": QUESTION.replace(of_cord, structure),
        }
        return {**own, **told}
