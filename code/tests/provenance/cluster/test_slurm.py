"""What Slurm prints, what jobs leave, and what is told of steps from both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cordstudy.provenance.cluster import slurm
from cordstudy.provenance.cluster.endings import Ending, forget, leave, left
from cordstudy.provenance.cluster.slurm import QueuedJob, read_queue
from cordstudy.provenance.cluster.states import job_states
from cordstudy.provenance.cluster.submitting import (
    Desk,
    Program,
    Site,
    Submitted,
    script_text,
    slurm_log,
)

PRINTED = """\
41|COMPLETED|n1|2026-11-26T20:00:00|None|it.convert:demo
42|RUNNING|n[1-2]|2026-11-26T20:01:00|None|it.train
43|PENDING||N/A|Dependency|it.a|b

slurm_load_jobs error: something else
"""
STEP = "train"


def queued(state: str, *, job: str = "7", name: str = "it.train") -> QueuedJob:
    return QueuedJob(job, state, "n2", "2026-11-26T20:01:00", "Dependency", name)


def ended(word: str, told: str = "the reason", *, job: str = "7", start: int = 0) -> Ending:
    return Ending.model_validate(
        {"job": job, "start": start, "node": "n1", "word": word, "told": told, "began": 0.0}
    )


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs/it"
    folder.mkdir(parents=True)
    return folder


def told_of(logs: Path, *jobs: QueuedJob, unknown: bool = False) -> tuple[str, str]:
    """The word for the step's job 7, and the first line."""
    queue = None if unknown else {job.id: job for job in jobs}
    state = job_states(logs, {STEP: Submitted(step=STEP, job="7", since="0")}, queue)[STEP]
    return state.word, state.told[0]


def test_what_squeue_prints_is_read_line_by_line_whatever_a_job_is_called():
    jobs = read_queue(PRINTED)
    assert list(jobs) == ["41", "42", "43"]
    assert jobs["42"] == QueuedJob(
        "42", "RUNNING", "n[1-2]", "2026-11-26T20:01:00", "None", "it.train"
    )
    assert jobs["43"].name == "it.a|b"
    assert [job.is_live for job in jobs.values()] == [False, True, True]


@pytest.mark.parametrize(
    ("state", "word", "expected"),
    [
        ("PENDING", None, ("pending", "job 7: Dependency")),
        ("PENDING", "stopped", ("pending", "job 7: Dependency; the reason")),
        ("PENDING", "landed", ("pending", "job 7: Dependency")),
        ("REQUEUED", "running", ("pending", "job 7: Dependency")),
        ("RUNNING", None, ("running", "job 7 on n2 since 2026-11-26 20:01:00")),
        ("RUNNING", "running", ("running", "job 7 on n2 since 2026-11-26 20:01:00")),
        ("RUNNING", "stopped", ("running", "job 7 on n2 since 2026-11-26 20:01:00")),
        ("COMPLETING", "landed", ("landed", "the reas")),
        ("COMPLETED", "landed", ("landed", "the reas")),
        ("COMPLETED", "same", ("same", "the reas")),
        ("COMPLETED", None, ("failed", "job 7: it ended without a word")),
        ("FAILED", "failed", ("failed", "job 7 FAILED: the reason")),
        ("TIMEOUT", "stopped", ("failed", "job 7 TIMEOUT: the reason")),
        ("OUT_OF_MEMORY", "running", ("failed", "job 7: OUT_OF_MEMORY")),
        ("NODE_FAIL", None, ("failed", "job 7: NODE_FAIL")),
        ("CANCELLED", None, ("failed", "job 7: CANCELLED")),
        ("", None, ("failed", "job 7: it ended without a word")),
        ("", "running", ("failed", "job 7: it ended without a word")),
        ("", "failed", ("failed", "job 7: the reason")),
        ("", "landed", ("landed", "the reas")),
    ],
)
def test_a_step_has_one_word_of_what_slurm_says_and_its_job_left(logs, state, word, expected):
    if word:
        leave(logs, STEP, ended(word))
    jobs = [queued(state)] if state else []
    assert told_of(logs, *jobs) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, ("pending", "job 7, as far as is known")),
        ("running", ("running", "job 7 on n1, as far as is known")),
        ("stopped", ("pending", "job 7, as far as is known; the reason")),
        ("failed", ("failed", "job 7: the reason")),
        ("landed", ("landed", "the reas")),
    ],
)
def test_where_slurm_gives_no_answer_nothing_is_said_to_have_failed_that_did_not(
    logs, word, expected
):
    if word:
        leave(logs, STEP, ended(word))
    assert told_of(logs, unknown=True) == expected


def test_a_job_of_the_same_number_and_another_name_is_none_of_ours(logs):
    other = queued("RUNNING", name="it.other")
    assert told_of(logs, other)[0] == "failed"
    desk = Desk(logs, logs, branch="refs/heads/main", logs=logs)
    desk.jobs = {STEP: Submitted(step=STEP, job="7", since="0")}
    assert desk.live({"7": other}) == {}
    assert desk.live({"7": queued("RUNNING")}) == {STEP: "7"}


def test_the_end_of_what_a_job_printed_is_told_where_it_left_no_word(logs):
    slurm_log(logs, STEP, "7").write_text("one\n\ntwo\nslurmstepd: error: out of memory\nlast\n")
    state = job_states(
        logs, {STEP: Submitted(step=STEP, job="7", since="0")}, {"7": queued("OUT_OF_MEMORY")}
    )[STEP]
    assert state.told == ("job 7: OUT_OF_MEMORY", "two", "slurmstepd: error: out of memory", "last")


def test_what_ended_well_stays_so_and_an_earlier_start_says_nothing_more(logs):
    leave(logs, STEP, ended("running", start=1))
    leave(logs, STEP, ended("failed"))  # of a node that was believed lost
    assert left(logs, STEP, "7").word == "running"
    leave(logs, STEP, ended("landed", start=1))
    leave(logs, STEP, ended("failed", start=2))
    assert left(logs, STEP, "7").word == "landed"
    leave(logs, STEP, ended("failed", job="8"))
    assert left(logs, STEP, "7").word == "landed"
    (logs / "train.9.job").write_text("{")
    assert left(logs, STEP, "9") is None


def test_only_the_words_of_the_steps_named_are_forgotten(logs):
    for step in ("train", "train.1", "a:train"):
        leave(logs, step, ended("landed"))
    forget(logs, ["train"])
    assert left(logs, "train", "7") is None
    assert left(logs, "train.1", "7") and left(logs, "a:train", "7")


def test_the_place_of_a_log_may_hold_what_sbatch_would_fill_in(tmp_path, monkeypatch):
    (tmp_path / "sbatch").write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > $0.args; echo "12;cluster"\n'
    )
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    logs = Path("/data/100%j, of it")
    given = slurm_log(logs, STEP, slurm.JOB)
    job = slurm.submit(
        Path("job.sh"),
        [STEP],
        name="it.train",
        output=given,
        after=["3", "4"],
        options=["--mem=1G"],
    )
    assert job == "12"
    words = (tmp_path / "sbatch.args").read_text().splitlines()
    assert "--output=/data/100%%j, of it/train.slurm-%j.out" in words
    assert "--dependency=afterok:3:4" in words
    assert words[-3:] == ["--mem=1G", "job.sh", STEP]


def test_the_script_of_a_job_quotes_what_it_calls_and_keeps_what_a_user_set():
    site = Site(
        scratch="$TMPDIR", setup=("module load x",), wrapper=("apptainer", "exec", "a b.sif")
    )
    program = Program(launcher="code/study", words=("job",), files=())
    assert script_text(Path("/a b/c"), site, program).splitlines() == [
        "#!/bin/bash",
        "#SBATCH --signal=B:USR1@120",
        "trap '' USR1",
        "module load x",
        "exec apptainer exec 'a b.sif' '/a b/c/code/code/study' job '/a b/c/submission.json' "
        '"$@"',
    ]
