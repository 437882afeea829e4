"""What a job does, run here without Slurm, when something goes wrong beside it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.cluster import job as jobs
from cordstudy.provenance.cluster import patience
from cordstudy.provenance.cluster.submitting import jobs_file
from cordstudy.provenance.running.kept import NotLanded
from handed_in import Field, once_there, plain
from helpers import Step, commit, git, run


def counted(field: Field, more: str = "true") -> Step:
    """A step that leaves a mark each time that it runs."""
    script = (
        f"echo x >> {field.folder}/count; mkdir -p out; cat image.bin image.bin > out/a.bin; {more}"
    )
    return Step("a:b@1", script, inputs=("image.bin",), outputs=("out/*.bin",))


def times(field: Field) -> int:
    """How often it ran."""
    return len((field.folder / "count").read_text().splitlines())


@pytest.fixture
def small_disk(tmp_path):
    """A folder of 130 MiB, of which git-annex leaves 100 free, that can be made larger; skips where
    none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if run(
        "mount", "-t", "tmpfs", "-o", "size=130m", "tmpfs", folder, cwd="/", check=False
    ).returncode:
        pytest.skip("no small disk may be mounted here")
    yield folder
    run("umount", "-l", folder, cwd="/")


def test_a_step_that_has_landed_runs_no_second_time(field):
    step = counted(field)
    submission = field.submission([step])
    assert field.run_of(submission, step.name) == "landed"
    assert field.run_of(submission, step.name, job="2") == "landed"
    assert times(field) == 1
    assert field.ending(step.name, "2").told == field.ending(step.name).told
    field.check(step.name)


@pytest.mark.parametrize(
    ("number", "module", "at"),
    [
        (signal.SIGKILL, "running.kept", "let_go"),
        (signal.SIGTERM, "running.kept", "let_go"),
        (signal.SIGKILL, "cluster.job", "land"),
        (signal.SIGTERM, "cluster.job", "land"),
        (signal.SIGKILL, "running.landing", "forget"),
        (signal.SIGKILL, "cluster.job", "forget_progress"),
    ],
)
def test_a_job_that_ends_while_it_lands_is_gone_on_with_where_it_was(field, number, module, at):
    step = counted(field)
    submission = field.submission([step])
    field.kill_in(submission, step.name, number, module, at)
    assert field.run_of(submission, step.name, start="1") == "landed"
    assert times(field) == 1
    field.check(step.name)


@pytest.mark.parametrize("at", ["keep", "land"])
def test_a_try_on_another_node_lands_only_what_came_home_whole(field, at):
    step = counted(field)
    submission = field.submission([step])
    elsewhere = submission.model_copy(update={"scratch": str(field.scratch / "n2")})
    if at == "keep":
        field.kill_in(submission, step.name, signal.SIGKILL, "running.kept", "copy_content")
    else:
        field.kill_in(submission, step.name, signal.SIGKILL, "cluster.job", "land")
    assert field.run_of(elsewhere, step.name, job="2") == "landed"
    assert times(field) == (2 if at == "keep" else 1)
    field.check(step.name, left=["it.a"])
    other = plain("other")  # the next job on the node clears what has landed from elsewhere
    (mark,) = field.scratch.glob("n1/*/*/workspace.json")
    here = mark.read_text()
    mark.write_text(here.replace(socket.gethostname(), "a-node-with-the-same-scratch"))
    assert field.run([plain("first")], "first") == "landed"
    assert mark.exists()
    mark.write_text(here)
    more = field.submission([step, other], since=submission.since)
    assert field.run_of(more, "other", job="3") == "landed"
    field.check(step.name, "first", "other")


def test_the_result_of_a_step_as_it_was_does_not_stand_for_it(field):
    step = Step(
        "reads",
        f"echo x >> {field.folder}/count; mkdir -p out; cat notes.txt > out/a.txt",
        inputs=("notes.txt",),
    )
    field.kill_in(field.submission([step]), "reads", signal.SIGKILL, "cluster.job", "land")
    (field.study / "notes.txt").write_text("others\n")
    commit(field.study, "other notes", "notes.txt")
    field.push()
    assert field.run([step], "reads") == "landed"
    assert times(field) == 2
    field.check("reads")
    assert (field.study / "out/a.txt").read_text() == "others\n"


def test_a_kept_result_whose_place_was_taken_does_not_stand_in_the_way(field):
    step = counted(field)
    field.kill_in(field.submission([step]), step.name, signal.SIGKILL, "cluster.job", "land")
    (field.study / "out").mkdir()
    (field.study / "out/a.bin").write_text("by hand")
    run("git", "annex", "add", "-q", "out", cwd=field.study)
    commit(field.study, "by hand", "out")
    field.push()
    assert field.run([step], step.name) == "landed"
    assert times(field) == 2
    field.check(step.name)


def test_a_dependency_that_slurm_forgot_is_missed(field, monkeypatch):
    monkeypatch.setattr(jobs, "SEEN_S", 0.5)
    table = [plain("good"), plain("after", reads="out/good.bin")]
    submission = field.submission(table)
    with pytest.raises(StudyError, match="good, which it builds on, has not landed"):
        field.run_of(submission, "after")
    assert field.ending("after").word == "failed"
    assert field.run_of(submission, "good") == "landed"
    shutil.rmtree(field.logs)  # the store shows what no note says
    assert field.run_of(submission, "after") == "landed"
    field.check("good", "after")


def test_a_full_scratch_is_told_and_leaves_nothing(field, small_disk):
    step = counted(field, "head -c 200000000 /dev/zero > out/b.bin")
    submission = field.submission([step], scratch=str(small_disk))
    with pytest.raises((StudyError, OSError), match="No space left"):
        field.run_of(submission, step.name)
    assert field.ending(step.name).word == "failed"
    assert not list(small_disk.glob("*/*"))
    (small_disk / "filled").write_bytes(bytes(60 * 2**20))
    with pytest.raises(StudyError, match=r"the disk of .* is full: \d+ MiB are free"):
        field.run_of(submission, step.name, job="2")
    assert field.ending(step.name, "2").word == "failed"
    assert not list(small_disk.glob("cordstudy-*/*"))
    field.check()
    run("mount", "-o", "remount,size=400m", small_disk, cwd="/")
    assert field.run_of(submission, step.name, job="3") == "landed"
    field.check(step.name)


def test_a_full_store_loses_no_finished_step(small, tmp_path, small_disk):
    field = Field(small, tmp_path, store="disk/store.git")
    step = counted(field, "head -c 60000000 /dev/urandom > out/b.bin")
    submission = field.submission([step])
    with pytest.raises(NotLanded, match="it stays in"):
        field.run_of(submission, step.name)
    assert field.ending(step.name).word == "failed"
    assert field.subjects() == []
    run("mount", "-o", "remount,size=400m", small_disk, cwd="/")
    assert field.run_of(submission, step.name, job="2") == "landed"
    assert times(field) == 1
    field.check(step.name)


@pytest.mark.parametrize(("when", "runs"), [("it starts", 1), ("it runs", 2), ("it lands", 1)])
def test_a_store_that_is_out_of_reach_for_a_while_is_waited_for(field, monkeypatch, when, runs):
    monkeypatch.setattr(patience, "FIRST_S", 0.1)
    away, keep = field.folder / "away.git", jobs.keep

    def keep_without_store(ws):
        if not away.exists() and field.store.exists():
            monkeypatch.setattr(jobs, "keep", keep)
            field.store.rename(away)
        return keep(ws)

    def bring_back() -> None:
        once_there(away)
        time.sleep(1.0)
        away.rename(field.store)

    lose = (
        f"test -e {field.folder}/lost || {{ touch {field.folder}/lost; mv {field.store} {away}; }}"
    )
    step = counted(field, lose if when == "it runs" else "true")
    submission = field.submission([step])
    if when == "it starts":
        field.store.rename(away)
    if when == "it lands":
        monkeypatch.setattr(jobs, "keep", keep_without_store)
    back = threading.Thread(target=bring_back, daemon=True)
    back.start()
    assert field.run_of(submission, step.name) == "landed"
    back.join()
    assert times(field) <= runs
    field.check(step.name)


@pytest.mark.parametrize(
    ("held", "by"),
    [
        ("refs/heads/main.lock", "a process"),
        ("refs/heads/main.lock", "nobody"),
        ("packed-refs.lock", "nobody"),
    ],
)
def test_a_lock_of_git_in_the_store_is_waited_for_or_removed(field, held, by):
    for key in ("core.filesRefLockTimeout", "core.packedRefsTimeout"):
        git(field.store, "config", key, "50")
    lock = field.store / held
    lock.touch()
    if by == "nobody":
        long_ago = time.time() - 2 * patience.DEAD_S
        os.utime(lock, (long_ago, long_ago))
    else:
        threading.Timer(3.0, lock.unlink).start()
    step = counted(field)
    assert field.run([step], step.name) == "landed"
    assert times(field) == 1
    assert not lock.exists()
    field.check(step.name)


def test_a_limit_of_time_does_not_cut_short_the_landing(field, monkeypatch):
    landing = jobs.land

    def land(*values, **named):
        os.kill(os.getpid(), jobs.TIME_IS_UP)
        return landing(*values, **named)

    monkeypatch.setattr(jobs, "land", land)
    step = counted(field)
    assert field.run([step], step.name) == "landed"
    field.check(step.name)


def test_a_step_that_came_no_further_in_its_time_is_not_queued_again(field, monkeypatch, tmp_path):
    called = tmp_path / "called"
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin/scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {called}\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for more, starts in (("", []), ("touch $CORDSTUDY_PROGRESS/epoch-1.pth; ", ["requeue 1"])):
        script = f"mkdir -p $CORDSTUDY_PROGRESS; {more}kill -USR1 {os.getpid()}; sleep 60"
        step = Step("long", script)
        with pytest.raises((StudyError, SystemExit)) as raised:
            field.run([step], "long")
        assert (called.read_text().splitlines() if called.exists() else []) == starts
        assert isinstance(raised.value, SystemExit) == bool(starts)
    assert field.ending("long").told == "its time was up; it goes on from where it was"
    field.check()


@pytest.mark.parametrize(
    ("scratch", "said"),
    [
        ("work", "no absolute path"),
        ("$SLURM_NO_SUCH/work", "no absolute path"),
        ("/dev/null/work", "no folder can be made"),
    ],
)
def test_a_scratch_that_cannot_be_is_named(field, scratch, said):
    with pytest.raises(StudyError, match=said) as raised:
        field.run_of(field.submission([plain("a")], scratch=scratch), "a")
    assert raised.value.hint == "site.toml: [slurm] scratch"
    assert field.ending("a").word == "failed"


def test_jobs_see_what_was_submitted_whatever_happens_in_the_clone_meanwhile(field):
    script = "mkdir -p out; cat notes.txt inputs/source/image.bin > out/a.txt"
    step = Step("reads", script, inputs=("notes.txt", "inputs/source/image.bin"))
    submission = field.submission([step])
    git(field.study, "switch", "-q", "-c", "other")
    (field.study / "notes.txt").write_text("committed on another branch\n")
    source = field.study / "inputs/source"
    run("git", "rm", "-q", "image.bin", cwd=source)
    git(source, "-c", "user.name=T", "-c", "user.email=t@e.org", "commit", "-q", "-m", "gone")
    commit(field.study, "other", "notes.txt", "inputs/source")
    (field.study / "notes.txt").write_text("not committed\n")
    assert field.run_of(submission, "reads") == "landed"
    (field.study / "notes.txt").write_text("committed on another branch\n")
    git(field.study, "switch", "-q", "main")
    git(source, "checkout", "-q", git(field.study, "rev-parse", "main:inputs/source"))
    field.check("reads")
    assert (field.study / "out/a.txt").read_text() == "notes\ncontent of source"


def test_steps_that_write_one_file_are_refused_before_any_is_submitted(field):
    table = [Step("one", "true", outputs=("out/*",)), Step("two", "true", outputs=("out/a.txt",))]
    with pytest.raises(StudyError, match=r"two and one both write out/a\.txt"):
        field.submit(table, queue={})
    assert not jobs_file(field.logs).exists()


def test_a_list_of_jobs_that_was_torn_is_named(field):
    field.logs.mkdir(parents=True)
    jobs_file(field.logs).write_text('{"step": "a", "job": "1')
    with pytest.raises(StudyError, match=r"jobs\.jsonl: cannot be read") as raised:
        field.desk()
    assert raised.value.hint == "remove it"


def test_a_word_that_cannot_be_left_does_not_undo_what_landed(field, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs, "leave", full)
    step = counted(field)
    assert field.run([step], step.name) == "landed"
    field.check(step.name)
