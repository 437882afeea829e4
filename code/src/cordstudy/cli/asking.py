"""`cases` and `audit`: what a study finds in its sources, and what its history shows.

Owns: their options and tables.
Does not own: finding cases (`pipeline.bids`), comparing sides (`pipeline.leakage`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple
from pathlib import Path

import click

from cordstudy import steps as table
from cordstudy.cli.inputs import check_dataset
from cordstudy.cli.site import ROOT
from cordstudy.errors import StudyError
from cordstudy.pipeline.raw import FOUND_COLUMNS, LEFT_OUT_COLUMNS, Case, LeftOut
from cordstudy.study import Study, load_study


@click.command()
@click.option("--dataset", "names", multiple=True, help="Only this dataset; repeatable.")
@click.option("--left-out", is_flag=True, help="What is left out, and why, in place of the cases.")
@click.option("--tsv", is_flag=True, help="A row a case (or image left out), in place of counts.")
@click.pass_obj
def cases(name: str, names: tuple[str, ...], left_out: bool, tsv: bool) -> None:
    """Say which image-mask cases a study finds in its sources; no content is needed."""
    from cordstudy.pipeline.tables import table_text

    study = load_study(ROOT, name)
    wanted = [check_dataset(study, one) for one in names] or list(study.datasets)
    found = [_find(study, one) for one in wanted]
    rows = [row for pair in found for row in pair[left_out]]
    if tsv:
        columns = LEFT_OUT_COLUMNS if left_out else FOUND_COLUMNS
        click.echo(table_text(columns, [astuple(row) for row in rows]), nl=False)
    elif left_out:
        _print_counts(Counter((row.dataset, row.contrast, row.reason) for row in rows))
    else:
        _print_counts(Counter((row.dataset, row.contrast, f"label origin {row.label_origin}") for row in rows))
        out = sum(len(pair[1]) for pair in found)
        click.echo(f"{len(rows)} cases; {out} images are left out: code/study cases --left-out")


def _find(study: Study, name: str) -> tuple[list[Case], list[LeftOut]]:
    from cordstudy.pipeline.bids import find_cases, model_made, unnamed_images
    from cordstudy.pipeline.rules import parse_rules

    if not (ROOT / study.datasets[name].path / ".git").exists():
        raise StudyError(
            f"the source {study.datasets[name].path} is not installed",
            hint=f"code/study --study {study.name} inputs get {name}",
        )
    rules = parse_rules(table.rules_content(study, name))
    found, left_out = find_cases(ROOT, rules)
    if warning := model_made(found):
        click.echo(f"warning: {warning}", err=True)
    return found, [*left_out, *unnamed_images(ROOT, rules)]


def _print_counts(counts: Counter[tuple[str, ...]]) -> None:
    widths = [max((len(key[n]) for key in counts), default=0) for n in range(3)]
    for key, count in counts.items():
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(key, widths)) + f"  {count:5}")


@click.command()
@click.option("--leakage", is_flag=True, required=True, help="Whether training and test sides share anything.")
@click.pass_obj
def audit(name: str, leakage: bool) -> None:
    """Ask the study how its results came to be. Exits with 1 where something is found.

    --leakage compares the training cases of every model, folds included, with every test set: by
    subject, session, annex key of image and mask, and converted file. It reads tables only.
    """
    from cordstudy.pipeline.leakage import Model, compare_all, verdicts

    study = load_study(ROOT, name)
    models = [Model(one, ROOT / study.training_set(one), ROOT / study.model(one)) for one in study.models]
    datasets = [ROOT / study.raw(one) for one in study.datasets]
    _check_there([*(folder / "cases.tsv" for folder in datasets), *(m.folder / "splits_final.json" for m in models)])
    found = compare_all(models, datasets)
    told = verdicts(found)
    width = max(len(item.against) for item in told) + 8
    click.echo(f"{'model':16} {'against':{width}} {'trained on':>10} {'held out':>9}  in common")
    for item in told:
        against = item.against if item.fold == "n/a" else f"{item.against}, fold {item.fold}"
        common = "; ".join(item.hits) or "nothing"
        click.echo(f"{item.model:16} {against:{width}} {item.n_train:10} {item.n_against:9}  {common}")
    hits = sum(bool(item.hits) for item in told)
    if hits:
        raise StudyError(f"{hits} of {len(told)} comparisons found something on both sides", hint="see the lines above")
    click.echo(f"\n{len(told)} comparisons by subject, session, keys and converted files: nothing in common")


def _check_there(paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise StudyError(f"there is no {path.relative_to(ROOT)}", hint="code/study run leakage")
