"""`results`: the table of mean Dice and the answer as HEAD has them, and what to do next.

Owns: reading the committed summary, the doubt that a record made it, the hints below it.
Does not own: the summary (`pipeline.judging.compare`), or the words of the answer (`recorded`).
"""

from __future__ import annotations

import textwrap

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import column_lines
from cordstudy.cli.committed import warning_of_leakage
from cordstudy.cli.here import ROOT, called
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import text
from cordstudy.provenance.history.index import History
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study

COLUMNS = ("model", "testset", "dice", "participants", "cases")
"""What of the summary is printed."""

WIDTH = 100
"""Of lines of text."""
Row = dict[str, str]


@click.command()
@click.pass_obj
def results(name: str) -> None:
    """Print the table model × test set, and where the report is.

    \b
    Examples:
      code/study results
      code/study --study public results
    """
    print_results(load_study(ROOT, name))


def print_results(study: Study) -> None:
    """Print mean Dice by model and test set and the answer as HEAD has them, and what to do next.

    Warns where that table is not what a record made.
    """
    path = Layout(study).summary_table
    lines = mean_dice(study)
    doubt = _doubt(path)
    if doubt:
        say(f"warning: {path}: {inline(doubt)}", err=True)
    say()
    for line in lines:
        say(line)
    _print_answer(study)
    _print_next(study)


def _print_answer(study: Study) -> None:
    """The sentences that the report's page begins with; a warning where HEAD has no table of
    them."""
    from cordstudy.cli.recorded import in_words, read_answer  # it tells of this table, too

    try:
        told = read_answer(study)
    except StudyError as error:
        say(f"warning: no answer: {inline(str(error))}", err=True)
        return
    words = inline(in_words(told).replace("*", ""))
    say()
    say(textwrap.fill(words, WIDTH, break_long_words=False, break_on_hyphens=False))


def mean_dice(study: Study) -> list[str]:
    """The lines of the table model × test set, as HEAD has it, below what must be known of it where
    training and test data overlap."""
    rows = _read_summary(Layout(study).summary_table)
    warning = warning_of_leakage(study)
    stamp = textwrap.wrap(f"WARNING: {inline(warning)}", 100) if warning else []
    return [*stamp, "Mean Dice, model × test set", *_table(rows)]


def _print_next(study: Study) -> None:
    layout = Layout(study)
    model = next(iter(models_of(study).values()))
    checkpoint = f"{layout.fold(model, 1, study.train.folds[0])}/checkpoint_final.pth"
    say(f"\nReport: {ROOT / layout.report}")
    say(
        f"\nNext, in {ROOT}:\n"
        '  . "$(code/study env)/bin/activate"           # datalad and git-annex on the PATH\n'
        "  git log                                      # one record a step\n"
        f"  {called(study.name, 'status')}\n"
        f"  datalad rerun $(git log -1 --format=%h -- {layout.cases_table})\n"
        f"  datalad get {checkpoint}\n"
        f"  {called(study.name, 'segment IMAGE.nii.gz --out masks')}  # any NIfTI image"
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
        return (
            "no record made these numbers; put there in "
            f"{origin.id[:8]} {origin.subject!r} by {origin.author}"
        )
    if maker.record.exit:
        return f"its record {maker.id[:8]} is of a command that failed"
    return ""


def _read_summary(path: str) -> list[Row]:
    """The rows of the table as git has it."""
    try:
        content = text(read_git(ROOT, "cat-file", "blob", f"HEAD:{path}"))
    except StudyError as error:
        raise StudyError(f"there is no {path}", hint="code/study run") from error
    header, *lines = content.splitlines() or [""]
    columns = header.split("\t")
    missing = set(COLUMNS) - set(columns)
    if missing:
        raise StudyError(
            f"{path}: no column {sorted(missing)[0]!r}", hint=f"code/study audit {path}"
        )
    rows = []
    for line in lines:
        cells = line.split("\t")
        cells += [""] * (len(columns) - len(cells))
        rows.append(dict(zip(columns, cells, strict=False)))
    return rows


def _table(rows: list[Row]) -> list[str]:
    testsets = list(dict.fromkeys(row["testset"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    dice = {(row["model"], row["testset"]): _number(row["dice"]) for row in rows}
    lines = []
    for model in models:
        lines.append([inline(model), *(dice.get((model, name), "n/a") for name in testsets)])
    for column in ("participants", "cases"):
        counts = {row["testset"]: inline(row[column]) for row in rows}
        lines.append([f"n {column}", *(counts[name] for name in testsets)])
    header = ["", *(inline(name) for name in testsets)]
    return column_lines(lines, header=header, right=range(1, len(header)))


def _number(cell: str) -> str:
    try:
        return f"{float(cell):.3f}"
    except ValueError:
        return inline(cell)
