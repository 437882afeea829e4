"""`run`: doing what a study's steps are.

Owns: its options and lines, and which steps are wanted.
Does not own: steps (`study.steps`), their execution and state (`provenance`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

import click
from tqdm import tqdm

from cordstudy.cli.here import ROOT, read_machine
from cordstudy.cli.inputs import get_content, get_sources
from cordstudy.cli.results import print_results
from cordstudy.cli.saying import say
from cordstudy.provenance.audit.status import State, states
from cordstudy.provenance.running import runner
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.inputs import prepare_dataset
from cordstudy.provenance.running.landing import commit_files
from cordstudy.provenance.running.step import builds_on
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import parameter_files
from cordstudy.study.schema import Study
from cordstudy.study.steps import Step, select, steps


@click.command()
@click.argument("names", metavar="[STEP]...", nargs=-1)
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Steps at a time."
)
@click.option("--dry-run", is_flag=True, help="Show each step's state and command; change nothing.")
@click.pass_obj
def run(name: str, names: tuple[str, ...], jobs: int, dry_run: bool) -> None:
    """Run the steps that are not done; all, or STEPs and what they build on."""
    study = load_study(ROOT, name)
    table = steps(study)
    chosen = select(table, names) if names else table
    wanted = _with_upstream(table, chosen)
    if dry_run:
        _print_plan(wanted, states(ROOT, table))
        return
    _run(study, table, wanted, jobs=jobs)
    if (ROOT / Layout(study).summary_table).exists():
        print_results(study)


def _run(study: Study, table: Sequence[Step], wanted: Sequence[Step], *, jobs: int) -> None:
    """Land what is finished, have the sources here, and run what is not done."""
    current_branch(ROOT)
    runner.check_clean(ROOT)
    machine = read_machine(study.name, jobs)
    with runner.sole_run(ROOT, machine):
        _commit_parameters(study)
        undone = {step.name for step in _not_done(table, table)}
        done = {step.name for step in table} - undone
        runner.land_finished(ROOT, table, done=done, machine=machine, report=_say_landed)
        todo = _not_done(table, wanted)
        if todo:
            prepare_dataset(ROOT)
            get_sources(study, machine, jobs=jobs, only=_sources_of(study, todo))
            todo = _not_done(table, wanted)  # a source that had no pin has one now
        nothing = "" if todo else "; nothing to do"
        say(f"{len(wanted) - len(todo)} of {len(wanted)} steps are done{nothing}")
        for step in todo:
            if step.command == "convert":
                get_content(study, step.of)
        with Progress(len(todo)) as report:
            runner.run_steps(ROOT, todo, jobs=jobs, machine=machine, report=report)


def _say_landed(step: str, event: str, _: float) -> None:
    say(f"{event:7} {step}, which was finished")


def _not_done(table: Sequence[Step], wanted: Sequence[Step]) -> list[Step]:
    """Those of the wanted steps that are not done, by the history alone."""
    by_step = states(ROOT, table)
    return [step for step in wanted if by_step[step.name].word != "done"]


class Progress:
    """A line a step, and on a terminal a bar below them."""

    def __init__(self, total: int) -> None:
        self.bar = tqdm(total=total, unit="step", disable=None if total else True, leave=False)
        self.active: list[str] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def __call__(self, step: str, event: str, seconds: float) -> None:
        if event == "runs":
            self.active.append(step)
        else:
            self.active.remove(step)
            self.bar.update()
            self.bar.write(f"{event:7} {step:28} {seconds:6.1f} s")
        self.bar.set_postfix_str(", ".join(self.active))


def _sources_of(study: Study, wanted: Sequence[Step]) -> tuple[str, ...]:
    """The datasets that steps read."""
    specs = {spec for step in wanted for spec in step.inputs}
    names = []
    for name, dataset in study.datasets.items():
        if any(spec.startswith(f"{dataset.path}/") for spec in specs):
            names.append(name)
    return tuple(names)


def _commit_parameters(study: Study) -> None:
    """Bring the parameter files up to date with the study's TOML, in a commit of their own."""
    changed = {}
    for path, content in parameter_files(study).items():
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != content:
            changed[path] = content
    if changed:
        message = f"chore({study.name}): render the parameters of the study"
        commit_files(ROOT, lambda _: changed, message)


def _with_upstream(table: Sequence[Step], chosen: Sequence[Step]) -> list[Step]:
    """The chosen steps and all that they build on, in order."""
    needed = list(chosen)
    for step in reversed(table):
        if step not in needed and any(builds_on(other, step) for other in needed):
            needed.append(step)
    return [step for step in table if step in needed]


def _print_plan(wanted: Sequence[Step], by_step: Mapping[str, State]) -> None:
    for step in wanted:
        state = by_step[step.name]
        say(f"{state.word:8} {step.name:28} {state.why}".rstrip())
        say(f"         {' '.join(step.argv)}")
