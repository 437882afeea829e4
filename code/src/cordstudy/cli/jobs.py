"""What the jobs of a cluster add to the states of steps.

Owns: which of the two is told, how far a training has come.
Does not own: either (`provenance.audit.status`, `provenance.cluster.states`), or the lines
(`status`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.here import logs_of, read_machine
from cordstudy.cli.saying import say
from cordstudy.provenance.audit.status import State
from cordstudy.provenance.cluster import slurm
from cordstudy.provenance.cluster.states import JobState, ended_well, job_states
from cordstudy.provenance.cluster.submitting import read_jobs
from cordstudy.study.step import Step


def with_jobs(name: str, table: Sequence[Step], by_step: Mapping[str, State]) -> dict[str, State]:
    """The states of steps, where a job is or failed its own, and how far a training has come."""
    jobs = job_states_here(name)
    found = {}
    for step in table:
        state = _told(by_step[step.name], jobs.get(step.name))
        if state.word == "running":
            told = ", ".join([*state.changes[:1], *_epoch(name, step)])
            state = State(state.word, (told, *state.changes[1:]), state.commit)
        found[step.name] = state
    return found


def job_states_here(name: str) -> dict[str, JobState]:
    """The states of the newest jobs of a study's steps. Slurm is asked where one is not over; where
    it gives no answer, by what jobs left."""
    logs = logs_of(name)
    jobs = read_jobs(logs)
    queue: Mapping[str, slurm.QueuedJob] = {}
    try:
        if any(not ended_well(logs, step, one) for step, one in jobs.items()):
            queue = slurm.queued()
    except StudyError as error:
        told = inline(str(error).partition("\n")[0])
        say(f"note: {told}: jobs are told of by what they left", err=True)
    return job_states(logs, jobs, queue)


def _told(state: State, job: JobState | None) -> State:
    """A step's own state, or that of its job where there is more to say."""
    if job is None or job.word == "same" or (job.word == "landed" and state.word == "done"):
        return state
    if job.word == "failed" and state.word == "done":
        first, *more = job.told
        return State("done", (f"run again, it failed: {first}", *more), state.commit)
    return State(job.word, (*job.told, *state.changes), state.commit)


def _epoch(name: str, step: Step) -> list[str]:
    """How far a training has come, by what it would go on from."""
    words = list(step.arguments)
    if "--epochs" not in words:
        return []
    folder = read_machine(name, jobs=1).progress(step.name)
    reached = [path.name.split("-")[1] for path in folder.rglob("epoch-*-*.pth")]
    number = max((int(word) for word in reached if word.isdigit()), default=0)
    return [f"epoch {number} of {words[words.index('--epochs') + 1]}"]
