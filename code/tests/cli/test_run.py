"""`code/study run` and `inputs get`: what they refuse, and what a failure leaves."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from helpers import commit, copied, git, log_of, run, study


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
    another = copied(tiny_copy, tmp_path / "another")
    left = own / "split.running"
    left.mkdir()
    (left / "workspace.json").write_text(f'{{"dataset": "{tiny_copy}", "step": "x"}}')
    study(another, "--study", "tiny", "inputs", "get")
    assert left.is_dir(), "what is another clone's stays"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('scratch = ""', "scratch: ''"),
        ("cores = 0", "cores: 0"),
        ("cores = true", "cores: True"),
        ("device = 1", "device: 1"),
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
    assert told.split()[:2] == ["failed", "split"] and "is finished, but could not land" in told
    hook.unlink()
    told = study(tiny_copy, "--study", "tiny", "run", "split").stdout
    assert "landed  split, which was finished" in told and "nothing to do" in told
    shown = study(tiny_copy, "--study", "tiny", "status", check=False).stdout
    assert shown.split()[:2] == ["done", "split"]


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
                if any(word.endswith(f".{command}") for word in words) and str(
                    (entry / "cwd").readlink()
                ).startswith(folder):
                    return int(entry.name)
            except OSError:
                continue
        time.sleep(0.1)
    raise AssertionError(f"no process of {command} below {folder}")


def test_two_runs_in_one_study_do_not_meet(tiny):

    with (tiny / ".cordstudy/logs/run.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        failed = study(tiny, "--study", "tiny", "run", check=False)
    assert failed.returncode == 1 and "another run (process" in failed.stderr
