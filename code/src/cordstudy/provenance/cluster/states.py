"""Where the jobs of steps are: what Slurm says, and what they left.

Owns: putting both together into one word for each step.
Does not own: whether a step is done (`audit.status`, which reads the history alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.cluster.endings import DONE, Ending, left
from cordstudy.provenance.cluster.slurm import QueuedJob
from cordstudy.provenance.cluster.submitting import Submitted, own_job, slurm_log

ENDED_WELL = "COMPLETED"
LAST_LINES = 3


@dataclass(frozen=True)
class JobState:
    """`word` is pending, running, failed, cancelled, landed or same; `told` is a line or more for
    people. Cancelled is a job that never began, as one that it waits for failed: its caller knows
    (`job_states` says failed)."""

    word: str
    job: str
    told: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.word not in ("pending", "running")


def job_states(
    logs: Path, jobs: Mapping[str, Submitted], queue: Mapping[str, QueuedJob] | None
) -> dict[str, JobState]:
    """The state of the newest job of each step that had one; without a queue, which Slurm did not
    tell, by what jobs left."""
    states = {}
    for name, one in jobs.items():
        ending = left(logs, name, one.job)
        if queue is None:
            states[name] = _as_left(one.job, ending)
        else:
            queued = own_job(queue, logs, name, one.job)
            states[name] = _state(logs, name, one.job, queued, ending)
    return states


def ended_well(logs: Path, step: str, submitted: Submitted) -> bool:
    """Whether the newest job of a step left word that nothing more will come of it."""
    ending = left(logs, step, submitted.job)
    return ending is not None and ending.word in DONE


def _as_left(job: str, ending: Ending | None) -> JobState:
    """What a job left, where nothing else is known of it."""
    if ending is None or ending.word == "stopped":
        again = f"; {ending.told}" if ending else ""
        return JobState("pending", job, (f"job {job}, as far as is known{again}",))
    if ending.word == "running":
        return JobState("running", job, (f"job {job} on {ending.node}, as far as is known",))
    told = ending.told[:8] if ending.word in DONE else f"job {job}: {ending.told}"
    return JobState(ending.word, job, (told,))


def _state(
    logs: Path, step: str, job: str, queued: QueuedJob | None, ending: Ending | None
) -> JobState:
    if queued and queued.is_waiting:
        return JobState("pending", job, (_why_it_waits(queued, ending),))
    if ending and ending.word in DONE:
        return JobState(ending.word, job, (ending.told[:8],))
    if queued and queued.is_at_work:
        return JobState("running", job, (_where(queued),))
    return JobState("failed", job, tuple(_why_it_failed(logs, step, job, queued, ending)))


def _why_it_waits(queued: QueuedJob, ending: Ending | None) -> str:
    again = f"; {ending.told}" if ending and ending.word == "stopped" else ""
    return f"job {queued.id}: {queued.why}{again}"


def _where(queued: QueuedJob) -> str:
    return f"job {queued.id} on {queued.node} since {queued.start.replace('T', ' ')}"


def _why_it_failed(
    logs: Path, step: str, job: str, queued: QueuedJob | None, ending: Ending | None
) -> list[str]:
    """What a job said of its failure, else what Slurm says, and the end of what it printed."""
    slurm = queued.state if queued and queued.state != ENDED_WELL else ""
    if ending and ending.word in ("failed", "stopped"):
        lines = [" ".join(word for word in (f"job {job}", slurm) if word) + f": {ending.told}"]
    else:
        lines = [f"job {job}: {slurm or 'it ended without a word'}"]
    if not (ending and ending.word == "failed"):
        lines += _last_lines(slurm_log(logs, step, job))
    return lines


def _last_lines(log: Path) -> list[str]:
    """The end of what a job printed."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-LAST_LINES:]
