"""A finished step is never lost: it is kept until it has landed, and over nothing of others."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling import gitannex
from cordstudy.provenance.running import kept as kept_steps
from cordstudy.provenance.running import recording
from cordstudy.provenance.running.kept import NotLanded, finished
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import run_step
from helpers import Step, git, log_of, run
from meanwhile import as_other, counted, is_clean, land, subject, times, tip, write_hook


def hold_the_index(small: Path):
    lock = small / ".git/index.lock"
    lock.touch()
    return lock.unlink


def refuse_by_a_hook(small: Path):
    script = "grep -q refs/heads/ && exit 1; exit 0"
    return write_hook(small / ".git/hooks", "reference-transaction", script).unlink


def put_a_file_in_the_way(small: Path):
    (small / "out").mkdir()
    (small / "out/a.txt").write_text("mine")
    return lambda: shutil.rmtree(small / "out")


def test_a_finished_step_is_kept_and_lands_later_without_running_again(
    small, machine, tmp_path, monkeypatch
):
    monkeypatch.setattr(gitannex, "INDEX_WAIT_S", 0.3)
    step, before = counted(tmp_path), tip(small)

    def first(_folder: Path, step: Step, machine: Machine) -> None:
        run_step(small, step, machine=machine)

    attempts = [
        (hold_the_index, first),
        (refuse_by_a_hook, land),
        (put_a_file_in_the_way, land),
    ]
    for hinder, attempt in attempts:
        free = hinder(small)
        with pytest.raises(NotLanded, match="finished, but could not land") as raised:
            attempt(small, step, machine)
        assert "nothing of it is lost" in raised.value.hint, hinder.__name__
        free()
        assert tip(small) == before, hinder.__name__
        assert is_clean(small), hinder.__name__
        git(small, "gc", "-q", "--prune=now")
    land(small, step, machine)
    assert times(tmp_path) == 1
    assert states(small, [step])["counted"].word == "done"
    assert finished(small) == []
    assert git(small, "for-each-ref", "refs/worktree") == ""
    git(small, "fsck", "--connectivity-only")


def test_a_finished_step_whose_content_cannot_come_home_stays_in_its_workspace(
    small, machine, tmp_path
):
    objects, aside = small / ".git/annex", small / ".git/annex-aside"
    meanwhile = as_other(small, f"mv {objects} {aside}; echo > {objects}")
    script = f"echo x >> {tmp_path}/count; mkdir out; echo voxels > out/a.bin; {meanwhile}"
    step = Step("big", script, outputs=("out/a.bin",))
    with pytest.raises(NotLanded, match="it stays in"):
        run_step(small, step, machine=machine)
    objects.unlink()
    aside.rename(objects)
    land(small, step, machine)
    assert times(tmp_path) == 1
    assert (small / "out/a.bin").read_text() == "voxels\n"
    assert not list(machine.scratch.iterdir())
    run("git", "annex", "fsck", "-q", cwd=small)


def test_a_kept_step_replaces_outputs_that_changed_only_where_it_would_run_again_anyway(
    small, machine, tmp_path
):
    theirs = "mkdir out; echo theirs > out/a.txt; git add out; git commit -qm theirs"
    step = counted(tmp_path, as_other(small, theirs))
    with pytest.raises(NotLanded, match=r"out/a\.txt changed in the dataset"):
        run_step(small, step, machine=machine)
    assert (small / "out/a.txt").read_text() == "theirs\n"
    another_command = counted(tmp_path)
    land(small, another_command, machine)
    assert (small / "out/a.txt").read_text() == "theirs\n", "nothing is replaced"
    assert len(finished(small)) == 1, "it stays kept"
    land(small, step, machine)
    assert (small / "out/a.txt").read_text() != "theirs\n"
    assert times(tmp_path) == 1
    assert states(small, [step])["counted"].word == "done"
    assert is_clean(small)


def test_a_step_of_which_a_newer_record_has_landed_is_kept_no_longer(small, machine, tmp_path):
    step = counted(tmp_path)
    free = put_a_file_in_the_way(small)
    with pytest.raises(NotLanded):
        run_step(small, step, machine=machine)
    free()
    assert len(finished(small)) == 1
    land(small, step, machine, done=("counted",))
    assert finished(small) == []
    assert not (small / "out").exists()


IN_THE_WAY = {
    "a file": "echo mine > out; git add out; git commit -qm mine",
    "a link": "ln -s /nowhere out; git add out; git commit -qm mine",
    "a subdataset": "git -c protocol.file.allow=always submodule --quiet add ./inputs/source out; "
    "git commit -qm mine",
    "an ignored file": "echo out >> .git/info/exclude; mkdir out; echo mine > out/a.txt",
    "an ignored file above": "echo out >> .git/info/exclude; echo mine > out",
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_a_step_lands_over_nothing_of_others(small, machine, tmp_path, what):
    step = counted(tmp_path, as_other(small, IN_THE_WAY[what]))
    with pytest.raises(NotLanded):
        run_step(small, step, machine=machine)
    before, theirs = tip(small), of_others(small / "out")
    assert is_clean(small)
    assert len(finished(small)) == 1
    with pytest.raises(NotLanded):
        land(small, step, machine)
    assert tip(small) == before
    assert of_others(small / "out") == theirs
    expected = {"a link": "/nowhere", "a subdataset": "notes\n"}
    assert theirs == expected.get(what, "mine\n")


def of_others(out: Path) -> str:
    """What somebody put where a step writes."""
    if out.is_symlink():
        return os.readlink(out)
    if (out / ".git").exists():
        return (out / "notes.txt").read_text()
    return (out / "a.txt" if out.is_dir() else out).read_text()


def test_a_branch_that_is_gone_leaves_its_step_kept(small, machine, tmp_path):
    step = counted(tmp_path, as_other(small, "git switch -q -c other; git branch -q -D main"))
    with pytest.raises(NotLanded, match="there is no refs/heads/main any more"):
        run_step(small, step, machine=machine)
    assert len(finished(small)) == 1


def test_a_record_that_cannot_be_read_back_fails_its_step(small, machine, tmp_path, monkeypatch):
    commit = "git commit -qm 'PROJECT-1 [DATALAD RUNCMD] Do it'"
    script = f"mkdir out; echo > out/a.txt; git add --sparse out; {commit}"
    monkeypatch.setattr(recording, "datalad_run", lambda command, **_: ["sh", "-c", script])
    with pytest.raises(StudyError, match="holds no run record that can be read"):
        run_step(small, counted(tmp_path), machine=machine)
    assert subject(small) == "add the source"
    assert finished(small) == []
    assert not list(machine.scratch.iterdir())


def test_a_record_that_says_other_than_what_ran_fails_its_step(
    small, machine, tmp_path, monkeypatch
):
    honest = recording.datalad_run

    def with_one_input_less(*words, inputs, **more):
        return honest(*words, inputs=inputs[:1], **more)

    monkeypatch.setattr(recording, "datalad_run", with_one_input_less)
    with pytest.raises(StudyError, match="does not say what was run"):
        run_step(small, counted(tmp_path), machine=machine)
    assert log_of(small) == {}
    assert finished(small) == []


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk that can be filled; skips where this user may mount none."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk of 160 MB to fill: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_disk_that_fills_up_while_a_step_lands_loses_nothing(
    small_original, small_disk, tmp_path
):
    """The dataset is on a disk that is filled to the last byte once the step has its result;
    scratch is elsewhere."""
    small = Path(shutil.copytree(small_original, small_disk / "small", symlinks=True))
    machine = Machine(scratch=tmp_path / "scratch", logs=tmp_path / "logs/it", workers=1)
    fill = f"head -c 500M /dev/zero > {small_disk}/full 2>/dev/null"
    made = "mkdir out; head -c 300k /dev/urandom > out/a.bin; seq 90000 > out/b.txt"
    script = f"echo x >> {tmp_path}/count; {made}; {fill}; true"
    step = Step("full", script, outputs=("out/a.bin", "out/b.txt"))
    with pytest.raises(NotLanded, match="could not land"):
        run_step(small, step, machine=machine)
    (small_disk / "full").unlink()
    assert is_clean(small)
    land(small, step, machine)
    assert times(tmp_path) == 1
    assert (small / "out/a.bin").stat().st_size == 300 * 1024
    assert is_clean(small)
    assert states(small, [step])["full"].word == "done"
    run("git", "annex", "fsck", "-q", cwd=small)


def test_what_another_process_lands_meanwhile_is_no_fault_of_who_looks(
    small, machine, tmp_path, monkeypatch
):
    monkeypatch.setattr(gitannex, "INDEX_WAIT_S", 0.3)
    free = refuse_by_a_hook(small)
    for name in ("one", "two"):
        step = Step(
            name, f"mkdir -p out; echo {name} > out/{name}.txt", outputs=(f"out/{name}.txt",)
        )
        with pytest.raises(NotLanded):
            run_step(small, step, machine=machine)
    free()
    read = kept_steps.record_at

    def read_while_others_land(repo: Path, commit: str):
        for ref in git(small, "for-each-ref", "--format=%(refname)", kept_steps.FINISHED).split():
            git(small, "update-ref", "-d", ref)
        return read(repo, commit)

    monkeypatch.setattr(kept_steps, "record_at", read_while_others_land)
    assert [kept.step for kept in finished(small)] == ["it.one", "it.two"]
    assert finished(small) == []
