"""The `compare` step: from the table of cases to the tables of statistics.

Owns: which tables it writes, and where.
Does not own: what is in them (`scores`, `comparisons`, `strata`, `sizes`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.pipeline.judging.ablation import Ablation, ablations
from cordstudy.pipeline.judging.agreement import Agreement, agreements
from cordstudy.pipeline.judging.comparisons import Comparison, compare_models
from cordstudy.pipeline.judging.complete import check_complete
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.scores import (
    Spread,
    check_columns,
    read_scores,
    spread,
    summarise,
    write_summaries,
)
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.judging.sizes import Size, by_model, size_of
from cordstudy.pipeline.judging.strata import Stratum, strata


@click.command("compare")
@click.argument("cases", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--judging",
    "parameters",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="What the models are, and the settings.",
)
@click.option(
    "--training",
    "trainings",
    multiple=True,
    nargs=2,
    type=(str, click.Path(path_type=Path, exists=True)),
    metavar="MODEL CASES",
    help="Table of the cases that a model learned from; repeatable.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
def command(
    cases: Path, parameters: Path, trainings: tuple[tuple[str, Path], ...], out: Path
) -> None:
    """Summarise and compare the models of CASES: summary, comparisons, strata, replicates, and the
    sizes of training sets.

    \b
    Example:
      code/study run --dry-run compare     tells the whole command of a study
    """
    scores = read_scores(cases)
    settings = read_settings(parameters)
    check_columns(scores, cases, areas=settings.task.areas)
    check_complete(scores, settings, cases)
    sizes = [size_of(model, table) for model, table in trainings]
    summaries = summarise(scores, settings.failure_dice)
    comparisons = compare_models(scores, settings, by_model(sizes))
    by_stratum = strata(scores, settings)
    spreads = spread(scores)
    write_summaries(out / "summary.tsv", summaries)
    write_rows(out / "comparisons.tsv", Comparison, comparisons)
    write_rows(out / "strata.tsv", Stratum, by_stratum)
    write_rows(out / "replicates.tsv", Spread, spreads)
    if settings.task.areas:
        write_rows(out / "agreement.tsv", Agreement, agreements(scores))
    write_rows(out / "components.tsv", Ablation, ablations(scores))
    write_rows(out / "sizes.tsv", Size, sizes)
