"""`cases` and `audit`: what a study finds in its sources, and what its history shows.

Owns: their options and tables.
Does not own: finding cases (`pipeline.bids`), comparing sides (`pipeline.leakage`).
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import astuple
from pathlib import Path

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.here import ROOT
from cordstudy.cli.inputs import check_dataset
from cordstudy.cli.saying import say, say_json_text
from cordstudy.pipeline.sources.cases import FOUND_COLUMNS, LEFT_OUT_COLUMNS, Case, LeftOut
from cordstudy.provenance.audit.gate import FOLDERS, check, check_content, checked_files
from cordstudy.provenance.audit.lineage import faults, trace
from cordstudy.provenance.audit.rendering import Rendered, Steps, by_own_code, by_present_code
from cordstudy.provenance.audit.sandbox import check_sandbox
from cordstudy.provenance.audit.views import as_json, as_page, as_text
from cordstudy.provenance.history.index import History, RecordedCommit
from cordstudy.study import steps as table
from cordstudy.study.closure import files_of
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.parameters import rules_of
from cordstudy.study.schema import Study

EXPORTS = ("rocrate", "bids", "prov")
RENDERER = files_of(["cordstudy.study.steps", "cordstudy.study.loading"])
"""The code that says what the steps of a study are."""


@click.command()
@click.option("--dataset", "names", multiple=True, help="Only this dataset; repeatable.")
@click.option("--left-out", is_flag=True, help="What is left out, and why, in place of the cases.")
@click.option("--tsv", is_flag=True, help="A row a case (or image left out), in place of counts.")
@click.pass_obj
def cases(name: str, names: tuple[str, ...], left_out: bool, tsv: bool) -> None:
    """Say which image-mask cases a study finds in its sources; no content is needed."""
    from cordstudy.base.tables import table_text

    study = load_study(ROOT, name)
    wanted = [check_dataset(study, one) for one in names] or list(study.datasets)
    found = [_find(study, one) for one in wanted]
    rows = [row for pair in found for row in pair[left_out]]
    if tsv:
        columns = LEFT_OUT_COLUMNS if left_out else FOUND_COLUMNS
        say(table_text(columns, [astuple(row) for row in rows]), nl=False)
    elif left_out:
        _print_counts(Counter((row.dataset, row.contrast, row.reason) for row in rows))
    else:
        _print_counts(
            Counter((row.dataset, row.contrast, f"label origin {row.label_origin}") for row in rows)
        )
        out = sum(len(pair[1]) for pair in found)
        say(f"{len(rows)} cases; {out} images are left out: code/study cases --left-out")


def _find(study: Study, name: str) -> tuple[list[Case], list[LeftOut]]:
    from cordstudy.pipeline.sources.finding import find_cases, model_made, unnamed_images

    if not (ROOT / study.datasets[name].path / ".git").exists():
        raise StudyError(
            f"the source {study.datasets[name].path} is not installed",
            hint=f"code/study --study {study.name} inputs get {name}",
        )
    rules = rules_of(study, name)
    found, left_out = find_cases(ROOT, rules)
    if warning := model_made(found):
        say(f"warning: {warning}", err=True)
    return found, [*left_out, *unnamed_images(ROOT, rules)]


def _print_counts(counts: Counter[tuple[str, ...]]) -> None:
    shown = {tuple(map(inline, key)): count for key, count in counts.items()}
    widths = [max((len(key[n]) for key in shown), default=0) for n in range(3)]
    for key, count in shown.items():
        say("  ".join(cell.ljust(width) for cell, width in zip(key, widths)) + f"  {count:5}")


@click.command()
@click.argument("question", metavar="[PATH[:SELECTOR]]", required=False)
@click.option("--depth", type=click.IntRange(min=0), help="How many runs deep the tree goes.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "html", *EXPORTS]),
    default="text",
    show_default=True,
    help="How to tell it; the last three are of the whole study, to files.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of an export's files."
)
@click.option(
    "--dataset",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another DataLad dataset to ask, in place of this study.",
)
@click.option(
    "--all", "whole", is_flag=True, help="Whether the history accounts for everything here."
)
@click.option(
    "--content",
    is_flag=True,
    help="With --all: whether annexed content here matches its keys; reads it.",
)
@click.option(
    "--render",
    is_flag=True,
    help="With --all: run the code of other commits too, in a sandbox "
    "(bubblewrap), to compare the records that it made with what it renders.",
)
@click.option("--leakage", is_flag=True, help="Whether training and test sides share anything.")
@click.pass_obj
def audit(name, question, depth, form, out, dataset, whole, content, render, leakage) -> None:
    """Ask the history how results came to be; of any DataLad dataset, from git objects alone.

    PATH: every run behind a file, down to source files; `PATH:column=value,…` behind rows of a
    table. Exits with 1 where the chain is broken; a run that is stale breaks nothing.

    --all: a gate, which finds what is not true. Every file below models/ and derivatives/ from one
    record, records that agree with their commits and with what the study renders, inputs with an
    origin. What has changed since is `code/study status`'s. It cannot see content that no command made
    under a well-formed record, nor an input that was read and not declared: `code/study verify` finds both.

    No question runs anything of the history, but --all --render: records that other code made are
    compared only with it, by that code, which runs in a sandbox: no network, no home folder, nothing
    that it writes stays, a minute at most for each state of the code.

    --leakage: the training cases of every model, folds included, against every test set: by subject,
    session, annex key of image and mask, and converted file. It reads tables only.

    --format rocrate, bids and prov print the history of a study's results for other tools.
    """
    if sum(map(bool, (question, whole, leakage, form in EXPORTS))) != 1:
        raise StudyError(
            "ask one question: a path, --all, --leakage, or an export",
            hint="code/study audit --help",
        )
    if (render or content) and not whole:
        raise StudyError("--content and --render go with --all", hint="code/study audit --help")
    repo = dataset or ROOT
    if leakage:
        _print_leakage(load_study(ROOT, name))
    elif whole:
        _print_gate(repo, content=content, render=render)
    elif question:
        _print_lineage(repo, question, depth=depth, form=form)
    elif out is None:
        raise StudyError(f"--format {form} writes files", hint="say where: --out FOLDER")
    else:
        from cordstudy.provenance.audit.exports import export

        for path in export(History(repo), form, out):
            say(path)


def _print_lineage(repo: Path, question: str, *, depth: int | None, form: str) -> None:
    path, _, selector = question.partition(":")
    lineage = trace(History(repo), path, selector)
    if form == "text":
        say(as_text(lineage, depth=depth, width=None if sys.stdout.isatty() else 120), nl=False)
    elif form == "json":
        say_json_text(as_json(lineage))
    else:
        say(as_page(lineage))
    if broken := faults(lineage):
        raise StudyError(
            f"the chain is broken in {len(broken)} places",
            hint="the last lines of the text say where",
        )


def _print_gate(repo: Path, *, content: bool, render: bool) -> None:
    history = History(repo)
    ours = repo.resolve() == ROOT
    if render and not ours:
        raise StudyError("--render is about this study", hint="leave out --dataset")
    folders = FOLDERS if ours else (".",)
    expected = _expected(history, render=render) if ours else {}
    found = check(history, expected=expected.get, folders=folders)
    if content:
        found += check_content(repo, folders)
    for finding in found:
        say(f"{finding.kind:20} {inline(finding.where)}\n{'':20} {inline(finding.what)}")
    unknown = sum(commit.id not in expected for commit in history.live) if ours else 0
    if unknown:
        say(
            f"{unknown} records not rendered (made by other code"
            + ("; its own code could not be run)" if render else "; --render runs it in a sandbox)")
        )
    if found:
        raise StudyError(
            f"{len(found)} findings in the history of {history.id[:8]}",
            hint="git show COMMIT of each",
        )
    files = len(checked_files(history, folders))
    say(
        f"{files} files of {len(history.live)} records: nothing found"
        + ("; annexed content here matches its keys" if content else "")
    )


def _expected(history: History, *, render: bool) -> dict[str, Steps]:
    """What is expected of the records of this study, by their commits; without those that other code made,
    or else with what that code renders."""
    expected = by_present_code(history, history.live, Rendered(_studies(), RENDERER))
    others = [commit for commit in history.live if commit.id not in expected]
    return expected | _by_own_code(history, others) if render and others else expected


def _by_own_code(history: History, others: list[RecordedCommit]) -> dict[str, Steps]:
    check_sandbox()

    def told(trees: int) -> None:
        say(
            f"running the code of {trees} other states of this history in a sandbox (bubblewrap: no network, "
            f"nothing that it writes stays) to render {len(others)} records",
            err=True,
        )

    return by_own_code(history, others, told)


def _studies() -> dict[str, list[table.Step]]:
    """The steps of every study here, by the path of its file; one that is being edited may render nothing."""
    found = {}
    for path in sorted(ROOT.glob("code/studies/*.toml")):
        try:
            found[str(path.relative_to(ROOT))] = table.steps(load_study(ROOT, path.stem))
        except (StudyError, ValueError, OSError):
            continue
    return found


def _print_leakage(study: Study) -> None:
    from cordstudy.pipeline.judging.leakage import Side, compare_all, verdicts

    layout = Layout(study)
    models = []
    for model in models_of(study).values():
        models.append(
            Side(model.name, ROOT / layout.training_set(model), ROOT / layout.model(model))
        )
    datasets = [ROOT / layout.raw(name) for name in study.datasets]
    _check_there(
        [
            *(folder / "cases.tsv" for folder in datasets),
            *(m.folder / "splits_final.json" for m in models),
        ]
    )
    found = compare_all(models, datasets)
    told = verdicts(found)
    width = max(len(item.against) for item in told) + 8
    say(f"{'model':16} {'against':{width}} {'trained on':>10} {'held out':>9}  in common")
    for item in told:
        against = item.against if item.fold == "n/a" else f"{item.against}, fold {item.fold}"
        common = inline("; ".join(item.hits)) or "nothing"
        say(f"{item.model:16} {against:{width}} {item.n_train:10} {item.n_against:9}  {common}")
    hits = sum(bool(item.hits) for item in told)
    if hits:
        raise StudyError(
            f"{hits} of {len(told)} comparisons found something on both sides",
            hint="see the lines above",
        )
    say(
        f"\n{len(told)} comparisons by subject, session, keys and converted files: nothing in common"
    )


def _check_there(paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise StudyError(f"there is no {path.relative_to(ROOT)}", hint="code/study run leakage")
