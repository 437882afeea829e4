"""`run` and `status`: doing what a study's steps are, and what of it is done.

Owns: their options and lines.
Does not own: steps (`steps`), their execution and state (`provenance`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

import click
from tqdm import tqdm

from cordstudy.base.errors import inline
from cordstudy.cli.here import ROOT, logs_of, read_machine
from cordstudy.cli.inputs import get_content, get_sources
from cordstudy.cli.saying import say, say_json
from cordstudy.cli.using import print_results
from cordstudy.provenance.audit.attestations import attested
from cordstudy.provenance.audit.status import State, left_behind, states
from cordstudy.provenance.history.index import History
from cordstudy.provenance.running import runner as running
from cordstudy.provenance.running import subdatasets as sources
from cordstudy.provenance.running.landing import commit_files, current_branch
from cordstudy.provenance.running.step import builds_on
from cordstudy.study import steps as table
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import parameter_files
from cordstudy.study.schema import Study


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
    every = table.steps(study)
    wanted = _with_upstream(every, table.select(every, names) if names else every)
    if dry_run:
        _print_plan(wanted, states(ROOT, every))
        return
    current_branch(ROOT)
    running.check_clean(ROOT)
    machine = read_machine(name, jobs)
    with running.sole_run(ROOT, machine):
        _commit_parameters(study)
        done = {step.name for step in every} - {step.name for step in _todo(every, every)}
        running.land_finished(ROOT, every, done=done, machine=machine, report=_say_landed)
        if todo := _todo(every, wanted):
            sources.prepare_study(ROOT)
            get_sources(study, machine, jobs=jobs, only=_sources_of(study, todo))
            todo = _todo(every, wanted)  # a source that came out otherwise has moved its pin
        say(
            f"{len(wanted) - len(todo)} of {len(wanted)} steps are done"
            + ("" if todo else "; nothing to do")
        )
        for dataset in study.datasets:
            if f"convert:{dataset}" in {step.name for step in todo}:
                get_content(study, dataset)
        with Progress(len(todo)) as report:
            running.run_steps(ROOT, todo, jobs=jobs, machine=machine, report=report)
    if (ROOT / Layout(study).summary_table).exists():
        print_results(study)


def _say_landed(step: str, event: str, _: float) -> None:
    say(f"{event:7} {step}, which was finished")


def _todo(every: list[table.Step], wanted: list[table.Step]) -> list[table.Step]:
    """Those of the wanted steps that are not done, by the history alone."""
    found = states(ROOT, every)
    return [step for step in wanted if found[step.name].word != "done"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="All that is known of each step, as JSON.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Say of each step whether it is done (and who attests it), stale (and why), missing, failed or running.

    With what each took, as con-duct measured. Reads git objects only. An attestation is a claim of
    whoever committed it: `code/study verify` proves. Exits with 0 when all steps are done, else with 1.
    """
    history = History(ROOT)
    found = states(
        ROOT, table.steps(load_study(ROOT, context.obj)), logs=logs_of(context.obj), history=history
    )
    claims = attested(history)
    took = {
        commit.id: commit.record.resources for commit in history.records if commit.record.resources
    }
    for line in left_behind(history):
        say(f"note: {inline(line)}", err=True)
    if as_json:
        say_json(
            [
                {
                    "step": name,
                    **asdict(state),
                    "verdicts": [asdict(claim) for claim in claims.get(state.commit, ())],
                    "resources": took.get(state.commit),
                }
                for name, state in found.items()
            ]
        )
    else:
        width = max(map(len, found))
        for name, state in found.items():
            words = Counter((claim.word, claim.by) for claim in claims.get(state.commit, ()))
            told = ", ".join(
                f"attested {word} by {by}" + (f" {n} times" if n > 1 else "")
                for (word, by), n in words.items()
            )
            spent = _spent(took.get(state.commit))
            line = f"{state.word:8} {name:{width}} {state.commit[:8]:9} {spent:24} {inline(state.why or told)}"
            say(line.rstrip())
        counted = [one for state in found.values() if (one := took.get(state.commit))]
        if counted:
            total = {
                "wall_s": sum(one["wall_s"] for one in counted),
                "cpu_s": sum(one["cpu_s"] for one in counted),
                "peak_mib": max(one["peak_mib"] for one in counted),
            }
            say(f"{len(counted)} steps took{'':{width}} {_spent(total)}")
    context.exit(any(state.word != "done" for state in found.values()))


def _spent(resources: Mapping[str, float] | None) -> str:
    """Wall time, CPU time, peak memory; nothing where they were not measured."""
    if not resources:
        return ""
    return f"{resources['wall_s']:.0f} s, {resources['cpu_s']:.0f} s CPU, {resources['peak_mib']:.0f} MiB"


class Progress:
    """A line a step, and on a terminal a bar below them."""

    def __init__(self, total: int) -> None:
        self.bar = tqdm(total=total, unit="step", disable=None if total else True, leave=False)
        self.active: list[str] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, step: str, event: str, seconds: float) -> None:
        if event == "runs":
            self.active.append(step)
        else:
            self.active.remove(step)
            self.bar.update()
            self.bar.write(f"{event:7} {step:28} {seconds:6.1f} s")
        self.bar.set_postfix_str(", ".join(self.active))


def _sources_of(study: Study, wanted: list[table.Step]) -> tuple[str, ...]:
    """The datasets that steps read."""
    read = {spec for step in wanted for spec in step.inputs}
    return tuple(
        name
        for name, dataset in study.datasets.items()
        if any(spec.startswith(f"{dataset.path}/") for spec in read)
    )


def _commit_parameters(study: Study) -> None:
    """Bring the parameter files up to date with the study's TOML, in a commit of their own."""
    changed = {
        path: content
        for path, content in parameter_files(study).items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != content
    }
    if changed:
        commit_files(
            ROOT, lambda _: changed, f"chore({study.name}): render the parameters of the study"
        )


def _with_upstream(every: list[table.Step], chosen: list[table.Step]) -> list[table.Step]:
    """The chosen steps and all that they build on, in order."""
    needed = list(chosen)
    for step in reversed(every):
        if step not in needed and any(builds_on(other, step) for other in needed):
            needed.append(step)
    return [step for step in every if step in needed]


def _print_plan(wanted: list[table.Step], found: dict[str, State]) -> None:
    for step in wanted:
        state = found[step.name]
        say(f"{state.word:8} {step.name:28} {state.why}".rstrip())
        say(f"         {' '.join(step.argv)}")
