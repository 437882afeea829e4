"""Asking Slurm: submitting jobs, and what it says of them.

Owns: the commands of Slurm that are called, reading what they print, and which job this is.
Does not own: which jobs there are to be (`submitting`), or what a step's state is (`states`).

`sbatch` and `squeue` are enough: no accounting is needed, and nothing of Slurm's is imported.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError

WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
AT_WORK = ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT")
FORMAT = "%i|%T|%N|%S|%r|%j"
"""Job, state, nodes, start, why it waits, and its name, which may hold anything."""
FIELDS = FORMAT.count("|") + 1
JOB = "<job>"


@dataclass(frozen=True)
class QueuedJob:
    """What Slurm says of a job that it still knows."""

    id: str
    state: str
    """In Slurm's words: PENDING, RUNNING, FAILED, TIMEOUT …"""
    node: str
    start: str
    why: str
    name: str

    @property
    def is_live(self) -> bool:
        """Whether it waits or is at work."""
        return self.is_waiting or self.is_at_work

    @property
    def is_waiting(self) -> bool:
        """Whether it has not started."""
        return self.state in WAITING

    @property
    def is_at_work(self) -> bool:
        """Whether it is on a node."""
        return self.state in AT_WORK


@dataclass(frozen=True)
class Job:
    """The job that this process is."""

    id: str
    restarts: str
    node: str


def this_job() -> Job:
    """As Slurm says. Raises StudyError outside a job."""
    if "SLURM_JOB_ID" not in os.environ:
        raise StudyError("this is no job of Slurm", hint="code/study run --on slurm")
    return Job(
        os.environ["SLURM_JOB_ID"],
        os.environ.get("SLURM_RESTART_COUNT", "0"),
        os.environ.get("SLURMD_NODENAME", ""),
    )


def submit(
    script: Path,
    arguments: Sequence[str],
    *,
    name: str,
    output: Path,
    after: Iterable[str],
    options: Sequence[str],
) -> str:
    """Submit a job; its id. It starts when the jobs `after` have ended well, and is cancelled where
    one of them does not. What it prints goes to `output`, in whose name `JOB` stands for its id.

    Raises StudyError in Slurm's words.
    """
    place = str(output).replace("%", "%%").replace(JOB, "%j")
    argv = ["sbatch", "--parsable", f"--job-name={name}", f"--output={place}"]
    argv += ["--open-mode=append", "--requeue", "--kill-on-invalid-dep=yes"]
    ids = list(after)
    if ids:
        argv.append(f"--dependency=afterok:{':'.join(ids)}")
    printed = _ask([*argv, *options, str(script), *arguments])
    # with the cluster's name behind it, where there are several
    return printed.strip().partition(";")[0]


def queued() -> Mapping[str, QueuedJob]:
    """The jobs of this user that Slurm still knows, by id. Raises StudyError in Slurm's words."""
    mine = ("--noheader", "--states=all", f"--user={os.getuid()}")
    return read_queue(_ask(["squeue", *mine, f"--format={FORMAT}"]))


def read_queue(printed: str) -> Mapping[str, QueuedJob]:
    """Jobs by id, of what `squeue` prints."""
    jobs = {}
    for line in printed.splitlines():
        fields = line.strip().split("|", FIELDS - 1)
        if len(fields) == FIELDS:
            jobs[fields[0]] = QueuedJob(*fields)
    return jobs


def _ask(argv: Sequence[str]) -> str:
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True)
    except FileNotFoundError as error:
        raise StudyError(
            f"there is no {argv[0]} on this machine", hint="log in where jobs are submitted from"
        ) from error
    if done.returncode:
        raise StudyError(f"{argv[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
