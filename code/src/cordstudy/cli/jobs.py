"""What the jobs of a cluster add to the states of steps.

Owns: which of the two is told, for which failure a job was cancelled, the lines about failures.
Does not own: either (`provenance.audit.status`, `provenance.cluster.states`), or the other lines
(`status`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.epochs import epoch_line
from cordstudy.cli.here import ROOT, called, logs_of, read_machine
from cordstudy.cli.saying import say
from cordstudy.provenance.audit.status import State
from cordstudy.provenance.cluster import slurm
from cordstudy.provenance.cluster.endings import left
from cordstudy.provenance.cluster.states import JobState, ended_well, job_states
from cordstudy.provenance.cluster.submitting import read_jobs, slurm_log
from cordstudy.provenance.running.step import builds_on
from cordstudy.study.step import Step

OF_JOBS = ("pending", "running", "failed", "cancelled", "landed")
"""The words of a step that a job has to do with."""


def with_jobs(
    name: str, table: Sequence[Step], by_step: Mapping[str, State], jobs: Mapping[str, JobState]
) -> dict[str, State]:
    """The states of steps, where a job is or failed its own, and how far a training has come."""
    found = {}
    machine = read_machine(name, jobs=1)
    for step in table:
        state = _told(by_step[step.name], jobs.get(step.name))
        if state.word == "running":
            told = ", ".join(filter(None, [*state.changes[:1], epoch_line(machine, step)]))
            state = State(state.word, (told, *state.changes[1:]), state.commit)
        found[step.name] = state
    return found


def job_states_here(name: str, table: Sequence[Step]) -> dict[str, JobState]:
    """The states of the newest jobs of a study's steps. Slurm is asked where one is not over; where
    it gives no answer, by what jobs left."""
    logs = logs_of(name)
    jobs = read_jobs(logs)
    queue: Mapping[str, slurm.QueuedJob] | None = {}
    try:
        if any(not ended_well(logs, step, one) for step, one in jobs.items()):
            queue = slurm.queued()
    except StudyError as error:
        told = inline(str(error).partition("\n")[0])
        say(f"note: {told}: jobs are told of by what they left", err=True)
        queue = None
    return with_causes(logs, table, job_states(logs, jobs, queue))


def with_causes(
    logs: Path, table: Sequence[Step], jobs: Mapping[str, JobState]
) -> dict[str, JobState]:
    """The states of jobs, where those that never began, as one that they wait for failed, are
    cancelled, with the name of that step."""
    found = dict(jobs)
    causes: dict[str, str] = {}  # by the step that did not come about
    for step in table:
        job = found.get(step.name)
        if job is None or job.word != "failed":
            continue
        above = "" if _began(logs, step, job) else _failed_above(table, step, causes)
        causes[step.name] = above or step.name
        if above:
            told = f"job {job.job}: never began, as {above} failed"
            found[step.name] = replace(job, word="cancelled", told=(told,))
    return found


def _began(logs: Path, step: Step, job: JobState) -> bool:
    return left(logs, step.name, job.job) is not None


def _failed_above(table: Sequence[Step], step: Step, causes: Mapping[str, str]) -> str:
    """The failure for which a step has not what it builds on; empty for none."""
    above = (one for one in table if one.name in causes and builds_on(step, one))
    return next((causes[one.name] for one in above), "")


def print_jobs(name: str, by_step: Mapping[str, State], jobs: Mapping[str, JobState]) -> None:
    """Say how many steps are how far, and of each job that failed what it said and where its logs
    are; nothing where no job is of interest any more."""
    shown = {step: state for step, state in by_step.items() if state.word in OF_JOBS}
    if not jobs or not shown:
        return
    counts = Counter(state.word for state in by_step.values())
    say("\n" + ", ".join(f"{count} {word}" for word, count in counts.items()))
    failed = [step for step in shown if by_step[step].word == "failed" and step in jobs]
    for step in failed:
        say(f"\n{step} failed")
        for line in jobs[step].told:
            say(f"  {inline(line)}")
        for log in _logs(name, step, jobs[step]):
            say(f"  log: {log}")
    if failed:
        say(f"\n{called(name, 'run --on slurm')} submits what is missing")


def _logs(name: str, step: str, job: JobState) -> list[Path]:
    """What a step printed, and what its job did besides."""
    machine = read_machine(name, jobs=1)
    places = [machine.log(step), slurm_log(machine.logs, step, job.job)]
    return [place.relative_to(ROOT) for place in places if place.is_file()]


def logs_of_job(name: str, step: str) -> list[Path]:
    """What a step printed when it last ran here, and what its newest job, if any, did besides."""
    logs = logs_of(name)
    places = [read_machine(name, jobs=1).log(step)]
    job = read_jobs(logs).get(step)
    if job:
        places.append(slurm_log(logs, step, job.job))
    return [place for place in places if place.is_file()]


def _told(state: State, job: JobState | None) -> State:
    """A step's own state, or that of its job where there is more to say."""
    if job is None or job.word == "same" or (job.word == "landed" and state.word == "done"):
        return state
    if job.is_over and state.word == "done":  # it was run again
        first, *more = job.told
        return State("done", (f"run again: {job.word}: {first}", *more), state.commit)
    return State(job.word, (*job.told, *state.changes), state.commit)
