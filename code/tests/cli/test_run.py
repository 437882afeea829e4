"""Running steps: what a record is, what fails, what a failure leaves."""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling import gitannex
from cordstudy.provenance.running.runner import run_step, run_steps
from helpers import Step, commit, git, log_of, run, study


def test_a_step_becomes_one_standard_record_that_datalad_reruns(small, machine):
    step = Step(
        "copy",
        "mkdir -p out; cat image.bin inputs/source/image.bin > out/a.bin",
        inputs=("image.bin", "inputs/source/*.bin"),
        outputs=("out/*",),
    )
    run_step(small, step, machine=machine)
    assert (small / "out/a.bin").read_text() == "content of smallcontent of source"
    ((made, record),) = log_of(small).values()
    assert made == git(small, "rev-parse", "HEAD")
    assert (
        record["inputs"] == list(step.inputs)
        and record["outputs"] == ["out/*"]
        and record["exit"] == 0
    )
    before = git(small, "rev-parse", "HEAD")
    run("datalad", "-l", "error", "rerun", made, cwd=small)
    assert git(small, "rev-parse", "HEAD") == before
    assert states(small, [step])["copy"].word == "done"
    assert not list(machine.scratch.iterdir())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("mkdir out; cat notes.txt > out/a.txt", "No such file"),
        ("mkdir out; cat inputs/source/notes.txt > out/a.txt", "No such file"),
        ("mkdir out; echo > out/a.txt; echo > out/b.txt", "does not declare as output: out/b.txt"),
        ("mkdir out; echo > out/a.txt; rm image.bin", "image.bin"),
        ("true", "did not write its declared output out/a.txt"),
        ("mkdir out; echo > out/a.txt; exit 3", "exit 3"),
    ],
)
def test_a_step_that_does_other_than_it_declares_fails_and_leaves_only_its_log(
    small, machine, script, said
):
    before = git(small, "rev-parse", "HEAD")
    with pytest.raises(StudyError) as raised:
        run_step(small, Step("bad", script, inputs=("image.bin",)), machine=machine)
    assert said in f"{raised.value} {raised.value.hint}"
    assert git(small, "rev-parse", "HEAD") == before and git(small, "status", "--porcelain") == ""
    assert not list(machine.scratch.iterdir()) and (machine.logs / "bad.log").exists()
    run("git", "annex", "fsck", "-q", cwd=small)


def test_writing_through_a_link_into_an_input_is_noticed(small, machine):
    script = (
        "mkdir out; echo > out/a.txt; chmod u+w $(readlink -f image.bin); echo spoilt > image.bin"
    )
    with pytest.raises(StudyError, match=r"wrote to its input image\.bin"):
        run_step(small, Step("bad", script, inputs=("image.bin",)), machine=machine)


@pytest.mark.parametrize("where", [".", "inputs/source"])
def test_a_step_reads_no_input_whose_content_is_not_what_its_key_says(small, machine, where):
    path = (small / where / "image.bin").resolve()
    path.chmod(0o644)
    path.write_text("x" * path.stat().st_size)
    path.chmod(0o444)
    step = Step(
        "reads",
        "mkdir out; cat image.bin inputs/source/image.bin > out/a.txt",
        inputs=("image.bin", "inputs/source/*.bin"),
    )
    told = (
        r"image\.bin is damaged" if where == "." else r"image\.bin"
    )  # there git-annex itself hands on nothing
    with pytest.raises(StudyError, match=told):
        run_step(small, step, machine=machine)
    assert log_of(small) == {} and path.read_text().startswith("xxx"), (
        "it is left for `git annex fsck` to find"
    )


def test_steps_that_run_at_the_same_time_all_land(small, machine):
    steps = [
        Step(
            f"s{n}", f"sleep 0.{n}; mkdir -p out; echo {n} > out/{n}.txt", outputs=(f"out/{n}.txt",)
        )
        for n in range(4)
    ]
    after = Step("after", "cat out/*.txt > all.txt", inputs=("out/*.txt",), outputs=("all.txt",))
    run_steps(small, [*steps, after], jobs=4, machine=machine, report=lambda *_: None)
    assert (small / "all.txt").read_text() == "0\n1\n2\n3\n"
    assert len(log_of(small)) == 5 and git(small, "status", "--porcelain") == ""
    assert {state.word for state in states(small, [*steps, after]).values()} == {"done"}


def test_a_step_lands_once_another_process_lets_go_of_the_index(small, machine, monkeypatch):
    lock = small / ".git/index.lock"
    lock.touch()
    freed = threading.Timer(3, lock.unlink)
    freed.start()
    run_step(small, Step("late", "mkdir out; echo 1 > out/a.txt"), machine=machine)
    assert not freed.is_alive() and (small / "out/a.txt").read_text() == "1\n"
    lock.touch()  # as a git process leaves it that was killed
    monkeypatch.setattr(gitannex, "INDEX_WAIT_S", 0.5)
    before = git(small, "rev-parse", "HEAD")
    with pytest.raises(StudyError, match=r"index\.lock"):
        run_step(
            small,
            Step("never", "mkdir out; echo 2 > out/b.txt", outputs=("out/b.txt",)),
            machine=machine,
        )
    lock.unlink()
    assert git(small, "rev-parse", "HEAD") == before and git(small, "status", "--porcelain") == ""


def test_a_step_whose_outputs_stay_the_same_has_a_record_of_its_present_inputs(small, machine):
    step = Step("same", "mkdir -p out; echo x > out/a.txt", inputs=("notes.txt",))
    run_step(small, step, machine=machine)
    (small / "notes.txt").write_text("other notes\n")
    commit(small, "edit", "notes.txt")
    assert states(small, [step])["same"].why.startswith("its input changed: notes.txt: ")
    run_step(small, step, machine=machine)
    assert states(small, [step])["same"].word == "done"


def test_an_output_that_a_step_no_longer_writes_is_gone_with_its_record(small, machine):
    run_step(
        small,
        Step("two", "mkdir out; echo > out/a.txt; echo > out/b.txt", outputs=("out/*",)),
        machine=machine,
    )
    run_step(small, Step("one", "mkdir out; echo > out/a.txt", outputs=("out/*",)), machine=machine)
    assert git(small, "ls-files", "out") == "out/a.txt"


def test_an_output_that_changed_meanwhile_is_not_overwritten(small, machine):
    theirs = f"cd {small}; mkdir out; echo theirs > out/a.txt; git add out; git commit -qm theirs"
    script = f"mkdir out; echo mine > out/a.txt; {theirs}"
    with pytest.raises(StudyError, match=r"out/a\.txt changed in the study"):
        run_step(small, Step("late", script), machine=machine)
    assert (small / "out/a.txt").read_text() == "theirs\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "no-such-step"), "there is no step 'no-such-step'"),
        (("--study", "nothing", "run"), "there is no study 'nothing'"),
        (("inputs", "get", "nothing"), "there is no dataset 'nothing'"),
        (
            ("segment", "README.md", "--model", "nothing", "--out", "x"),
            "the study has no model 'nothing'",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_told_with_those_that_do(tiny, arguments, said):
    failed = study(tiny, *arguments, check=False)
    assert failed.returncode == 1 and said in failed.stderr and "hint: one of: " in failed.stderr


@pytest.mark.parametrize("change", ["edit", "untracked"])
def test_a_dirty_tree_is_refused(tiny_copy, change):
    path = tiny_copy / ("README.md" if change == "edit" else "stray.txt")
    path.write_text("something\n")
    before = git(tiny_copy, "rev-parse", "HEAD")
    failed = study(tiny_copy, "--study", "tiny", "run", check=False)
    assert failed.returncode == 1 and path.name in failed.stderr and "hint: " in failed.stderr
    assert git(tiny_copy, "rev-parse", "HEAD") == before and path.read_text() == "something\n"


def test_a_source_that_cannot_be_installed_is_named_with_where_it_was_looked_for(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    lines = [line for line in toml.read_text().splitlines() if not line.startswith("phantom")]
    toml.write_text(
        "\n".join(lines)
        .replace('role = "', 'licence = "CC0"\nrole = "')
        .replace("seed = 3", "seed = 4")
    )
    commit(tiny_copy, "test: no phantoms", toml)
    git(tiny_copy, "submodule", "deinit", "-q", "-f", "inputs/tiny-epi")
    run("rm", "-rf", "inputs/tiny-epi", ".git/modules/inputs", cwd=tiny_copy)
    (tiny_copy / "inputs/tiny-epi").mkdir()
    failed = study(tiny_copy, "--study", "tiny", "run", check=False)
    assert failed.returncode == 1
    pin = git(tiny_copy, "rev-parse", "HEAD:inputs/tiny-epi")[:8]
    assert (
        f"cannot be installed at {pin} from ./inputs/tiny-epi" in failed.stderr
        and "hint: " in failed.stderr
    )
    failed = study(tiny_copy, "--study", "tiny", "cases", "--dataset", "epi", check=False)
    assert "code/study --study tiny inputs get epi" in failed.stderr


def test_a_scratch_that_others_use_too_loses_nothing(tiny_copy, tmp_path):
    scratch = tmp_path / "shared scratch"
    (scratch / "theirs").mkdir(parents=True)
    (scratch / "theirs/data.txt").write_text("x")
    (scratch / "file.txt").write_text("x")
    (tiny_copy / "site.toml").write_text(f'scratch = "{scratch}"\n')
    study(tiny_copy, "--study", "tiny", "inputs", "get")
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("seed = 3", "seed = 4"))
    commit(tiny_copy, "test: another seed", toml)
    study(tiny_copy, "--study", "tiny", "run", "split")
    assert (scratch / "theirs/data.txt").read_text() == (scratch / "file.txt").read_text() == "x"
    (own,) = (path for path in scratch.iterdir() if path.name not in ("theirs", "file.txt"))
    assert own.name.startswith("cordstudy-") and not list(own.iterdir())
    another = Path(shutil.copytree(tiny_copy, tmp_path / "another", symlinks=True))
    left = own / "split.running"
    left.mkdir()
    (left / "workspace.json").write_text(f'{{"study": "{tiny_copy}", "finished": ""}}')
    study(another, "--study", "tiny", "inputs", "get")
    assert left.is_dir(), "what is another clone's stays"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('scratch = ""', "scratch: '' is no str"),
        ("cores = 0", "cores: 0 is no int"),
        ("cores = true", "cores: True"),
        ("device = 1", "device: 1 is no str"),
        ("fast = 1", "fast: unknown key"),
        ("cores = ", "site.toml: "),
        ('scratch = "/proc/none"', "no folder can be made"),
        ('scratch = "~nobody-here/x"', "no folder can be made"),
        ('scratch = "a\\u0000b"', "no folder can be made"),
        ('scratch = "README.md"', "no folder can be made"),
    ],
)
def test_a_setting_of_the_machine_that_cannot_be_read_is_named(tiny_copy, content, said):
    (tiny_copy / "site.toml").write_text(content)
    failed = study(tiny_copy, "--study", "tiny", "inputs", "get", check=False)
    assert failed.returncode == 1 and said in failed.stderr and "hint: " in failed.stderr


def test_a_step_that_could_not_land_is_told_as_such_and_lands_with_the_next_run(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("seed = 3", "seed = 4"))
    commit(tiny_copy, "test: another seed", toml)
    hook = tiny_copy / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\ngrep -q refs/heads/main && exit 1\nexit 0\n")
    hook.chmod(0o755)
    failed = study(tiny_copy, "--study", "tiny", "run", "split", check=False)
    assert failed.returncode == 1 and "is finished, but could not land" in failed.stderr
    assert "hint: nothing of it is lost" in failed.stderr
    told = study(tiny_copy, "--study", "tiny", "status", check=False).stdout.splitlines()[0]
    assert told.startswith("failed   split") and "is finished, but could not land" in told
    hook.unlink()
    told = study(tiny_copy, "--study", "tiny", "run", "split").stdout
    assert "landed  split, which was finished" in told and "nothing to do" in told
    assert study(tiny_copy, "--study", "tiny", "status", check=False).stdout.startswith(
        "done     split"
    )


def test_getting_a_source_pins_only_what_was_made_and_leaves_no_commit_behind(tiny_copy):
    source, pinned = (
        tiny_copy / "inputs/tiny-epi",
        git(tiny_copy, "rev-parse", "HEAD:inputs/tiny-epi"),
    )
    git(source, "checkout", "-q", "--detach")
    (source / "mine.txt").write_text("mine\n")
    commit(source, "my own", "mine.txt")
    mine, before = git(source, "rev-parse", "HEAD"), git(tiny_copy, "rev-parse", "HEAD")
    failed = study(tiny_copy, "--study", "tiny", "inputs", "get", "epi", check=False)
    assert failed.returncode == 1 and "a commit that no branch holds" in failed.stderr
    assert (
        git(source, "rev-parse", "HEAD") == mine and git(tiny_copy, "rev-parse", "HEAD") == before
    )
    git(source, "branch", "kept")
    study(tiny_copy, "--study", "tiny", "inputs", "get", "epi")
    assert (
        git(source, "rev-parse", "HEAD") == pinned and git(tiny_copy, "rev-parse", "HEAD") == before
    )
    git(source, "checkout", "-q", "kept")
    commit(tiny_copy, "chore: move the pin", "inputs/tiny-epi")
    git(source, "checkout", "-q", "--detach", pinned)
    told = study(tiny_copy, "--study", "tiny", "inputs", "get", "epi")
    assert (
        git(source, "rev-parse", "HEAD")
        == mine
        == git(tiny_copy, "rev-parse", "HEAD:inputs/tiny-epi")
    )
    assert "made" not in told.stdout + told.stderr


def test_a_finished_study_needs_no_source_to_say_that_it_is_done(tiny, tmp_path):
    run("datalad", "-l", "error", "clone", tiny, "clone", cwd=tmp_path)
    clone = tmp_path / "clone"
    before = git(clone, "rev-parse", "HEAD")
    for arguments in (("run",), ("run", "report")):
        assert "nothing to do" in study(clone, "--study", "tiny", *arguments).stdout
    assert git(clone, "rev-parse", "HEAD") == before and not list(
        (clone / "inputs/tiny-epi").iterdir()
    )


def test_a_step_that_failed_in_one_study_is_not_told_of_another(tiny_copy):
    module = tiny_copy / "code/src/cordstudy/pipeline/sources/split.py"
    module.write_text(f"{module.read_text()}\nraise SystemExit('broken')\n")
    shutil.copy(tiny_copy / "code/studies/tiny.toml", tiny_copy / "code/studies/other.toml")
    commit(tiny_copy, "test: break it", module, "code/studies/other.toml")
    failed = study(tiny_copy, "--study", "tiny", "run", "split", check=False)
    assert failed.returncode == 1 and "broken" in failed.stderr
    for name, word in (("tiny", "failed"), ("other", "missing")):
        told = study(tiny_copy, "--study", name, "status", check=False).stdout
        assert told.splitlines()[0].split()[:2] == [word, "split"], told


def test_a_detached_head_is_refused_before_anything_is_written(tiny_copy):
    git(tiny_copy, "checkout", "-q", "--detach")
    for arguments in (("run",), ("inputs", "get")):
        failed = study(tiny_copy, "--study", "tiny", *arguments, check=False)
        assert (
            failed.returncode == 1
            and "HEAD is detached" in failed.stderr
            and "hint: git switch" in failed.stderr
        )


@pytest.mark.slow
def test_a_killed_training_leaves_the_tree_as_before_and_the_next_run_goes_on(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("iterations = 4", "iterations = 5"))
    commit(tiny_copy, "test: more steps", toml)
    before = git(tiny_copy, "rev-parse", "HEAD")
    argv = [tiny_copy / "code/study", "--study", "tiny", "run", "train:inspired:fold0"]
    running = subprocess.Popen(argv, cwd=tiny_copy, stderr=subprocess.PIPE, text=True)
    os.kill(_process_of(f"{tiny_copy}/.cordstudy/workspaces", "train"), signal.SIGKILL)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 1 and "step train:inspired:fold0 failed" in told
    shown = study(tiny_copy, "--study", "tiny", "status", check=False)
    line = next(line for line in shown.stdout.splitlines() if "train:inspired:fold0" in line)
    assert (
        shown.returncode == 1
        and line.startswith("failed")
        and "step train:inspired:fold0 failed" in line
    )
    assert (
        git(tiny_copy, "rev-parse", "HEAD") == before
        and git(tiny_copy, "status", "--porcelain") == ""
    )
    assert not list((tiny_copy / ".cordstudy/workspaces").iterdir())
    study(tiny_copy, "--study", "tiny", "run", "train:inspired:fold0")
    assert "Train inspired, fold 0, for 5 steps" in log_of(tiny_copy)


def _process_of(folder: str, command: str) -> int:
    """Wait for the Python process of a step command that works below a folder."""
    for _ in range(300):
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                if (
                    "cordstudy" in words
                    and command in words
                    and str((entry / "cwd").readlink()).startswith(folder)
                ):
                    return int(entry.name)
            except OSError:
                continue
        time.sleep(0.1)
    raise AssertionError(f"no process of {command} below {folder}")


def test_two_runs_in_one_study_do_not_meet(tiny):

    with (tiny / ".cordstudy/logs/run.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        failed = study(tiny, "--study", "tiny", "run", check=False)
    assert failed.returncode == 1 and "another `code/study run`" in failed.stderr
