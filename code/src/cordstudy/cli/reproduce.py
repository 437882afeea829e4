"""`reproduce`: making a recorded study again here, with a verdict on each step.

Owns: its options and lines, which steps are left to do, the exit code.
Does not own: running a step again and judging it (`provenance.audit.reproduction`), what must be so
before (`readying`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.epochs import reached_by
from cordstudy.cli.groups import complete_step
from cordstudy.cli.here import ROOT, read_machine
from cordstudy.cli.progress import Progress
from cordstudy.cli.readying import (
    at_work,
    have_images,
    have_sources,
    recorded_seconds,
    wanted_again,
)
from cordstudy.cli.results import print_results
from cordstudy.cli.saying import say
from cordstudy.cli.verify import compare
from cordstudy.provenance.audit.reproduction import (
    RECORDED,
    Outcome,
    Reproduction,
    outputs_here,
    remembered,
)
from cordstudy.provenance.audit.status import State, states
from cordstudy.provenance.audit.verdicts import WORDS, Item
from cordstudy.provenance.calling.content import keys_here
from cordstudy.provenance.history.index import History
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import run_each
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.schema import Study
from cordstudy.study.step import Step, select
from cordstudy.study.steps import steps

SHOWN = 5
"""So many outputs of a step are told of that came out other."""


@click.command()
@click.argument("names", metavar="[STEP]...", nargs=-1, shell_complete=complete_step)
@click.option(
    "--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Steps at a time."
)
@click.pass_obj
def reproduce(name: str, names: tuple[str, ...], jobs: int) -> None:
    """Make the study again here: run every recorded step once more and judge what comes out.

    All steps, or STEPs and what they build on whose content is not here. Needs no recorded content,
    and keeps all that it makes. What comes out as recorded makes no commit. What comes out other
    lands as a new record in this clone, and what reads it runs on that, so that the study is usable
    either way. Verdicts: identical, voxel-identical, equivalent (numbers within the step's
    tolerance), different; `recorded` is a step that was not done, or that reads what came out
    other. Exits with 1 unless every step keeps its promise.

    May be stopped and called again: it goes on from where it was.

    \b
    Examples:
      code/study reproduce --jobs 2
      code/study reproduce convert:epi
    """
    study = load_study(ROOT, name)
    table = steps(study)
    chosen = select(table, names) if names else table
    machine = read_machine(study.name, jobs)
    with at_work(study, table, machine):
        outcomes = _reproduce(study, table, chosen, machine, jobs=jobs)
    _print_summary(outcomes)
    if (ROOT / Layout(study).summary_table).exists():
        print_results(study)
    _raise_for_broken(outcomes)


def _reproduce(
    study: Study, table: Sequence[Step], chosen: Sequence[Step], machine: Machine, *, jobs: int
) -> list[Outcome]:
    """Run what has not come back here before; what came of that, and before."""
    wanted = wanted_again(table, chosen)
    have_sources(study, wanted, machine, jobs=jobs)
    history = History(ROOT)  # as the sources are now
    by_step = states(ROOT, table, history=history)
    before = _before(wanted, by_step, history)
    todo = [step for step in wanted if step.name not in before]
    if before:
        say(f"{len(before)} of {len(wanted)} steps came back here before, and are not run again")
    have_images(study, todo)
    items = _items(todo, by_step, history)
    reproduction = Reproduction(ROOT, items, machine=machine, compare=compare)

    def more(step: str) -> Iterator[str]:
        outcome = reproduction.outcomes.get(step)  # none of one that failed
        if outcome:
            yield from _lines(outcome)

    expected = recorded_seconds(todo, history)
    reached = reached_by(machine, todo)
    with Progress(todo, expected, jobs=jobs, more=more, reached=reached) as report:
        run_each(todo, reproduction.run, jobs=jobs, machine=machine, report=report)
    outcomes = {**before, **reproduction.outcomes}
    return [outcomes[step.name] for step in wanted]


def _before(
    wanted: Sequence[Step], by_step: Mapping[str, State], history: History
) -> dict[str, Outcome]:
    """What came before of those steps that are done and whose content is still here."""
    words, keys = remembered(ROOT), keys_here(ROOT)
    outcomes = {}
    for step in wanted:
        state = by_step[step.name]
        word = words.get(state.commit)
        if word and state.word == "done" and outputs_here(history, step, keys):
            outcomes[step.name] = Outcome(
                step.name, state.commit, step.identical, word, differs=(), seconds=0.0
            )
    return outcomes


def _items(todo: Sequence[Step], by_step: Mapping[str, State], history: History) -> dict[str, Item]:
    """The records of the steps that are done, by the step's name."""
    items = {}
    for step in todo:
        state = by_step[step.name]
        if state.word == "done":
            record = history.recorded[state.commit].record
            items[step.name] = Item(step.name, record, step.identical, step.tolerances)
    return items


def _lines(outcome: Outcome) -> Iterator[str]:
    """What there is to say of a step that did not come back as it was."""
    if outcome.word == RECORDED:
        if outcome.because:
            yield f"runs on {inline(outcome.because)} as made here"
        else:
            yield "was not done; has a record now"
    for line in outcome.differs[:SHOWN]:
        yield inline(line)
    if len(outcome.differs) > SHOWN:
        yield f"and {len(outcome.differs) - SHOWN} more"
    if outcome.differs:
        yield _allowance(outcome)


def _allowance(outcome: Outcome) -> str:
    """Whether what differs is within what the step promises."""
    if not outcome.holds:
        return "it promises the same bytes"
    return "allowed: it promises the same bytes on one kind of processor, else numbers so close"


def _print_summary(outcomes: Sequence[Outcome]) -> None:
    """How many steps came back, and which have a new record here."""
    judged = [outcome for outcome in outcomes if outcome.word != RECORDED]
    words = Counter(outcome.word for outcome in judged)
    say(f"\n{words['identical']} of {len(outcomes)} steps gave the recorded bytes")
    for word in WORDS[1:]:
        if words[word]:
            say(f"{words[word]} {word}")
    new = [outcome for outcome in outcomes if outcome.word != "identical"]
    if new:
        say("records of this clone, not of where it comes from:")
    for outcome in new:
        say(f"  {outcome.record[:8]}  {outcome.word:15}  {outcome.name}")


def _raise_for_broken(outcomes: Sequence[Outcome]) -> None:
    """Raise StudyError where a step does not keep its promise."""
    broken = [outcome for outcome in outcomes if not outcome.holds]
    if broken:
        first = broken[0]
        raise StudyError(
            f"{len(broken)} of {len(outcomes)} steps gave something else than they promise: "
            f"{first.name} is {first.word}",
            hint="the study here is whole and usable; the lines above say what differs",
        )
