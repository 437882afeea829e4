"""The four real images of the README: which they are, and how well each model does on them.

Owns: the list of images, their Dice by model, and the table about it.
Does not own: segmentation (`segment`), or where the table stands (`written`).

They lie in a folder that is no part of the study. No step reads them, so no record tells of them:
the table has what is needed to make it again, and a test does.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.cli.parts import lines, wrapped
from cordstudy.cli.recorded import listed
from cordstudy.cli.segment import masks_of
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study

UNF = "spine-generic-unf"
LEIPZIG = "epi-leipzig"
BOLD = "sub-leipzigR01_task-rest_rec-MoCoMean_bold"
HALF = 0.5
"""The Dice from which a cord counts as found."""


@dataclass(frozen=True)
class RealImage:
    """An image and its manual mask, below a folder of datasets."""

    name: str
    image: str
    mask: str

    @property
    def heading(self) -> str:
        """Its name in Markdown."""
        return self.name.replace("*", "\\*")


def _of_unf(name: str, suffix: str) -> RealImage:
    stem = f"sub-unf01/anat/sub-unf01_{suffix}"
    mask = f"{UNF}/derivatives/labels/{stem}_seg-manual.nii.gz"
    return RealImage(name, f"{UNF}/{stem}.nii.gz", mask)


REAL = (
    _of_unf("T1w", "T1w"),
    _of_unf("T2w", "T2w"),
    _of_unf("T2*w", "T2star"),
    RealImage(
        "EPI",
        f"{LEIPZIG}/sub-leipzigR01/func/{BOLD}.nii.gz",
        f"{LEIPZIG}/derivatives/label/sub-leipzigR01/func/"
        "sub-leipzigR01_task-rest_desc-spinalcordmask.nii.gz",
    ),
)
"""In the order of the table."""

Scores = Mapping[str, Sequence[float]]
"""Dice of each image, in the order of REAL, by model."""


def real_table(study: Study, folder: Path, *, trained: str) -> str:
    """The lines about the images in a folder; `trained` is the commit of the last training."""
    scores = dice_on_real(study, folder)
    return lines(
        "\n\n".join(
            [
                "\n".join(score_rows(scores)),
                found_where(scores),
                made_by(scores, trained),
                "\n".join(digest_rows(folder)),
            ]
        )
    )


def dice_on_real(study: Study, folder: Path) -> Scores:
    """Segment the images with every model of the study, and compare with the manual masks."""
    images = [_there(folder / real.image) for real in REAL]
    models = list(models_of(study))
    with tempfile.TemporaryDirectory() as scratch:
        masks_of(study, images, models, Path(scratch))
        return scores_of(Path(scratch), folder, models)


def scores_of(masks: Path, folder: Path, models: Sequence[str]) -> Scores:
    """Compare the masks of several models, as `segment` writes them to a folder, with the manual
    ones."""
    from cordstudy.pipeline.learning.segmenter import output_path

    scores = {}
    for model in models:
        dice = []
        for real in REAL:
            made = output_path(folder / real.image, masks, model)
            dice.append(_dice(made, _there(folder / real.mask)))
        scores[model] = dice
    return scores


def _there(path: Path) -> Path:
    if not path.is_file():
        raise StudyError(f"{path}: there is no such image", hint="--real FOLDER: where they are")
    return path


def _dice(mask: Path, reference: Path) -> float:
    from cordstudy.pipeline.judging.measures import dice
    from cordstudy.pipeline.judging.reading import read_mask
    from cordstudy.pipeline.raw.volumes import read_volume

    image = read_volume(reference)
    return dice(read_mask(mask, image, of=reference), read_mask(reference, image, of=reference))


def score_rows(scores: Scores) -> list[str]:
    """The rows of the table of Dice."""
    headings = [real.heading for real in REAL]
    rows = [_row("model", *headings), "|" + "---|" * (len(headings) + 1)]
    for model, dice in scores.items():
        rows.append(_row(model, *(f"{value:.3f}" for value in dice)))
    return rows


def digest_rows(folder: Path) -> list[str]:
    """The rows of the table of files."""
    rows = [_row("image", "file", "SHA-256, first 12 digits"), "|---|---|---|"]
    for real in REAL:
        digest = hashlib.sha256(_there(folder / real.image).read_bytes()).hexdigest()
        rows.append(_row(real.heading, f"`{real.image}`", f"`{digest[:12]}`"))
    return rows


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def found_where(scores: Scores) -> str:
    """Which models find the cord in which images, in a sentence."""
    by_missed: dict[tuple[str, ...], list[str]] = {}
    for model, dice in scores.items():
        missed = [real.heading for real, value in zip(REAL, dice, strict=True) if value <= HALF]
        by_missed.setdefault(tuple(missed), []).append(model)
    phrases = []
    for missed_in, models in by_missed.items():
        phrases.append(f"{_where_but(missed_in)} by {listed(models)}")
    return wrapped(f"Dice is above {HALF} {'; '.join(phrases)}.")


def _where_but(missed: Sequence[str]) -> str:
    if len(missed) == len(REAL):
        return "on none"
    return f"on all but {listed(missed)}" if missed else "on all images"


def made_by(scores: Scores, trained: str) -> str:
    """The command that gives the masks, and the models that it was run with."""
    options = " ".join(f"--model {model}" for model in scores)
    return wrapped(
        f"Made by `code/study segment {options} --out MASKS IMAGE…` with the models of the "
        f"records up to commit `{trained}`, the last training, on these images:"
    )
