"""`results` and `segment`: what a study found, and using its models.

Owns: the table of results, finding a model's checkpoints.
Does not own: segmentation (`pipeline.segment`), or any number (`pipeline.evaluate`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.here import ROOT
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import text
from cordstudy.provenance.history.index import History
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study


@click.command()
@click.pass_obj
def results(name: str) -> None:
    """Print the table model × test set, and where the report is."""
    print_results(load_study(ROOT, name))


@click.command()
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
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
    """Segment the cord in IMAGES (NIfTI) with a trained model; each mask is on its image's own grid."""
    study = load_study(ROOT, name)
    folders = {model: _trained(study, model) for model in models}
    from cordstudy.pipeline.learning.segmenter import (
        segment as segment_images,  # nibabel, and then torch
    )

    settings = study.predict
    written = segment_images(
        folders,
        images,
        out,
        folds=study.train.folds,
        mirror_axes=settings.mirror_axes,
        tile_step=settings.tile_step,
    )
    for path in written:
        say(path)


def _trained(study: Study, model: str) -> Path:
    """The folder of a model whose checkpoints are here; raises StudyError for another."""
    if model not in models_of(study):
        raise StudyError(
            f"the study has no model {model!r}", hint=f"one of: {', '.join(models_of(study))}"
        )
    folder = ROOT / Layout(study).model(models_of(study)[model])
    for fold in study.train.folds:
        checkpoint = folder / f"fold_{fold}/checkpoint_final.pth"
        if not checkpoint.exists():
            known = checkpoint.is_symlink()
            hint = (
                f"datalad get {checkpoint.relative_to(ROOT)}"
                if known
                else f"code/study run train:{model}:fold{fold}"
            )
            raise StudyError(
                f"{checkpoint}: {'its content is not here' if known else 'not trained yet'}",
                hint=hint,
            )
    return folder


def print_results(study: Study) -> None:
    """Print mean Dice by model and test set as HEAD has it, and what to do next.

    Warns where that table is not what a record made.
    """
    layout = Layout(study)
    first = next(iter(models_of(study).values()))
    path = layout.summary_table
    rows = _read_summary(path)
    if doubt := _doubt(path):
        say(f"warning: {path}: {inline(doubt)}", err=True)
    _print_table(rows)
    checkpoint = f"{layout.model(first)}/fold_{study.train.folds[0]}/checkpoint_final.pth"
    say(f"\nReport: {ROOT / layout.report}")
    say(
        f"\nNext, in {ROOT}:\n"
        '  . "$(code/study env)/bin/activate"           # datalad and git-annex on the PATH\n'
        "  git log                                      # one record a step\n"
        "  code/study status\n"
        f"  datalad rerun $(git log -1 --format=%h -- {layout.cases_table})\n"
        f"  datalad get {checkpoint}\n"
        "  code/study segment IMAGE.nii.gz --out masks  # any NIfTI image of the neck"
    )


def _doubt(path: str) -> str:
    """Why a table's numbers need not be what a command gave; empty where a record made them."""
    try:
        history = History(ROOT)
    except StudyError as error:  # such as a shallow clone
        return f"no record is here that would tell who made these numbers: {error}"
    maker = history.producer(path)
    if maker is None:
        origin = history.introduced_by(path, history.tree[path])
        return f"no record made these numbers; put there in {origin.id[:8]} {origin.subject!r} by {origin.author}"
    if maker.record.exit:
        return f"its record {maker.id[:8]} is of a command that failed"
    return ""


def _read_summary(path: str) -> list[dict[str, str]]:
    """The rows of the table as git has it."""
    try:
        content = text(read_git(ROOT, "cat-file", "blob", f"HEAD:{path}"))
    except StudyError as error:
        raise StudyError(f"there is no {path}", hint="code/study run") from error
    header, *lines = content.splitlines() or [""]
    columns = header.split("\t")
    if missing := {"model", "testset", "dice", "participants", "cases"} - set(columns):
        raise StudyError(
            f"{path}: no column {sorted(missing)[0]!r}", hint=f"code/study audit {path}"
        )
    return [dict(zip(columns, [*line.split("\t"), *[""] * len(columns)])) for line in lines]


def _print_table(rows: list[dict[str, str]]) -> None:
    names, models = (list(dict.fromkeys(row[key] for row in rows)) for key in ("testset", "model"))
    dice = {(row["model"], row["testset"]): _number(row["dice"]) for row in rows}
    width = max(map(len, map(inline, names)), default=0) + 2
    say("\nMean Dice, model × test set")
    say(f"{'':16}" + "".join(f"{inline(n):>{width}}" for n in names))
    for model in models:
        say(
            f"{inline(model):16}"
            + "".join(f"{dice.get((model, n), 'n/a'):>{width}}" for n in names)
        )
    for key in ("participants", "cases"):
        counts = {row["testset"]: inline(row[key]) for row in rows}
        say(f"{'n ' + key:16}" + "".join(f"{counts[n]:>{width}}" for n in names))


def _number(cell: str) -> str:
    try:
        return f"{float(cell):.3f}"
    except ValueError:
        return inline(cell)
