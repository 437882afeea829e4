"""The rules of one source: how its images and masks are named, and what is left out.

Owns: a dataset's rules file, which `study run` renders from the study's TOML, as values.
Does not own: what the rules find (`bids`); see `study.Dataset` for the meaning of each field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cordstudy.errors import StudyError
from cordstudy.pipeline.texts import read_json, shaped

HINT = "`code/study run` writes it from the study's TOML"


@dataclass(frozen=True)
class Exclusion:
    """Participants and images to leave out; why, and who says so."""

    participants: Sequence[str]
    images: Sequence[str]
    reason: str
    source: str


@dataclass(frozen=True)
class ExcludeFile:
    """The source's own list, and the images that each of its keys is about."""

    path: str
    keys: Mapping[str, Sequence[str] | Literal["all"]]


@dataclass(frozen=True)
class Rules:
    """The rules of one source; `path` is relative to the study's root."""

    name: str
    path: str
    role: str
    images: Sequence[str]
    labels: str
    mask: str
    session: str | None
    columns: Mapping[str, str]
    exclude: Sequence[Exclusion]
    exclude_file: ExcludeFile | None
    label_origins: Sequence[str]
    broken_sidecars: str | None
    resample_masks: bool


def read_rules(path: Path) -> Rules:
    """Read the rules file of one dataset. Raises StudyError if it is not one."""
    try:
        return parse_rules(read_json(path, hint=HINT))
    except (TypeError, ValueError, KeyError) as error:
        raise StudyError(f"{path}: not a dataset's rules: {error}", hint=HINT) from error


def parse_rules(content: Mapping) -> Rules:
    """Rules from the content of a rules file. Raises TypeError, KeyError or ValueError for other content."""
    listed = content["exclude_file"]
    own = {
        "exclude": [Exclusion(**entry) for entry in content["exclude"]],
        "exclude_file": ExcludeFile(**listed) if listed else None,
    }
    found = Rules(**{**content, **own})  # it knows no other key
    return shaped(Rules, asdict(found))
