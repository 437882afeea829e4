"""The `unpack` step: a release, from anywhere, as a model that the other steps can judge.

Owns: which of its files a study has, and that it is what the study's TOML says of it.
Does not own: opening it (`opening`), its list of cases (`case_list`), or what it is compared with
(`judging.leakage`).

    plans.json, dataset.json, fold_K/checkpoint_final.pth    the network
    postprocessing.json, inference.json                      how it segments
    cases.tsv, splits_final.json                             what it was trained on
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.outputs import check_own, remove_own
from cordstudy.base.tables import write_file
from cordstudy.pipeline.learning.options import fold_option, tile_step_option
from cordstudy.pipeline.learning.plans import read_folds
from cordstudy.pipeline.learning.postprocessing import FILE as POSTPROCESSING
from cordstudy.pipeline.raw.dataset_json import read_segmented
from cordstudy.pipeline.raw.layout import write_cases
from cordstudy.pipeline.release.case_list import FILE as CASES
from cordstudy.pipeline.release.case_list import read_case_list
from cordstudy.pipeline.release.inference import FILE as INFERENCE
from cordstudy.pipeline.release.opening import Opened, opened
from cordstudy.pipeline.release.trusting import CHECKPOINT

TEXTS = ("plans.json", "dataset.json", "splits_final.json", POSTPROCESSING, INFERENCE)


@click.command("unpack")
@click.argument("release", type=click.Path(path_type=Path, exists=True))
@click.option("--sha256", default="", help="Of the file, or of a folder's SHA256SUMS.")
@fold_option
@tile_step_option
@click.option("--structure", required=True, help="What it is to segment.")
@click.option("--orientation", required=True, help="Of the images that it is to segment.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the model.")
def command(
    release: Path,
    sha256: str,
    folds: tuple[int, ...],
    tile_step: float,
    structure: str,
    orientation: str,
    out: Path,
) -> None:
    """Unpack a RELEASE to judge it, once it is looked through: its checksums, weights and cases.

    \b
    Example:
      code/study --study mine run --dry-run unpack     tells the whole command of a study
    """
    own = {*TEXTS, CASES, *(f"fold_{fold}/{CHECKPOINT}" for fold in folds)}
    check_own(out, own)
    with opened(release, expected=sha256) as model:
        _check_told(release, model, folds, tile_step)
        _check_task(release, model, structure, orientation)
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            made = scratch / out.name
            _write(made, model)
            remove_own(out, own)
            made.rename(out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _check_told(release: Path, model: Opened, folds: Sequence[int], tile_step: float) -> None:
    """Raise StudyError for a release that segments otherwise than the study says: its masks would
    be those of another model."""
    if sorted(folds) != sorted(model.folds):
        here, told = _listed(model.folds), _listed(folds)
        raise StudyError(
            f"{release}: it has the folds {here}, the study says {told}",
            hint=f"[unpack] of the study's TOML: folds = [{here}]",
        )
    if tile_step != model.tile_step:
        raise StudyError(
            f"{release}: its tiles lie {model.tile_step} apart, the study says {tile_step}",
            hint=f"[unpack] of the study's TOML: tile_step = {model.tile_step}",
        )


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(folds)))


def _check_task(release: Path, model: Opened, structure: str, orientation: str) -> None:
    """Raise StudyError for a release that segments something else, or images that lie otherwise."""
    told = read_segmented(model.folder)
    if (told.structure, told.orientation) != (structure, orientation):
        raise StudyError(
            f"{release}: it segments the {told.structure} in {told.orientation}, "
            f"the study the {structure} in {orientation}",
            hint=f'[task] of the study\'s TOML: structure = "{told.structure}", '
            f'orientation = "{told.orientation}"',
        )


def _write(out: Path, model: Opened) -> None:
    """Write a model into a new folder. Raises StudyError for a release that does not tell what it
    was trained on: nobody could say that it has not seen what it is judged on."""
    read_folds(model.folder)
    cases = read_case_list(model.folder / CASES)
    for name in TEXTS:
        write_file(out / name, (model.folder / name).read_bytes())
    for fold in model.folds:
        file = f"fold_{fold}/{CHECKPOINT}"
        write_file(out / file, (model.folder / file).read_bytes())
    write_cases(out, cases)
