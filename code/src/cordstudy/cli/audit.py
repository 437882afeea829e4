"""`audit`: what the history of a dataset shows.

Owns: the options, which question is asked, a lineage and an export as they are printed.
Does not own: the gate's and leakage's printing (`audit_gate`, `audit_leakage`), or any answer
(`provenance.audit`).
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.cli.audit_gate import ask_gate
from cordstudy.cli.audit_leakage import ask_leakage
from cordstudy.cli.here import ROOT, path_in, profile_of
from cordstudy.cli.saying import say, say_json_text
from cordstudy.provenance.audit.exports import FORMS, export
from cordstudy.provenance.audit.lineage import faults, trace
from cordstudy.provenance.audit.views import as_json, as_page, as_text
from cordstudy.provenance.history.index import History

HELP = "code/study audit --help"
PIPE_WIDTH = 120
"""How wide a tree is where no terminal says it."""


@click.command()
@click.argument("question", metavar="[PATH[:SELECTOR]]", required=False)
@click.option("--depth", type=click.IntRange(min=0), help="How many runs deep the tree goes.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "html", *FORMS]),
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
def audit(
    name: str,
    question: str | None,
    depth: int | None,
    form: str,
    out: Path | None,
    dataset: Path | None,
    whole: bool,
    content: bool,
    render: bool,
    leakage: bool,
) -> None:
    """Ask the history how results came to be; of any DataLad dataset, from git objects alone.

    PATH: every run behind a file, down to source files; behind each file of a folder;
    `PATH:column=value,…` behind rows of a table. From the working folder, else from the study's
    root. Exits with 1 where the chain is broken; a run that is stale breaks nothing.

    --all: a gate, which finds what is not true. Every file below models/ and derivatives/ from one
    record, records that agree with their commits and with what the study renders, inputs with an
    origin. What has changed since is `code/study status`'s. It cannot see content that no command
    made under a well-formed record, nor an input that was read and not declared: `code/study
    verify` finds both.

    No question runs anything of the history, but --all --render: records that other code made are
    compared only with it, by that code (its own `code/study render --json`), which runs in a
    sandbox: no network, no home folder, nothing that it writes stays, a minute at most for each
    state of the code. What it does not render is counted as unreadable, which is no fault.

    --leakage: the training cases of every model, folds included, against every test set: by
    subject, session, annex key and voxels of image and mask. It reads tables only.

    --format rocrate, bids and prov write the history of a study's results for other tools.

    \b
    Examples:
      code/study audit derivatives/phantom/evaluation/summary.tsv --depth 1
      code/study audit derivatives/phantom/evaluation/cases.tsv:model=general,testset=epi
      code/study audit derivatives/phantom/report
      code/study audit --all
      code/study audit --leakage
      code/study audit --format rocrate --out ../crate
    """
    questions = (question, whole, leakage, form in FORMS)
    if sum(bool(asked) for asked in questions) != 1:
        message = "ask one question: a path, --all, --leakage, or an export"
        raise StudyError(message, hint=HELP)
    if (render or content) and not whole:
        raise StudyError("--content and --render go with --all", hint=HELP)
    repo = dataset or ROOT
    if question:
        _ask_lineage(repo, question, depth=depth, form=form)
    elif whole:
        ask_gate(repo, content=content, render=render)
    elif leakage:
        ask_leakage(name)
    else:
        _write_export(repo, form, out)


def _ask_lineage(repo: Path, question: str, *, depth: int | None, form: str) -> None:
    """Print what is behind a path; raises StudyError where the chain is broken."""
    told, _, selector = question.partition(":")
    lineage = trace(History(repo), path_in(repo, told), selector, profile=profile_of(repo))
    if form == "text":
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        say(as_text(lineage, depth=depth, width=width), nl=False)
    elif form == "json":
        say_json_text(as_json(lineage))
    else:
        say(as_page(lineage))
    broken = faults(lineage)
    if broken:
        places = "1 place" if len(broken) == 1 else f"{len(broken)} places"
        message = f"the chain is broken in {places}"
        raise StudyError(message, hint="the last lines of the text say where")


def _write_export(repo: Path, form: str, out: Path | None) -> None:
    """Write the history for other tools into a folder, and print the files."""
    if out is None:
        raise StudyError(f"--format {form} writes files", hint="say where: --out FOLDER")
    for path in export(History(repo), form, out, profile=profile_of(repo)):
        say(path)
