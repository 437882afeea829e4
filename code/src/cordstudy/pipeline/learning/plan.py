"""The plan of one model: nnU-Net's fingerprint and plans, and folds by subject.

Owns: plans.json, dataset.json, dataset_fingerprint.json and splits_final.json of a model.
Does not own: how nnU-Net plans (`nnunet`), or who is in which fold (`splits`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_json
from cordstudy.base.texts import read_json


def subject_folds(cases: Path, folds: int) -> list[dict[str, list[str]]]:
    """nnU-Net's `splits_final.json` from a cases.tsv: every image of a subject in one fold.

    nnU-Net's own splits shuffle cases, so that images of one subject come to lie on both
    sides. Raises StudyError where a fold has no case to validate on.
    """
    rows = [row for row in read_table(cases, "case_id", "part", "fold") if row["part"] == "train"]
    found = []
    for fold in map(str, range(folds)):
        held_out = sorted(row["case_id"] for row in rows if row["fold"] == fold)
        if not held_out:
            raise StudyError(
                f"{cases}: fold {fold} has no case", hint="lower split.folds, or change split.seed"
            )
        found.append(
            {
                "train": sorted(row["case_id"] for row in rows if row["fold"] != fold),
                "val": held_out,
            }
        )
    return found


def numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Read a comma-separated list of numbers from the command line."""
    try:
        return tuple(float(part) for part in value.split(",")) if value else None
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r} is not a list of numbers such as 1.5,1.5,1.5"
        ) from error


@click.command("plan")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the model.")
@click.option("--configuration", required=True, help="nnU-Net's configuration, such as 3d_fullres.")
@click.option("--folds", required=True, type=int, help="Folds of splits_final.json.")
@click.option(
    "--spacing", callback=numbers, help="Spacing in place of nnU-Net's, mm, in (z, y, x)."
)
@click.option(
    "--patch", callback=numbers, help="Patch in place of nnU-Net's, voxels, in (z, y, x)."
)
@click.option("--batch", type=int, help="Batch size in place of nnU-Net's.")
@click.option(
    "--features", callback=numbers, help="Feature maps of each stage in place of nnU-Net's."
)
@click.option("--convolutions", type=int, help="Convolutions a stage in place of nnU-Net's.")
@click.option(
    "--plans",
    type=click.Path(path_type=Path, exists=True),
    help="Take over these plans of another model.",
)
def command(
    dataset, out, configuration, folds, spacing, patch, batch, features, convolutions, plans
) -> None:
    """Plan a model for the nnU-Net raw DATASET. The options from --spacing to --convolutions go together."""
    from cordstudy.pipeline.learning.checkpoints import check_plans  # torch: 3 s to import
    from cordstudy.pipeline.learning.nnunet import Reduction, plan  # nnU-Net: 4 s to import

    reduction = None
    if spacing:
        whole = (tuple(map(int, values)) for values in (patch, features))
        patch, features = whole
        reduction = Reduction(spacing, patch, batch, features, convolutions)
    shared = read_json(plans) if plans else None
    if plans:
        check_plans(shared, plans)
    for name, content in plan(
        dataset, configuration=configuration, reduction=reduction, shared=shared
    ).items():
        write_json(out / name, content)
    write_json(out / "splits_final.json", subject_folds(dataset / "cases.tsv", folds))
