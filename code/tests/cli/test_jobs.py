"""What the jobs of a cluster add to `status`, and to the lines of a run that is followed."""

from __future__ import annotations

import pytest

from cordstudy.cli import jobs
from cordstudy.cli.jobs import print_jobs, with_causes
from cordstudy.cli.progress import Progress
from cordstudy.provenance.audit.status import State
from cordstudy.provenance.cluster.endings import Ending, leave
from cordstudy.provenance.cluster.states import JobState
from cordstudy.study.loading import load_study
from cordstudy.study.steps import steps
from helpers import REPOSITORY

FULL = steps(load_study(REPOSITORY, "full"))
TRAIN, VALIDATE = "train:canproco:fold3", "validate:canproco"
AWAY = ("job 7: it ended without a word",)


@pytest.fixture
def found(tmp_path):
    """The states of jobs of which one ended badly, and those behind it never began."""
    said = {TRAIN: JobState("failed", "5", ("job 5 FAILED: no memory", "the last line"))}
    said |= {name: JobState("failed", "7", AWAY) for name in (VALIDATE, "predict:canproco")}
    said["predict:general"] = JobState("failed", "8", AWAY)
    leave(tmp_path, TRAIN, Ending(job="5", node="n1", word="failed", told="no memory", began=1.0))
    return with_causes(tmp_path, FULL, said)


def test_a_job_that_never_began_is_told_with_the_failure_behind_it(found):
    words = {name: job.word for name, job in found.items()}
    assert words == {
        TRAIN: "failed",
        VALIDATE: "cancelled",
        "predict:canproco": "cancelled",
        "predict:general": "failed",  # on its own: nothing that it builds on failed
    }
    assert found["predict:canproco"].told == (f"job 7: never began, as {TRAIN} failed",)
    assert all(job.is_over for job in found.values())


def test_status_counts_and_shows_what_each_failure_said(found, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(jobs, "_logs", lambda *_: [tmp_path / "train.log"])
    by_step = {name: State(job.word, job.told) for name, job in found.items()}
    print_jobs("full", by_step | {"split": State("done")}, found)
    said = capsys.readouterr().out
    assert "\n2 failed, 2 cancelled, 1 done\n" in said
    assert f"\n{TRAIN} failed\n  job 5 FAILED: no memory\n  the last line\n  log: " in said
    assert f"{VALIDATE} failed" not in said
    assert "code/study --study full run --on slurm submits what is missing" in said


def test_status_says_nothing_of_jobs_where_all_is_done(found, capsys):
    print_jobs("full", {name: State("done") for name in found}, found)
    print_jobs("full", {TRAIN: State("failed")}, {})
    assert capsys.readouterr().out == ""


def test_a_cancelled_step_ends_without_having_started(capsys):
    followed = [step for step in FULL if step.name in (TRAIN, VALIDATE)]
    with Progress(followed, {}, jobs=2) as report:
        report(TRAIN, "runs", 0.0)
        report(TRAIN, "failed", 2.0)
        report(VALIDATE, "cancelled", 0.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["starts", TRAIN],
        ["failed", TRAIN],
        ["cancelled", VALIDATE],
    ]
