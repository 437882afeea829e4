"""The `report` step: the page about the tables of judging, and two pictures beside it.

Owns: what they are made of, and where they are written.
Does not own: what is on them (`page`, `standalone`), or any number (`evaluate`, `compare`,
`leakage`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.tables import read_table, write_file
from cordstudy.pipeline.judging.cohort import read_cohort
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.report.evaluation import read_evaluation
from cordstudy.pipeline.report.gallery import Gallery, by_model, by_testset
from cordstudy.pipeline.report.page import Page, render
from cordstudy.pipeline.report.sections import PUBLISHED_COLUMNS, published_beside, unknown_makers
from cordstudy.pipeline.report.standalone import forest_picture, segmentation_picture
from cordstudy.pipeline.report.viewer import niivue


@click.command("report")
@click.argument("tables", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--judging",
    "parameters",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="What the models are, and the settings.",
)
@click.option(
    "--published",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Table of published figures, by the path of a dataset.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="nnU-Net raw dataset with a test part; repeatable.",
)
@click.option(
    "--predictions",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder of one model's masks; repeatable.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Page to write.")
@click.option(
    "--forest",
    required=True,
    type=click.Path(path_type=Path),
    help="PNG of the differences to write.",
)
@click.option(
    "--segmentation",
    required=True,
    type=click.Path(path_type=Path),
    help="PNG of outlines in some cases to write.",
)
def command(
    tables: Path,
    parameters: Path,
    published: Path,
    datasets: tuple[Path, ...],
    predictions: tuple[Path, ...],
    out: Path,
    forest: Path,
    segmentation: Path,
) -> None:
    """Write the page about the tables in the folder TABLES, and two pictures.

    \b
    Example:
      code/study run --dry-run report     tells the whole command of a study
    """
    settings = read_settings(parameters)
    evaluation = read_evaluation(tables)
    figures = read_table(published, *PUBLISHED_COLUMNS)
    gallery = Gallery(
        scores=evaluation.scores,
        settings=settings,
        best_specific=evaluation.best_specific,
        raws=by_testset(datasets),
        predictions=by_model(predictions),
    )
    page = Page(
        settings=settings,
        evaluation=evaluation,
        worst=gallery.worst(),
        middle=gallery.middle(),
        published=published_beside(figures, settings),
        unknown_makers=unknown_makers(datasets),
        niivue=niivue(),
        cohort=read_cohort(tables),
    )
    write_file(out, render(page))
    warning = page.stamp.heading if page.stamp.in_tests else ""
    write_file(forest, forest_picture(evaluation.comparisons, settings, warning=warning))
    write_file(segmentation, segmentation_picture(gallery))
