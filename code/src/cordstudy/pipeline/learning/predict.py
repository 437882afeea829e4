"""The `predict` step: every test set of a study by one model.

Owns: the step's command line, and what is told of the components that are not kept.
Does not own: inference (`predictor`), which of them are kept (`postprocessing`), or which image
becomes which mask (`raw.predictions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cordstudy.base.determinism import identical_option
from cordstudy.base.tables import write_table
from cordstudy.pipeline.learning.options import fold_option, mirror_option, tile_step_option
from cordstudy.pipeline.learning.postprocessing import read_postprocessing
from cordstudy.pipeline.raw.components import OTHERS, TABLE, components
from cordstudy.pipeline.raw.names import MASK_ENDING
from cordstudy.pipeline.raw.predictions import masks_option, room_for_masks

COLUMNS = ("testset", "case_id", "keep", "components", "voxels_kept", "voxels_other")
"""Of the table of components."""


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@masks_option
@fold_option
@mirror_option
@tile_step_option
@identical_option
def command(
    model: Path,
    datasets: tuple[Path, ...],
    out: Path,
    folds: tuple[int, ...],
    mirror_axes: tuple[int, ...],
    tile_step: float,
) -> None:
    """Segment the test images of nnU-Net raw DATASETS with the trained and validated MODEL.

    \b
    Example:
      code/study run --dry-run predict:general     tells the whole command of a study
    """
    rows = _predict(
        model,
        room_for_masks(datasets, out),
        out / OTHERS,
        folds=folds,
        mirror_axes=mirror_axes,
        tile_step=tile_step,
    )
    write_table(out / OTHERS / TABLE, COLUMNS, rows)


def _predict(
    model: Path,
    jobs: Sequence[tuple[Path, Path]],
    others: Path,
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> list[tuple[object, ...]]:
    """Write the mask of each image, and in a folder of its own the components that are not kept of
    it; the rows of the table of components."""
    from cordstudy.pipeline.learning.predictor import predicted  # nnU-Net: 5 s to import

    rule = read_postprocessing(model)
    images = [image for image, _ in jobs]
    masks = predicted([model], images, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
    rows: list[tuple[object, ...]] = []
    for (_, output), (grid, [mask]) in zip(jobs, masks, strict=True):
        kept = rule.kept(mask)
        rest = mask - kept
        grid.write(kept, output)
        if rest.any():
            grid.write(rest, others / output.name)
        case_id = output.name.removesuffix(MASK_ENDING)
        voxels = int(kept.sum()), int(rest.sum())
        rows.append((output.parent.name, case_id, rule.keep, components(mask), *voxels))
    return rows
