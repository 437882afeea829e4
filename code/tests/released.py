"""The recorded general model as files, and its release, made of what this repository carries."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.release import opening
from cordstudy.pipeline.release.archive import checksums
from cordstudy.pipeline.release.loading import unpack_weights
from cordstudy.provenance.history.carried import place_of
from helpers import REPOSITORY, run

MODEL = "models/phantom/general/Dataset601_general/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
EVALUATION = "derivatives/phantom/evaluation"
RAW = "derivatives/phantom/nnunet-raw/Dataset601_general"
STOCK = "phantom-general/nnUNetTrainer__nnUNetPlans__3d_fullres"
SOURCES = ("spine-generic", "inspired", "sci-colorado", "canproco")
opened = partial(opening.opened, weights=unpack_weights)
"""A release in any of its forms, as `segment` takes it."""


def recorded_model(place: Path) -> Path:
    """A copy of the recorded model, its checkpoint out of what is carried."""
    folder = place / Path(MODEL).name
    fold = folder / "fold_0"
    fold.mkdir(parents=True)
    for path in (REPOSITORY / MODEL).glob("*.json"):
        shutil.copy(path, folder)
    shutil.copy(REPOSITORY / MODEL / "fold_0/training_log.txt", fold)
    checkpoint = REPOSITORY / MODEL / "fold_0/checkpoint_final.pth"
    if checkpoint.is_symlink():
        checkpoint = REPOSITORY / place_of(Path(os.readlink(checkpoint)).name)
    shutil.copy(checkpoint, fold / "checkpoint_final.pth")
    return folder


def arguments(model: Path, out: Path, **changes: object) -> list[str | Path]:
    """The command line of `package` for it."""
    options: dict[str, object] = {
        "name": "general",
        "judging": REPOSITORY / "code/studies/phantom/judging.json",
        "scores": REPOSITORY / EVALUATION / "cases.tsv",
        "licence": "CC0-1.0",
        "changes": REPOSITORY / "code/studies/phantom-changes.md",
        "cite": REPOSITORY / "CITATION.cff",
        "fold": 0,
        "tile-step": 0.5,
        "out": out,
    }
    words: list[str | Path] = ["package", model, REPOSITORY / RAW]
    for name, value in (options | changes).items():
        words += [f"--{name}", str(value)]
    for source in SOURCES:
        words += ["--terms", source, "synthetic"]
    return words


def packed(model: Path, out: Path) -> Path:
    """The release of a model."""
    run(REPOSITORY / "code/study", *arguments(model, out), cwd=out.parent)
    return out


def seal(folder: Path) -> None:
    """Have the checksums of a folder be those of what is in it now."""
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    (folder / "SHA256SUMS").write_text(checksums(folder))


def refused(given: Path, **options: str) -> str:
    """Open what is no release, expecting an error with a hint; the error."""
    with pytest.raises(StudyError) as raised, opened(given, **options):
        pass
    assert raised.value.hint
    return str(raised.value)
