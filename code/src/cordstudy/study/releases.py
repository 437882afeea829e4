"""What a study says of releases: what its own are given with, and of others the one that it judges.

Owns: the tables `[release]` and `[unpack]`, and what a path says of a release.
Does not own: what is in one (`pipeline.release`), or the steps that pack and unpack
(`release_step`).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from cordstudy.pipeline.sources.rules import BELOW, Distinct, Said, Table

ARCHIVE = ".zip"
LONGEST_MODEL = 60
"""Signs of a model's name."""


class Release(Table):
    """What the models are given to others with: the licence of their weights, and the text that
    tells of their versions."""

    licence: Said
    """Of the weights, as SPDX has it."""
    changes: Annotated[str, Field(pattern=r"^code/.+\.md$"), BELOW]
    """A text below `code/` whose headings `## 1.2.0 (2026-11-27)` tell of the versions, the newest
    first."""


class Unpack(Table):
    """What a release that is judged should be, where `models` is its path; the step `unpack` looks
    whether it is."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Of the archive, or of a folder's `SHA256SUMS`, as whoever published it tells."""
    folds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Distinct] = [
        0,
        1,
        2,
        3,
        4,
    ]
    """Those that it has, as its card says."""
    tile_step: Annotated[float, Field(gt=0, le=1)] = 0.5
    """That it segments by, as its card says."""
    identical: Literal["here", "anywhere"] = "anywhere"
    """How far its masks are the same bytes again, as in `[train]`; on a GPU `"here"`."""


class Given(Unpack):
    """A release as a study has it: where it is, and what it should be."""

    path: str

    @property
    def is_archive(self) -> bool:
        """Whether it is a file; else it is a folder."""
        return self.path.endswith(ARCHIVE)

    @property
    def model(self) -> str:
        """What its model is called: as its file, or its folder, or, where that is called `release`,
        the folder above."""
        path = PurePosixPath(self.path)
        if path.name == "release" and path.parent.name:
            path = path.parent
        plain = re.sub("[^a-z0-9]+", "-", path.name.removesuffix(ARCHIVE).lower()).strip("-")
        return plain[:LONGEST_MODEL] or "model"


def is_release(models: str) -> bool:
    """Whether what stands at `models` is a path, and no study's name."""
    return "/" in models or models.endswith(ARCHIVE)
