"""The rules of one source: how its images and masks are named, and what is left out.

Owns: what a rule may say, and reading a dataset's rules file, which `code/study run` renders
from the study's TOML. A study's TOML extends these tables (`study.schema`).
Does not own: what the rules find (`finding`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import faults, read_json

HINT = "`code/study run` writes it from the study's TOML"
PERSON = "person"
"""The column of persons where a study names no other: many a source has none."""


class Table(BaseModel):
    """A table of values: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Image = Annotated[str, Field(pattern=r"^[a-z]+/[A-Za-z0-9_-]*[A-Za-z0-9]$")]
"""An image of a source: `<datatype>/<entities>_<suffix>`, without subject and session."""
LabelOrigin = Literal["manual", "corrected", "model", "unknown"]


class Exclusion(Table):
    """Participants and images (file names without extension) to leave out; why, and who says so."""

    participants: list[str] = []
    images: list[str] = []
    reason: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]


class ExcludeFile(Table):
    """A source's own list: a YAML file with lists of participants and sites by key, and the
    images that each key which the study follows is about."""

    path: str = "exclude.yml"
    keys: Annotated[
        dict[str, Annotated[list[Image], Field(min_length=1)] | Literal["all"]],
        Field(min_length=1),
    ]


class Columns(Table):
    """The columns of participants.tsv, by what this study calls them."""

    sex: str = "sex"
    age: str = "age"
    vendor: str = "manufacturer"
    pathology: str = "pathology"
    site: str = "institution_id"
    person: str = PERSON


class SourceRules(Table):
    """A BIDS source: where it lies, how its images and masks are named, what is left out.

    `path` is relative to the study's root. `mask` is the mask's name without extension, from
    `{stem}` (the image's) and `{subject}` (with the session where there is one), below `labels`
    in the folder that the image has below the source.
    """

    path: Annotated[str, Field(pattern=r"^inputs/[^/]+$")]
    role: Literal["train", "test"]
    images: Annotated[list[Image], Field(min_length=1)]
    labels: Annotated[str, Field(pattern=r"^[^/*].*[^/]$")]
    mask: str
    session: Annotated[str, Field(pattern=r"^ses-[A-Za-z0-9]+$")] | None = None
    columns: Columns = Columns()
    person: str | None = None
    """A regular expression on a participant's id whose first group names the person, where a person
    has several ids."""
    exclude: list[Exclusion] = []
    exclude_file: ExcludeFile | None = None
    label_origins: Annotated[list[LabelOrigin], Field(min_length=1)] = [
        "manual",
        "corrected",
        "model",
        "unknown",
    ]
    """Masks of another origin are left out."""
    broken_sidecars: LabelOrigin | None = None
    """The origin of a mask whose sidecar is not JSON; an error where this is not said."""
    resample_masks: bool = False
    """Whether a mask on another grid is brought to the image's by nearest neighbour."""

    @field_validator("mask")
    @classmethod
    def _has_known_fields(cls, mask: str) -> str:
        try:
            mask.format(stem="", subject="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"{mask!r} may have the fields {{stem}} and {{subject}} only"
            ) from error
        return mask

    @field_validator("person")
    @classmethod
    def _names_persons(cls, person: str | None) -> str | None:
        if person is None:
            return None
        try:
            groups = re.compile(person).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{person!r} is no regular expression: {error}") from error
        if not groups:
            raise ValueError(
                f"{person!r} has no group: put what names the person into parentheses, "
                "such as sub-([0-9]+)Ses"
            )
        return person

    @model_validator(mode="after")
    def _keys_name_its_images(self) -> SourceRules:
        keys = self.exclude_file.keys if self.exclude_file else {}
        for key, images in keys.items():
            if images == "all":
                continue
            unknown = sorted(set(images) - set(self.images))
            if unknown:
                raise ValueError(f"exclude_file.keys.{key}: {unknown[0]} is not among images")
        return self


class Rules(SourceRules):
    """The rules of the source that a study calls `name`."""

    name: str


def read_rules(path: Path) -> Rules:
    """Read the rules file of one dataset. Raises StudyError if it is not one."""
    try:
        return Rules.model_validate(read_json(path, hint=HINT))
    except ValidationError as error:
        message = f"{path}: not a dataset's rules: {faults(error)}"
        raise StudyError(message, hint=HINT) from error
