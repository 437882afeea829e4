"""`cases`: which image-mask cases a study finds in its sources, and what it leaves out.

Owns: its options and tables.
Does not own: finding cases (`pipeline.sources.finding`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.groups import complete_dataset
from cordstudy.cli.here import ROOT, called
from cordstudy.cli.inputs import check_dataset
from cordstudy.cli.saying import say
from cordstudy.pipeline.sources.cases import (
    FOUND_COLUMNS,
    LEFT_OUT_COLUMNS,
    Case,
    LeftOut,
    of_unknown_origin,
)
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of
from cordstudy.study.schema import Study


@click.command()
@click.option(
    "--dataset",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_dataset,
    help="Only this dataset; repeatable.",
)
@click.option("--left-out", is_flag=True, help="What is left out, and why, in place of the cases.")
@click.option("--tsv", is_flag=True, help="A row a case (or image left out), in place of counts.")
@click.pass_obj
def cases(name: str, names: tuple[str, ...], left_out: bool, tsv: bool) -> None:
    """Say which image-mask cases a study finds in its sources; no content is needed.

    \b
    Examples:
      code/study cases
      code/study cases --dataset epi --left-out --tsv
    """
    study = load_study(ROOT, name)
    wanted = [check_dataset(study, dataset) for dataset in names] or list(study.datasets)
    found: list[Case] = []
    not_used: list[LeftOut] = []
    for dataset in wanted:
        cases_there, left_out_there = _find(study, dataset)
        found += cases_there
        not_used += left_out_there
    if tsv and left_out:
        _print_table(LEFT_OUT_COLUMNS, not_used)
    elif tsv:
        _print_table(FOUND_COLUMNS, found)
    elif left_out:
        _print_counts((image.dataset, image.contrast, image.reason) for image in not_used)
    else:
        _print_counts(_kind(case) for case in found)
        shown = called(name, "cases --left-out")
        say(f"{len(found)} cases; {len(not_used)} images are left out: {shown}")


def _find(study: Study, name: str) -> tuple[list[Case], list[LeftOut]]:
    from cordstudy.pipeline.sources.finding import find_cases, model_made

    dataset = study.datasets[name]
    if not (ROOT / dataset.path / ".git").exists():
        hint = f"code/study inputs get {name}"
        raise StudyError(f"the source {dataset.path} is not installed", hint=hint)
    rules = rules_of(study, name)
    found, left_out = find_cases(ROOT, rules)
    for warning in filter(None, [model_made(found), *of_unknown_origin(found)]):
        say(f"warning: {inline(warning)}", err=True)
    return found, left_out


def _kind(case: Case) -> tuple[str, ...]:
    return (case.dataset, case.contrast, f"label origin {case.label_origin}")


def _print_table(columns: Sequence[str], rows: Sequence[Case] | Sequence[LeftOut]) -> None:
    from cordstudy.base.tables import table_text

    say(table_text(columns, [astuple(row) for row in rows]), nl=False)


def _print_counts(kinds: Iterable[tuple[str, ...]]) -> None:
    """A line a kind, with how many there are of it."""
    counts = Counter(tuple(inline(cell) for cell in kind) for kind in kinds)
    rows = [(*kind, str(count)) for kind, count in counts.items()]
    print_columns(rows, right={3})
