"""Handing steps to Slurm: a job each, which waits for those of what it builds on.

Owns: the order, who waits for whom, the script of jobs, the clone that their code is run from, and
remembering which job is whose.
Does not own: which steps are to run, what each asks of a machine (told by the caller), or Slurm's
commands (`slurm`).

Slurm schedules, nothing else does: what is here ends as soon as all jobs are submitted.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.cluster.endings import forget, left
from cordstudy.provenance.cluster.slurm import JOB, QueuedJob, submit
from cordstudy.provenance.cluster.submission import JobStep, Submission, write_submission
from cordstudy.provenance.running.machine import file_name
from cordstudy.provenance.running.marks import remove_tree
from cordstudy.provenance.running.step import Recorded, Writers

S = TypeVar("S", bound=Recorded)
GRACE_S = 120
"""How long before its time limit a job is told of it."""


class Submitted(BaseModel):
    """A job of a step."""

    step: str
    job: str
    since: str
    """The commit that the store was at."""


Jobs = dict[str, Submitted]
"""The newest job of each step that had one, by the step's name."""


def read_jobs(logs: Path) -> Jobs:
    """Which job was submitted for which step of a table."""
    path = jobs_file(logs)
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    try:
        submitted = [Submitted.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise StudyError(f"{path}: cannot be read: {error}", hint="remove it") from error
    return {one.step: one for one in submitted}  # the last of a step


def jobs_file(logs: Path) -> Path:
    """Where it is kept which job is whose: a line each, in the order in which they were submitted,
    written as soon as Slurm has taken it."""
    return logs / "jobs.jsonl"


def check_one_writer(steps: Sequence[Recorded]) -> None:
    """Raise StudyError where two steps declare outputs that can be one file."""
    before = Writers()
    for step in steps:
        for output in step.outputs:
            for other in before.of(output):
                raise StudyError(
                    f"{step.name} and {other.name} both write {output}",
                    hint="a file has one step that makes it",
                )
        before.add(step)


@dataclass(frozen=True)
class Request:
    """What a step asks of a machine: how many processes it may use, and options of `sbatch`."""

    workers: int
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """What a cluster is like, as its user says."""

    scratch: str
    device: str = ""
    setup: tuple[str, ...] = ()
    """Lines of shell before a step, such as `module load`."""
    wrapper: tuple[str, ...] = ()
    """Words in front of the command, such as a container's."""


@dataclass(frozen=True)
class Program:
    """How a job is run from a clone: the program in it, its words before the name of the
    submission's file, and the paths, as git's patterns, that it needs there."""

    launcher: str
    words: tuple[str, ...]
    files: tuple[str, ...]


class Desk:
    """Where steps of one table are handed in, from a dataset to its store."""

    def __init__(self, dataset: Path, store: Path, *, branch: str, logs: Path) -> None:
        self.dataset, self.store, self.branch, self.logs = dataset, store, branch, logs
        self.jobs = read_jobs(logs)

    @property
    def folder(self) -> Path:
        """Where submissions leave what their jobs need."""
        return self.logs.parent.parent / "slurm" / self.logs.name

    def live(self, queue: Mapping[str, QueuedJob]) -> dict[str, str]:
        """The jobs that wait or are at work, by their steps' names."""
        live = {}
        for name, one in self.jobs.items():
            queued = own_job(queue, self.logs, name, one.job)
            if queued and queued.is_live:
                live[name] = one.job
        return live

    def came_back(self, name: str, *, since: str) -> bool:
        """Whether the newest job of a step, submitted at a commit, gave again what was there."""
        submitted = self.jobs.get(name)
        if submitted is None or submitted.since != since:
            return False
        ending = left(self.logs, name, submitted.job)
        return ending is not None and ending.word == "same"

    def hand_in(
        self,
        table: Sequence[Recorded],
        todo: Sequence[S],
        *,
        since: str,
        records: Mapping[str, str],
        live: Mapping[str, str],
        site: Site,
        program: Program,
        request: Callable[[S], Request],
    ) -> dict[str, str]:
        """Submit a job for each step that is to do, in their order in the table; the jobs by step.

        `records` are those of done steps, by name, `live` the jobs of steps that are not to do.
        Raises StudyError where two steps write one file, and in
        Slurm's words; what was submitted before that is remembered.
        """
        check_one_writer(table)
        waits = _waits(table, [step.name for step in todo], live)
        requests = {step.name: request(step) for step in todo}
        job_steps = []
        for step in todo:
            job_steps.append(
                JobStep(
                    name=step.name,
                    argv=step.argv,
                    inputs=step.inputs,
                    outputs=step.outputs,
                    message=step.message,
                    record=records.get(step.name, ""),
                    after=waits[step.name],
                    workers=requests[step.name].workers,
                )
            )
        submission = Submission(
            store=self.store,
            study=self.dataset,
            since=since,
            branch=self.branch,
            logs=self.logs,
            scratch=site.scratch,
            device=site.device,
            steps=tuple(job_steps),
        )
        script = self._prepare(submission, site, program, keep=bool(live))
        forget(self.logs, [step.name for step in job_steps])
        ids: dict[str, str] = {}
        known = dict(live)
        for one in job_steps:
            after = [known[name] for name in one.after]
            job = submit(
                script,
                [one.name, *after],
                name=job_name(self.logs, one.name),
                output=slurm_log(self.logs, one.name, JOB),
                after=after,
                options=requests[one.name].options,
            )
            ids[one.name] = known[one.name] = job
            self._remember(Submitted(step=one.name, job=job, since=since))
        return ids

    def _remember(self, submitted: Submitted) -> None:
        self.jobs[submitted.step] = submitted
        with jobs_file(self.logs).open("a") as stream:
            stream.write(f"{submitted.model_dump_json()}\n")

    def _prepare(self, submission: Submission, site: Site, program: Program, *, keep: bool) -> Path:
        """Leave what jobs need in a folder of their own: the submission, a clone with the code
        that runs them, their script, which is returned. Earlier ones go, but with `keep`."""
        self.logs.mkdir(parents=True, exist_ok=True)  # Slurm fails a job whose log has no folder
        if not keep and self.folder.exists():
            remove_tree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{submission.since[:12]}.", dir=self.folder))
        write_submission(submission, folder / "submission.json")
        clone = folder / "code"
        git(self.dataset, "clone", "-q", "--shared", "--no-checkout", ".", str(clone))
        lines = "".join(f"/{path}\n" for path in program.files)
        git(clone, "sparse-checkout", "set", "--no-cone", "--stdin", stdin=lines)
        git(clone, "checkout", "-q", "--detach", submission.since)
        script = folder / "job.sh"
        script.write_text(script_text(folder, site, program))
        return script


def _waits(
    table: Sequence[Recorded], todo: Sequence[str], live: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The steps that each step to do builds on, of those that are to do or have a job."""
    names, before = set(todo), Writers()
    waits = {}
    for step in table:
        if step.name in names:
            waits[step.name] = tuple(one.name for one in before.below(step))
        if step.name in names or step.name in live:
            before.add(step)
    return waits


def script_text(folder: Path, site: Site, program: Program) -> str:
    """The script of all jobs of a submission; its arguments are a step's name, and the jobs that it
    waited for.

    A job whose time is nearly up from the start is not ended by that before it can heed it.
    """
    launcher = folder / "code" / program.launcher
    words = [*site.wrapper, str(launcher), *program.words, str(folder / "submission.json")]
    lines = [
        "#!/bin/bash",
        f"#SBATCH --signal=B:USR1@{GRACE_S}",
        "trap '' USR1",
        *site.setup,
        f'exec {shlex.join(words)} "$@"',
    ]
    return "\n".join(lines) + "\n"


def job_name(logs: Path, step: str) -> str:
    """What a step's job is called in Slurm."""
    return f"{logs.name}.{step}"


def own_job(queue: Mapping[str, QueuedJob], logs: Path, step: str, job: str) -> QueuedJob | None:
    """What Slurm says of a step's job; None where it knows it no more. Slurm may have counted anew,
    so that the id is that of another."""
    queued = queue.get(job)
    return queued if queued and queued.name == job_name(logs, step) else None


def slurm_log(logs: Path, step: str, job: str) -> Path:
    """Where what a job prints is kept: what its step prints is in the step's own log."""
    return logs / f"{file_name(step)}.slurm-{job}.out"
