"""The `plan` step: nnU-Net's fingerprint and plans of one model, and folds by subject.

Owns: plans.json, dataset.json, dataset_fingerprint.json and splits_final.json of a model.
Does not own: how nnU-Net plans (`planner`), or who is in which fold (`split`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_json
from cordstudy.base.texts import read_json

if TYPE_CHECKING:
    from cordstudy.pipeline.learning.planner import PlanReduction


def subject_folds(cases: Path, folds: int) -> list[dict[str, list[str]]]:
    """nnU-Net's `splits_final.json` from a cases.tsv: every image of a subject in one fold.

    nnU-Net's own splits shuffle cases, so that images of one subject come to lie on both
    sides. Raises StudyError where a fold has no case to validate on.
    """
    rows = read_table(cases, "case_id", "part", "fold")
    divided = []
    for number in range(folds):
        held_out: list[str] = []
        others: list[str] = []
        for row in rows:
            if row["part"] == "train":
                side = held_out if row["fold"] == str(number) else others
                side.append(row["case_id"])
        if not held_out:
            raise StudyError(
                f"{cases}: fold {number} has no case",
                hint="lower split.folds, or change split.seed",
            )
        divided.append({"train": sorted(others), "val": sorted(held_out)})
    return divided


def numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """Read a comma-separated list of numbers from the command line."""
    if not value:
        return None
    try:
        return tuple(float(word) for word in value.split(","))
    except ValueError as error:
        message = f"{value!r} is not a list of numbers such as 1.5,1.5,1.5"
        raise click.BadParameter(message) from error


def counts(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Read a comma-separated list of whole numbers from the command line."""
    values = numbers(context, parameter, value)
    if values is None:
        return None
    try:
        return tuple(int(number) for number in values)
    except (ValueError, OverflowError) as error:  # not a number, infinite
        message = f"{value!r} is not a list of whole numbers such as 32,64,64"
        raise click.BadParameter(message) from error


@click.command("plan")
@click.argument("dataset", type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the model.")
@click.option("--configuration", required=True, help="nnU-Net's configuration, such as 3d_fullres.")
@click.option("--folds", required=True, type=int, help="Folds of splits_final.json.")
@click.option(
    "--spacing", callback=numbers, help="Spacing in place of nnU-Net's, mm, in (z, y, x)."
)
@click.option("--patch", callback=counts, help="Patch in place of nnU-Net's, voxels, in (z, y, x).")
@click.option("--batch", type=int, help="Batch size in place of nnU-Net's.")
@click.option(
    "--features", callback=counts, help="Feature maps of each stage in place of nnU-Net's."
)
@click.option("--convolutions", type=int, help="Convolutions a stage in place of nnU-Net's.")
@click.option(
    "--plans",
    type=click.Path(path_type=Path, exists=True),
    help="Take over these plans of another model.",
)
def command(
    dataset: Path,
    out: Path,
    configuration: str,
    folds: int,
    spacing: tuple[float, ...] | None,
    patch: tuple[int, ...] | None,
    batch: int | None,
    features: tuple[int, ...] | None,
    convolutions: int | None,
    plans: Path | None,
) -> None:
    """Plan a model for the nnU-Net raw DATASET.

    The options from --spacing to --convolutions go together.

    \b
    Example:
      code/study run --dry-run plan:general     tells the whole command of a study
    """
    from cordstudy.pipeline.learning.planner import plan  # nnU-Net: 4 s to import
    from cordstudy.pipeline.learning.plans import check_plans  # torch: 3 s to import

    reduction = _reduction(spacing, patch, batch, features, convolutions)
    shared = None
    if plans:
        shared = read_json(plans)
        check_plans(shared, plans)
    planned = plan(dataset, configuration=configuration, reduction=reduction, shared=shared)
    for name, content in planned.items():
        write_json(out / name, content)
    write_json(out / "splits_final.json", subject_folds(dataset / "cases.tsv", folds))


def _reduction(
    spacing: tuple[float, ...] | None,
    patch: tuple[int, ...] | None,
    batch: int | None,
    features: tuple[int, ...] | None,
    convolutions: int | None,
) -> PlanReduction | None:
    """What is to be changed in the plans; None for nothing."""
    from cordstudy.pipeline.learning.planner import PlanReduction

    if not any((spacing, patch, batch, features, convolutions)):
        return None
    if not (spacing and patch and batch and features and convolutions):
        raise click.UsageError("the options from --spacing to --convolutions go together")
    return PlanReduction(spacing, patch, batch, features, convolutions)
