"""What is handed to the jobs of a cluster: which steps, on what, and where.

Owns: the file that a submission leaves for its jobs, and the name by which a job finds its step.
Does not own: which steps a study has, asking Slurm (`slurm`), or what a job does (`job`).

A job knows nothing else: the clone that it was submitted from may be changed meanwhile.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobStep(_Frozen):
    """A step as its job sees it (`running.step.Recorded`)."""

    name: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str
    record: str = ""
    """The commit of its record where it is done, and is run again; empty where it is not."""
    after: tuple[str, ...] = ()
    """The steps of the same submission, or of an earlier one, that it builds on and waits for."""
    workers: int
    """With how many processes it may work."""


class Submission(_Frozen):
    """Steps that were handed to Slurm together."""

    store: Path
    """The repository that jobs clone, and that records land in."""
    study: Path
    """The clone that they were submitted from: subdatasets are cloned from those in it."""
    since: str
    """The commit that the store's branch was at."""
    branch: str
    logs: Path
    """Where logs are, and notes: for people and for `status`; all nodes see it."""
    scratch: str
    """Where nodes make workspaces; variables in it are those of a job."""
    device: str = ""
    steps: tuple[JobStep, ...]

    def step(self, name: str) -> JobStep:
        """One of its steps. Raises StudyError for a name that is none's."""
        for step in self.steps:
            if step.name == name:
                return step
        raise StudyError(f"this submission has no step {name!r}")


def write_submission(submission: Submission, path: Path) -> None:
    """Leave a submission for its jobs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, submission.model_dump_json(indent=1) + "\n")


def read_submission(path: Path) -> Submission:
    """Read what was left for jobs. Raises StudyError where it is none."""
    try:
        return Submission.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StudyError(f"{path}: no submission that can be read: {error}") from error
