"""`verify`: running records again, with a verdict on each.

Owns: which records, their table, the exit code.
Does not own: execution (`provenance.audit.verify`), how alike two files are
(`provenance.audit.likeness`).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from tqdm import tqdm

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.groups import complete_step
from cordstudy.cli.here import PROFILE, ROOT, called, read_machine
from cordstudy.cli.progress import Progress
from cordstudy.cli.saying import say, say_json
from cordstudy.provenance.audit.attestations import attest, is_of_verdicts
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.audit.verdicts import Item, Verdict
from cordstudy.provenance.audit.verify import verify as run_again
from cordstudy.provenance.history.gitlog import commit_id
from cordstudy.provenance.history.records import read_records
from cordstudy.provenance.running.runner import check_clean, sole_run
from cordstudy.study.loading import load_study
from cordstudy.study.step import select
from cordstudy.study.steps import steps


@click.command()
@click.argument("names", metavar="[STEP]...", nargs=-1, shell_complete=complete_step)
@click.option("--sample", type=click.IntRange(min=1), help="So many steps, chosen by chance.")
@click.option(
    "--since",
    metavar="REV",
    help="Every record since a commit, of whatever tool, in place of the steps.",
)
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Records at a time."
)
@click.option("--json", "as_json", is_flag=True, help="The verdicts as JSON.")
@click.option(
    "--attest", "attesting", is_flag=True, help="Commit the verdicts, as a record of their own."
)
@click.pass_obj
def verify(
    name: str,
    names: tuple[str, ...],
    sample: int | None,
    since: str | None,
    jobs: int,
    as_json: bool,
    attesting: bool,
) -> None:
    """Run recorded steps again in ephemeral clones and compare what comes out.

    All steps that are done, or STEPs. Each runs at its own commit, with the inputs that its
    record declares and nothing else. Verdicts: identical (the same keys), voxel-identical,
    equivalent (numbers within the step's tolerance), different, failed. Exits with 1 unless
    every step keeps its promise. Needs the environment of each record's commit.

    This runs the commands of the records, and of those that made inputs whose content is not here:
    code of the history, with your rights. Read a history that is not yours before (git log -p,
    audit).

    \b
    Examples:
      code/study verify convert:epi compare
      code/study verify --sample 3 --jobs 2
      code/study verify --since HEAD~5 --attest
    """
    items = _items_since(since) if since else _items(name, names)
    items = _sampled(items, sample)
    if not items:
        raise StudyError("there is no record to run again", hint="code/study run")
    if attesting:
        check_clean(ROOT)
    machine = read_machine(name, jobs)
    say(
        f"running the commands of {len(items)} records of this history again, with your rights",
        err=True,
    )
    report = _Silent() if as_json else _Lines(items)
    with sole_run(ROOT, machine), _progress(items, jobs) as progress:
        verdicts = run_again(
            ROOT,
            items,
            machine=machine,
            jobs=jobs,
            compare=compare,
            report=report,
            profile=PROFILE,
            watch=_Watch(items, progress),
        )
    if as_json:
        say_json([asdict(verdict) | {"holds": verdict.holds} for verdict in verdicts])
    if attesting:
        commit = attest(ROOT, verdicts, argv=_as_recorded(name), profile=PROFILE)
        say(f"attested in {commit}", err=as_json)
    _raise_for_broken(verdicts, name)


def _as_recorded(name: str) -> list[str]:
    """This command line as another clone would understand it, whatever `site.toml` says there."""
    words = sys.argv[1:]
    told = any(word == "--study" or word.startswith("--study=") for word in words)
    return called(name, "").split() + words if not told else [PROFILE.launcher, *words]


def _raise_for_broken(verdicts: Sequence[Verdict], name: str) -> None:
    """Raise StudyError where a step does not keep its promise."""
    broken = [verdict for verdict in verdicts if not verdict.holds]
    if not broken:
        return
    first = broken[0]
    raise StudyError(
        f"{len(broken)} of {len(verdicts)} records gave something else: "
        f"{first.name} is {first.word}",
        hint=f"the lines above say how; logs are in .cordstudy/logs/{name}",
    )


@dataclass(frozen=True)
class _Asked:
    """A record as one who waits for it knows it: it builds on no other that is asked for."""

    name: str
    argv: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    message: str = ""


def _progress(items: Sequence[Item], jobs: int) -> Progress:
    """What says on standard error which record is at work, and how long all still take."""
    expected = {}
    for item in items:
        if item.record.resources:
            expected[_label(item)] = item.record.resources["wall_s"]
    asked = [_Asked(_label(item)) for item in items]
    return Progress(asked, expected, jobs=jobs, err=True, ends=False)


def _label(item: Item) -> str:
    """The step; the record too where it is none."""
    name = inline(item.name)
    return name if item.identical != "n/a" else f"{item.record.commit[:8]} {name}"


@dataclass(frozen=True)
class _Watch:
    """Tells of records as they begin and end; of one that has to make an input first, beside."""

    items: Sequence[Item]
    progress: Progress

    def __call__(self, item: Item, event: str, seconds: float) -> None:
        """Say what happened to a record."""
        asked = {one.record.commit: one for one in self.items}
        if item.record.commit in asked:
            self.progress(_label(asked[item.record.commit]), event, seconds)
        elif event == "runs":
            self.progress.beside(f"first, as its outputs are read: {inline(item.name)}")


class _Silent:
    """Says nothing of a verdict: it is printed as JSON at the end."""

    def __call__(self, verdict: Verdict) -> None:
        """Say nothing."""


class _Lines:
    """A line a verdict, as it comes, below a header."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.width = max(len(inline(item.name)) for item in items)
        say(f"{'step':{self.width}}  {'record':8}  {'promises':9}  {'verdict':15}  seconds")

    def __call__(self, verdict: Verdict) -> None:
        """Print a verdict and what differs."""
        name = f"{inline(verdict.name):{self.width}}"
        words = f"{verdict.identical:9}  {verdict.word:15}"
        with tqdm.external_write_mode():
            say(f"{name}  {verdict.record[:8]}  {words}  {verdict.seconds:7.1f}")
            for line in verdict.differs:
                say(f"  {inline(line)}")


def _sampled(items: list[Item], sample: int | None) -> list[Item]:
    """So many items by chance, in their order; all where there are no more."""
    if not sample or sample >= len(items):
        return items
    chosen = sorted(random.sample(range(len(items)), sample))
    return [items[number] for number in chosen]


def _items(name: str, names: Sequence[str]) -> list[Item]:
    """The newest record of each step that is done; of each named one, else an error."""
    table = steps(load_study(ROOT, name))
    by_step = states(ROOT, table)
    wanted = select(table, names) if names else table
    records = {record.commit: record for record in read_records(ROOT)}
    items = []
    for step in wanted:
        state = by_step[step.name]
        if state.word == "done":
            record = records[state.commit]
            items.append(Item(step.name, record, step.identical, step.tolerances))
        elif names:
            raise StudyError(
                f"step {step.name} is {state.word}", hint=f"code/study run {step.name}"
            )
    return items


def _items_since(revision: str) -> list[Item]:
    """Every record since a commit, oldest first; verdicts of this command are none of them."""
    records = list(read_records(ROOT, commit=f"{commit_id(ROOT, revision)}..HEAD"))
    items = []
    for record in reversed(records):
        if not is_of_verdicts(record, PROFILE):
            items.append(Item(record.subject, record))
    return items


def compare(recorded: Path, made: Path, tolerance: float | None) -> tuple[str, str]:
    """How alike a recorded file and one made anew are, in a word and in words."""
    from cordstudy.provenance.audit.likeness import compare  # torch, nibabel: seconds

    likeness = compare(recorded, made, tolerance=tolerance)
    return likeness.word, likeness.text
