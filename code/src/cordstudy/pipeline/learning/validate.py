"""The `validate` step: each fold of a model on the cases that its training held out.

Owns: which cases those are, and the table of them; it is what `postprocessing` chooses by.
Does not own: inference (`predictor`), or the choice (`postprocessing`).
"""

from __future__ import annotations

from dataclasses import astuple, fields
from pathlib import Path

import click

from cordstudy.base.determinism import identical_option
from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_table
from cordstudy.pipeline.learning.options import fold_option, mirror_option, tile_step_option
from cordstudy.pipeline.learning.postprocessing import (
    Held,
    choose,
    dice,
    write_postprocessing,
)
from cordstudy.pipeline.raw.components import components, largest_component

TABLE = "validation.tsv"


def held_out(
    dataset: Path,
    planned: Path,
    model: Path,
    *,
    fold: int,
    mirror_axes: tuple[int, ...],
    tile_step: float,
) -> list[Held]:
    """The cases that one fold held out, as its network segments them.

    `dataset` is the nnU-Net raw dataset that it learned from, `planned` holds splits_final.json,
    `model` the fold's checkpoint.
    """
    from cordstudy.pipeline.learning.plans import read_folds
    from cordstudy.pipeline.learning.predictor import predicted  # nnU-Net: 5 s to import

    folds = read_folds(planned)
    if not 0 <= fold < len(folds):
        raise StudyError(f"{planned}: it has no fold {fold}", hint="code/study run plan")
    names = sorted(folds[fold]["val"])
    images = [dataset / f"imagesTr/{name}_0000.nii.gz" for name in names]
    masks = predicted([model], images, folds=[fold], mirror_axes=mirror_axes, tile_step=tile_step)
    held = []
    for name, (grid, [mask]) in zip(names, masks):
        ref = grid.read_mask(dataset / f"labelsTr/{name}.nii.gz")
        held.append(
            Held(
                case_id=name,
                fold=fold,
                components=components(mask),
                dice_all_components=dice(mask, ref),
                dice_largest_component=dice(largest_component(mask), ref),
            )
        )
    return held


@click.command("validate")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True))
@click.argument("planned", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@fold_option
@mirror_option
@tile_step_option
@identical_option
@click.option(
    "--all-components", is_flag=True, help="Keep all components of a mask, and choose nothing."
)
def command(
    dataset: Path,
    planned: Path,
    model: Path,
    folds: tuple[int, ...],
    mirror_axes: tuple[int, ...],
    tile_step: float,
    all_components: bool,
) -> None:
    """Segment the cases of the nnU-Net raw DATASET that the folds of MODEL held out, by the folds
    of PLANNED, and choose by them what is kept of a mask.

    \b
    Example:
      code/study run --dry-run validate:general     tells the whole command of a study
    """
    held: list[Held] = []
    for fold in folds:
        held += held_out(
            dataset, planned, model, fold=fold, mirror_axes=mirror_axes, tile_step=tile_step
        )
    write_table(model / TABLE, [field.name for field in fields(Held)], map(astuple, held))
    write_postprocessing(model, choose(held, keep_all=all_components))
