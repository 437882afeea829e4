"""`results` and `segment`: what a study found, and using its models.

Owns: the table of results, finding a model's checkpoints.
Does not own: segmentation (`pipeline.segment`), or any number (`pipeline.evaluate`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.cli.site import ROOT
from cordstudy.errors import StudyError
from cordstudy.study import Study, load_study


@click.command()
@click.pass_obj
def results(name: str) -> None:
    """Print the table model × test set, and where the report is."""
    print_results(load_study(ROOT, name))


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--model", "models", multiple=True, default=["general"], show_default=True,
              help="Which model of the study; repeatable, each then with a folder of its own.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the masks.")
@click.option("--replace", is_flag=True, help="Replace masks that are there.")
@click.pass_obj
def segment(name: str, images: tuple[Path, ...], models: tuple[str, ...], out: Path, replace: bool) -> None:
    """Segment the cord in IMAGES (NIfTI) with a trained model; each mask is on its image's own grid."""
    study = load_study(ROOT, name)
    folders = {model: _trained(study, model) for model in models}
    from cordstudy.pipeline.segment import segment as segment_images  # nibabel, and then torch

    settings = study.predict
    written = segment_images(
        folders, images, out, folds=study.train.folds, mirror_axes=settings.mirror_axes, tile_step=settings.tile_step,
        replace=replace,
    )  # fmt: skip
    for path in written:
        click.echo(path)


def _trained(study: Study, model: str) -> Path:
    """The folder of a model whose checkpoints are here; raises StudyError for another."""
    if model not in study.all_models:
        raise StudyError(f"the study has no model {model!r}", hint=f"one of: {', '.join(study.all_models)}")
    folder = ROOT / study.model(model)
    for fold in study.train.folds:
        checkpoint = folder / f"fold_{fold}/checkpoint_final.pth"
        if not checkpoint.exists():
            known = checkpoint.is_symlink()
            hint = (
                f"datalad get {checkpoint.relative_to(ROOT)}" if known else f"code/study run train:{model}:fold{fold}"
            )
            raise StudyError(f"{checkpoint}: {'its content is not here' if known else 'not trained yet'}", hint=hint)
    return folder


def print_results(study: Study) -> None:
    """Print mean Dice by model and test set, and what to do next."""
    path = ROOT / study.summary_table
    if not path.exists():
        raise StudyError(f"there is no {study.summary_table}", hint="code/study run")
    header, *lines = path.read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"))) for line in lines]
    names, models = (list(dict.fromkeys(row[key] for row in rows)) for key in ("testset", "model"))
    dice = {(row["model"], row["testset"]): float(row["dice"]) for row in rows}
    width = max(map(len, names)) + 2
    click.echo("\nMean Dice, model × test set")
    click.echo(f"{'':16}" + "".join(f"{n:>{width}}" for n in names))
    for model in models:
        click.echo(f"{model:16}" + "".join(f"{dice[model, n]:>{width}.3f}" for n in names))
    for key in ("participants", "cases"):
        counts = {row["testset"]: row[key] for row in rows}
        click.echo(f"{'n ' + key:16}" + "".join(f"{counts[n]:>{width}}" for n in names))
    checkpoint = f"{study.model(models[0])}/fold_{study.train.folds[0]}/checkpoint_final.pth"
    click.echo(f"\nReport: {ROOT / study.report}")
    click.echo(
        f"\nNext, in {ROOT}:\n"
        '  . "$(code/study env)/bin/activate"           # datalad and git-annex on the PATH\n'
        "  git log                                      # one record a step\n"
        "  code/study status\n"
        f"  datalad rerun $(git log -1 --format=%h -- {study.cases_table})\n"
        f"  datalad get {checkpoint}\n"
        "  code/study segment IMAGE.nii.gz --out masks  # any NIfTI image of the neck"
    )
