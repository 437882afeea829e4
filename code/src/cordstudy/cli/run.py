"""`run`: doing what a study's steps are.

Owns: its options and lines.
Does not own: steps (`study.steps`), which are wanted (`readying`), their execution and state
(`provenance`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

from cordstudy.base.errors import inline
from cordstudy.cli.epochs import reached_by
from cordstudy.cli.groups import complete_step
from cordstudy.cli.here import ROOT, read_machine
from cordstudy.cli.on_slurm import print_requests, run_on_slurm
from cordstudy.cli.progress import Progress
from cordstudy.cli.readying import (
    at_work,
    have_images,
    have_sources,
    not_done,
    recorded_seconds,
    wanted_again,
    with_upstream,
)
from cordstudy.cli.results import print_results
from cordstudy.cli.saying import say
from cordstudy.provenance.audit.status import State, states
from cordstudy.provenance.history.index import History
from cordstudy.provenance.remaking.again import Again
from cordstudy.provenance.running import runner
from cordstudy.provenance.running.machine import Machine
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.schema import Study
from cordstudy.study.step import Step, select
from cordstudy.study.steps import steps

SHOWN = 5
"""So many outputs of a step are named that are not what they were."""


@click.command()
@click.argument("names", metavar="[STEP]...", nargs=-1, shell_complete=complete_step)
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Steps at a time."
)
@click.option("--dry-run", is_flag=True, help="Show each step's state and command; change nothing.")
@click.option(
    "--again",
    is_flag=True,
    help="All, or STEPs, although they are done: a new record only where something came out "
    "other, and for what reads that.",
)
@click.option(
    "--on",
    "where",
    type=click.Choice(["slurm"]),
    help="Submit a job for each step, and return: code/docs/cluster.md.",
)
@click.option("--wait", is_flag=True, help="With --on: follow the jobs to their end.")
@click.pass_obj
def run(
    name: str,
    names: tuple[str, ...],
    jobs: int,
    dry_run: bool,
    again: bool,
    where: str | None,
    wait: bool,
) -> None:
    """Run the steps that are not done; all, or STEPs and what they build on.

    Says when each step starts and ends, n of N, and the time that is left, by what was recorded;
    `code/study log STEP -f` follows one. May be stopped and called again: what is finished stays,
    and a training goes on from its last epoch.

    \b
    Examples:
      code/study run --dry-run
      code/study run --jobs 2
      code/study run predict:general
    """
    study = load_study(ROOT, name)
    table = steps(study)
    chosen = select(table, names) if names else table
    wanted = with_upstream(table, chosen)
    machine = read_machine(study.name, jobs)
    if wait and not where:
        raise click.UsageError("--wait is for --on slurm")
    if dry_run:
        _print_plan(wanted, states(ROOT, table))
        if where:
            print_requests(wanted)
        return
    with at_work(study, table, machine):
        if where:
            run_on_slurm(study, table, names, machine, again=again, wait=wait)
            if not wait:
                return
        elif again:
            _run_again(study, table, chosen, machine, jobs=jobs)
        else:
            _run(study, table, wanted, machine, jobs=jobs)
    if (ROOT / Layout(study).summary_table).exists():
        print_results(study)


def _run(
    study: Study, table: Sequence[Step], wanted: Sequence[Step], machine: Machine, *, jobs: int
) -> None:
    """Have the sources here, and run what is not done."""
    todo = not_done(table, wanted)
    if todo:
        have_sources(study, todo, machine, jobs=jobs)
        todo = not_done(table, wanted)  # as the sources are now
    nothing = "" if todo else "; nothing to do"
    say(f"{len(wanted) - len(todo)} of {len(wanted)} steps are done{nothing}")
    if not todo:
        return
    have_images(study, todo)
    expected, reached = recorded_seconds(todo, History(ROOT)), reached_by(machine, todo)
    with Progress(todo, expected, jobs=jobs, reached=reached) as report:
        runner.run_steps(ROOT, todo, jobs=jobs, machine=machine, report=report)


def _run_again(
    study: Study, table: Sequence[Step], chosen: Sequence[Step], machine: Machine, *, jobs: int
) -> None:
    """Run the chosen steps, done or not, and what they build on that is not here."""
    todo = wanted_again(table, chosen)
    have_sources(study, todo, machine, jobs=jobs)
    have_images(study, todo)
    history = History(ROOT)  # as the sources are now
    by_step = states(ROOT, table, history=history)
    done = {name: state.commit for name, state in by_step.items() if state.word == "done"}
    again = Again(ROOT, done, machine=machine)

    def changed(step: str) -> Iterator[str]:
        ending = again.endings.get(step)  # none of one that failed
        paths = sorted(ending.changes) if ending else []
        yield from (inline(path) for path in paths[:SHOWN])
        if len(paths) > SHOWN:
            yield f"and {len(paths) - SHOWN} more"

    expected = recorded_seconds(todo, history)
    reached = reached_by(machine, todo)
    with Progress(todo, expected, jobs=jobs, more=changed, reached=reached) as report:
        runner.run_each(todo, again.run, jobs=jobs, machine=machine, report=report)


def _print_plan(wanted: Sequence[Step], by_step: Mapping[str, State]) -> None:
    for step in wanted:
        state = by_step[step.name]
        say(f"{state.word:8} {step.name:28} {state.why}".rstrip())
        say(f"         {' '.join(step.argv)}")
