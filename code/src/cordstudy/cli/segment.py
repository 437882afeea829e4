"""`segment`: any image with a trained model of the study.

Owns: finding a model's checkpoints here.
Does not own: segmentation (`pipeline.learning.segmenter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT
from cordstudy.cli.saying import say
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study


@click.command()
@click.argument(
    "images",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=["general"],
    show_default=True,
    help="Which model of the study; repeatable, each then with a folder of its own.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the masks.",
)
@click.pass_obj
def segment(name: str, images: tuple[Path, ...], models: tuple[str, ...], out: Path) -> None:
    """Segment the cord in IMAGES (NIfTI) with a trained model.

    Each mask is on its image's own grid, with a sidecar that says how it came about, and whether it
    is empty or touches the border of the image.
    """
    for path in masks_of(load_study(ROOT, name), images, models, out):
        say(path)


def masks_of(study: Study, images: Sequence[Path], models: Sequence[str], out: Path) -> list[Path]:
    """Segment images with some of the study's models; the masks, of each image those by each
    model."""
    folders = {model: _trained_folder(study, model) for model in models}
    from cordstudy.pipeline.learning.segmenter import segment as segment_images  # torch: 3 s

    return segment_images(
        folders,
        images,
        out,
        folds=study.train.folds,
        mirror_axes=study.predict.mirror_axes,
        tile_step=study.predict.tile_step,
    )


def _trained_folder(study: Study, name: str) -> Path:
    """The folder of a model whose checkpoints are here; raises StudyError for another."""
    models = models_of(study)
    if name not in models:
        raise StudyError(f"the study has no model {name!r}", hint=f"one of: {', '.join(models)}")
    layout = Layout(study)
    for fold in study.train.folds:
        checkpoint = f"{layout.fold(models[name], 1, fold)}/checkpoint_final.pth"
        path = ROOT / checkpoint
        if path.exists():
            continue
        if path.is_symlink():
            raise StudyError(f"{path}: its content is not here", hint=f"datalad get {checkpoint}")
        raise StudyError(f"{path}: not trained yet", hint=f"code/study run train:{name}:fold{fold}")
    return ROOT / layout.model(models[name])
