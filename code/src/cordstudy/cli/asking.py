"""`cases` and `audit`: what a study finds in its sources, and what its history shows.

Owns: their options and tables.
Does not own: finding cases (`pipeline.bids`), comparing sides (`pipeline.leakage`).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import astuple
from functools import cache
from pathlib import Path

import click

from cordstudy import steps as table
from cordstudy.cli.inputs import check_dataset
from cordstudy.cli.site import ROOT
from cordstudy.errors import StudyError
from cordstudy.pipeline.raw import FOUND_COLUMNS, LEFT_OUT_COLUMNS, Case, LeftOut
from cordstudy.provenance.gate import FOLDERS, check, check_content, checked_files, live_records
from cordstudy.provenance.gitannex import git, run
from cordstudy.provenance.history import History
from cordstudy.provenance.lineage import faults, trace
from cordstudy.provenance.records import join
from cordstudy.provenance.showing import as_json, as_page, as_text
from cordstudy.study import Study, load_study

EXPORTS = ("rocrate", "bids", "prov")


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
@click.argument("question", metavar="[PATH[:SELECTOR]]", required=False)
@click.option("--depth", type=click.IntRange(min=0), help="How many runs deep the tree goes.")
@click.option("--format", "form", type=click.Choice(["text", "json", "html", *EXPORTS]), default="text",
              show_default=True, help="How to tell it; the last three are of the whole study, to files.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of an export's files.")
@click.option("--dataset", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Another DataLad dataset to ask, in place of this study.")  # fmt: skip
@click.option("--all", "whole", is_flag=True, help="Whether the history accounts for everything here.")
@click.option("--content", is_flag=True, help="With --all: whether annexed content here matches its keys; reads it.")
@click.option("--leakage", is_flag=True, help="Whether training and test sides share anything.")
@click.pass_obj
def audit(name, question, depth, form, out, dataset, whole, content, leakage) -> None:
    """Ask the history how results came to be; of any DataLad dataset, from git objects alone.

    PATH: every run behind a file, down to source files; `PATH:column=value,…` behind rows of a
    table. Exits with 1 where the chain is broken.

    --all: a gate. Every file below models/ and derivatives/ from one record, records that agree with
    their commits and with what the study renders, inputs with an origin and as they were. It cannot see
    content that no command made under a well-formed record, nor an input that was read and not
    declared: `code/study verify` finds both.

    --leakage: the training cases of every model, folds included, against every test set: by subject,
    session, annex key of image and mask, and converted file. It reads tables only.

    --format rocrate, bids and prov print the history of a study's results for other tools.
    """
    if sum(map(bool, (question, whole, leakage, form in EXPORTS))) != 1:
        raise StudyError("ask one question: a path, --all, --leakage, or an export", hint="code/study audit --help")
    repo = dataset or ROOT
    if leakage:
        _print_leakage(load_study(ROOT, name))
    elif whole:
        _print_gate(repo, content=content)
    elif question:
        _print_lineage(repo, question, depth=depth, form=form)
    elif out is None:
        raise StudyError(f"--format {form} writes files", hint="say where: --out FOLDER")
    else:
        from cordstudy.provenance.export import export

        for path in export(History(repo), form, out):
            click.echo(path)


def _print_lineage(repo: Path, question: str, *, depth: int | None, form: str) -> None:
    path, _, selector = question.partition(":")
    lineage = trace(History(repo), path, selector)
    if form == "text":
        click.echo(as_text(lineage, depth=depth, width=None if sys.stdout.isatty() else 120), nl=False)
    else:
        click.echo(as_json(lineage) if form == "json" else as_page(lineage))
    if broken := faults(lineage):
        raise StudyError(f"the chain is broken in {len(broken)} places", hint="the last lines of the text say where")


def _print_gate(repo: Path, *, content: bool) -> None:
    history = History(repo)
    ours = repo == ROOT
    folders = FOLDERS if ours else (".",)
    found = check(history, rendered=_rendered if ours else None, folders=folders)
    if content:
        found += check_content(repo, folders)
    for finding in found:
        click.echo(f"{finding.kind:20} {finding.where}\n{'':20} {finding.what}")
    if found:
        raise StudyError(f"{len(found)} findings in the history of {history.id[:8]}", hint="git show COMMIT of each")
    files = len(checked_files(history, folders))
    click.echo(f"{files} files of {len(live_records(history))} records: nothing found"
               + ("; annexed content here matches its keys" if content else ""))  # fmt: skip


def _rendered(commit: str) -> dict[tuple[str, ...], str]:
    """The command of each step by its outputs, as the code and the studies of a commit render them."""
    try:
        return _render(git(ROOT, "rev-parse", f"{commit}:code").strip())
    except StudyError:  # a dataset that is no study
        return {}


@cache
def _render(tree: str) -> dict[tuple[str, ...], str]:
    """Run the renderer of a tree of code, by its object."""
    script = (
        "import json, pathlib\nfrom cordstudy.steps import steps\nfrom cordstudy.study import load_study\n"
        "root = pathlib.Path('.')\n"
        "names = sorted(p.stem for p in root.glob('code/studies/*.toml'))\n"
        "found = [(s.outputs, s.argv) for n in names for s in steps(load_study(root, n))]\n"
        "print(json.dumps(found))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        index = {"GIT_INDEX_FILE": str(place / "index")}
        git(ROOT, "read-tree", "--prefix=code/", tree, env=index)
        git(ROOT, "checkout-index", "-a", f"--prefix={place}/", "--", env=index)
        argv = (sys.executable, "-P", "-c", script)
        told = run(argv, cwd=place, env={"PYTHONPATH": str(place / "code/src")})
    return {tuple(outputs): join(tuple(argv)) for outputs, argv in json.loads(told)}


def _print_leakage(study: Study) -> None:
    from cordstudy.pipeline.leakage import Model, compare_all, verdicts

    models = [Model(one, ROOT / study.training_set(one), ROOT / study.model(one)) for one in study.all_models]
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
