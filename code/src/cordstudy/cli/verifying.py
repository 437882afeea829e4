"""`verify`: running records again, with a verdict on each.

Owns: which records, their table, the exit code.
Does not own: execution (`provenance.verify`), how alike two files are (`pipeline.likeness`).
"""

from __future__ import annotations

import random
import sys
from dataclasses import asdict
from pathlib import Path

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.here import PROFILE, ROOT, read_machine
from cordstudy.cli.saying import say, say_json
from cordstudy.provenance.audit.attestations import attest
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.audit.verdicts import Item, Verdict
from cordstudy.provenance.audit.verify import verify as run_again
from cordstudy.provenance.history.gitlog import commit_id
from cordstudy.provenance.history.records import read_records
from cordstudy.provenance.running import runner as running
from cordstudy.study import steps as table
from cordstudy.study.loading import load_study


@click.command()
@click.argument("names", metavar="[STEP]...", nargs=-1)
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

    This runs the commands of the records, and of those that made inputs whose content is not here: code
    of the history, with your rights. Read a history that is not yours before (git log -p, audit).
    """
    items = _items_since(since) if since else _items(name, names)
    if sample and sample < len(items):
        chosen = set(random.sample(range(len(items)), sample))
        items = [item for n, item in enumerate(items) if n in chosen]
    if not items:
        raise StudyError("there is no record to run again", hint="code/study run")
    if attesting:
        running.check_clean(ROOT)
    machine = read_machine(name, jobs)
    say(
        f"running the commands of {len(items)} records of this history again, with your rights",
        err=True,
    )
    width = max(len(inline(item.name)) for item in items)
    if not as_json:
        say(f"{'step':{width}}  {'record':8}  {'promises':9}  {'verdict':15}  seconds")

    def report(verdict: Verdict) -> None:
        if as_json:
            return
        say(
            f"{inline(verdict.name):{width}}  {verdict.record[:8]}  {verdict.identical:9}  {verdict.word:15}  "
            f"{verdict.seconds:7.1f}"
        )
        for line in verdict.differs:
            say(f"  {inline(line)}")

    with running.sole_run(ROOT, machine):
        verdicts = run_again(
            ROOT, items, machine=machine, jobs=jobs, compare=_compare, report=report
        )
    if as_json:
        say_json([asdict(verdict) | {"holds": verdict.holds} for verdict in verdicts])
    if attesting:
        say(
            f"attested in {attest(ROOT, verdicts, argv=['code/study', *sys.argv[1:]], profile=PROFILE)}",
            err=as_json,
        )
    broken = [verdict for verdict in verdicts if not verdict.holds]
    if broken:
        raise StudyError(
            f"{len(broken)} of {len(verdicts)} records gave something else: {broken[0].name} is {broken[0].word}",
            hint=f"the lines above say how; logs are in .cordstudy/logs/{name}",
        )


def _items(name: str, names: tuple[str, ...]) -> list[Item]:
    """The newest record of each step that is done; of each named one, else an error."""
    every = table.steps(load_study(ROOT, name))
    wanted = table.select(every, names) if names else every
    found = states(ROOT, every)
    if undone := [step.name for step in wanted if names and found[step.name].word != "done"]:
        raise StudyError(
            f"step {undone[0]} is {found[undone[0]].word}", hint=f"code/study run {undone[0]}"
        )
    records = {record.commit: record for record in read_records(ROOT)}
    return [
        Item(step.name, records[found[step.name].commit], step.identical, step.tolerances)
        for step in wanted
        if found[step.name].word == "done"
    ]


def _items_since(revision: str) -> list[Item]:
    """Every record since a commit, oldest first; verdicts of this command are none of them."""
    records = read_records(ROOT, commit=f"{commit_id(ROOT, revision)}..HEAD")
    return [
        Item(record.subject, record) for record in reversed(list(records)) if not record.of_verdicts
    ]


def _compare(recorded: Path, made: Path, tolerance: float | None) -> tuple[str, str]:
    from cordstudy.provenance.audit.likeness import compare

    found = compare(recorded, made, tolerance=tolerance)
    return found.word, found.text
