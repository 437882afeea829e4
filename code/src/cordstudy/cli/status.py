"""`status`: what is done of a study's steps.

Owns: its lines.
Does not own: the state of a step (`provenance.audit.status`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import click

from cordstudy.base.errors import inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.committed import warning_of_leakage
from cordstudy.cli.here import PROFILE, ROOT, logs_of
from cordstudy.cli.jobs import job_states_here, print_jobs, with_jobs
from cordstudy.cli.saying import say, say_json
from cordstudy.provenance.audit.attestations import Claim, attested
from cordstudy.provenance.audit.status import State, left_behind, states
from cordstudy.provenance.history.index import History
from cordstudy.study.loading import load_study
from cordstudy.study.steps import steps

Resources = Mapping[str, float]
"""What a step took, as con-duct measured: wall_s, cpu_s, peak_mib."""
Claims = Mapping[str, Iterable[Claim]]
"""Who attests what of a record, by its commit."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="All that is known of each step, as JSON.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Say of each step whether it is done, stale (and why), missing, failed or running.

    On a cluster also: pending; cancelled, as a step that it builds on failed; and landed, which is
    in the store and not here yet. Below, what each failed job said, and its logs.

    With who attests it and what it took, as con-duct measured. Reads git objects only. An
    attestation is a claim of whoever committed it: `code/study verify` proves. Comments,
    docstrings and layout of Python files make no step stale. Exits with 0 when all steps are
    done, else with 1.

    \b
    Examples:
      code/study status
      code/study status --json
    """
    history = History(ROOT)
    study = load_study(ROOT, context.obj)
    table = steps(study)
    by_step = states(ROOT, table, logs=logs_of(context.obj), history=history)
    jobs = job_states_here(context.obj, table)
    by_step = with_jobs(context.obj, table, by_step, jobs)
    claims = attested(history, PROFILE)
    resources: dict[str, Resources] = {}
    for commit in history.records:
        if commit.record.resources:
            resources[commit.id] = commit.record.resources
    for line in left_behind(history):
        say(f"note: {inline(line)}", err=True)
    leaks = warning_of_leakage(study)
    if leaks:
        say(f"warning: {inline(leaks)}", err=True)
    if as_json:
        _print_json(by_step, claims, resources)
    else:
        _print_lines(by_step, claims, resources)
        print_jobs(context.obj, by_step, jobs)
    context.exit(any(state.word != "done" for state in by_step.values()))


def _print_json(
    by_step: Mapping[str, State], claims: Claims, resources: Mapping[str, Resources]
) -> None:
    entries = []
    for name, state in by_step.items():
        verdicts = [asdict(claim) for claim in claims.get(state.commit, ())]
        entries.append(
            {
                "step": name,
                **asdict(state),
                "verdicts": verdicts,
                "resources": resources.get(state.commit),
            }
        )
    say_json(entries)


def _print_lines(
    by_step: Mapping[str, State], claims: Claims, resources: Mapping[str, Resources]
) -> None:
    rows = []
    for name, state in by_step.items():
        why = state.why or _claimed(claims.get(state.commit, ()))
        spent = _spent(resources.get(state.commit))
        rows.append((state.word, name, state.commit[:8], spent, inline(why)))
    counted = [resources[s.commit] for s in by_step.values() if s.commit in resources]
    if counted:
        rows.append(("", f"{len(counted)} steps took", "", _spent(_sum(counted)), ""))
    print_columns(rows)


def _claimed(claims: Iterable[Claim]) -> str:
    """Who attests which verdict, and how often."""
    counts = Counter((claim.word, claim.by) for claim in claims)
    phrases = []
    for (word, by), times in counts.items():
        often = f" {times} times" if times > 1 else ""
        phrases.append(f"attested {word} by {by}{often}")
    return ", ".join(phrases)


def _sum(counted: list[Resources]) -> Resources:
    """What several steps took one after the other: time adds up, memory does not."""
    return {
        "wall_s": sum(one["wall_s"] for one in counted),
        "cpu_s": sum(one["cpu_s"] for one in counted),
        "peak_mib": max(one["peak_mib"] for one in counted),
    }


def _spent(resources: Resources | None) -> str:
    """Wall time, CPU time, peak memory; nothing where they were not measured."""
    if not resources:
        return ""
    wall_s, cpu_s, peak_mib = (resources[key] for key in ("wall_s", "cpu_s", "peak_mib"))
    return f"{wall_s:.0f} s, {cpu_s:.0f} s CPU, {peak_mib:.0f} MiB"
