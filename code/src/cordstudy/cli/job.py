"""`job`: what a job of Slurm calls on its node.

Owns: its arguments and line.
Does not own: what the job does (`provenance.cluster.job`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.cli.saying import say
from cordstudy.provenance.cluster.job import run_job
from cordstudy.provenance.cluster.slurm import this_job
from cordstudy.provenance.cluster.submission import read_submission


@click.command(hidden=True)
@click.argument("submission", type=click.Path(path_type=Path))
@click.argument("step")
@click.argument("after", metavar="[JOB]...", nargs=-1)
def job(submission: Path, step: str, after: tuple[str, ...]) -> None:
    """Run a STEP of a SUBMISSION as the present job of Slurm, which waited for other JOBs: `run
    --on slurm` has it called."""
    here = this_job()
    say(f"{step}: job {here.id} on {here.node}, start {int(here.restarts) + 1}")
    say(f"{step}: {run_job(read_submission(submission), step, here, after)}")
