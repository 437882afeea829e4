"""The history of a recorded study, as DataLad and git see it."""

import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from cordstudy.study.closure import LOCK
from helpers import git, log_of, run, steps_of, study

RERUN = ("Split", "Convert epi", "Train inspired", "Judge", "Write")
"""Records of tables, images, a checkpoint and a page; `reproduce` makes all of the phantom study's
again (test_demo)."""


def test_every_output_came_from_exactly_one_record(tiny):
    commits = {commit for commit, _ in log_of(tiny).values()}
    assert len(commits) == len(steps_of(tiny))
    files = git(tiny, "ls-files", "models/tiny", "derivatives/tiny").splitlines()
    assert len(files) > len(commits)
    for path in files:
        touched = git(tiny, "log", "--format=%H", "--", path).split()
        assert len(touched) == 1 and touched[0] in commits, path


def test_the_records_are_standard_and_portable(tiny):
    dsid = git(tiny, "config", "-f", ".datalad/config", "datalad.dataset.id")
    for subject, (_, record) in log_of(tiny).items():
        assert record["dsid"] == dsid and record["exit"] == 0 and record["pwd"] == "."
        assert record["cmd"].startswith("code/study ") and LOCK in record["inputs"], subject
        text = json.dumps(record)
        assert (
            str(tiny) not in text
            and os.environ["HOME"] not in text
            and socket.gethostname() not in text
        )


def test_text_is_in_git_and_images_checkpoints_and_the_page_are_annexed_as_sha256e(tiny):
    for line in git(tiny, "ls-files", "-s", "models/tiny", "derivatives/tiny").splitlines():
        mode, path = line.split()[0], line.split("\t")[1]
        annexed = path.endswith((".nii.gz", ".pth", "report/index.html"))
        assert (mode == "120000") == annexed, path
        if annexed:
            assert re.match(r"SHA256E-s\d+--", os.path.basename(os.readlink(tiny / path)))


def test_nothing_of_what_a_step_wrote_for_people_holds_a_path_of_this_machine(tiny):
    for path in git(tiny, "ls-files", "models/tiny", "derivatives/tiny").splitlines():
        if not (tiny / path).is_symlink() or path.endswith(".html"):
            content = (tiny / path).read_bytes()
            for place in (str(tiny.parent), os.environ["HOME"]):
                assert place.encode() not in content, path


def test_a_second_run_finds_nothing_to_do(tiny):
    before = git(tiny, "rev-parse", "HEAD")
    told = study(tiny, "--study", "tiny", "run").stdout
    assert "nothing to do" in told and git(tiny, "rev-parse", "HEAD") == before
    assert (
        "missing" not in (states := study(tiny, "--study", "tiny", "status").stdout)
        and "stale" not in states
    )


def test_a_clone_of_the_study_gets_one_checkpoint_and_looks_around_without_content(tiny, tmp_path):
    clone = tmp_path / "clone"
    run("datalad", "-l", "error", "clone", tiny, clone, cwd=tmp_path)
    assert run("datalad", "-l", "error", "status", cwd=clone).stdout.strip() in (
        "",
        "nothing to save, working tree clean",
    )
    checkpoint = next(clone.glob("models/tiny/general/*/*/fold_0/checkpoint_final.pth"), None)
    path = Path(
        git(clone, "ls-files", ":(glob)models/tiny/general/*/*/fold_0/checkpoint_final.pth")
    )
    assert checkpoint is None or not checkpoint.exists()
    run("datalad", "-l", "error", "get", path, cwd=clone)
    assert (clone / path).stat().st_size > 10_000
    assert "done" in study(clone, "--study", "tiny", "status").stdout


@pytest.mark.slow
def test_datalad_rerun_makes_the_outputs_of_steps_again(tiny_copy):
    before = git(tiny_copy, "rev-parse", "HEAD")
    records = log_of(tiny_copy)
    begun = git(tiny_copy, "log", "-1", "--format=%H", "--", "code/studies/tiny.toml")
    since = f"--since={begun}"  # not all of the history, of which datalad tells 10 commits a second
    listed = run(
        "datalad", "-f", "json", "rerun", "--report", since, cwd=tiny_copy
    ).stdout.splitlines()
    assert {json.loads(line)["commit"] for line in listed if '"run"' in line} >= {
        commit for commit, _ in records.values()
    }
    chosen = [next(subject for subject in records if subject.startswith(start)) for start in RERUN]
    for subject in chosen:
        run("datalad", "-l", "error", "rerun", records[subject][0], cwd=tiny_copy)
        assert git(tiny_copy, "rev-parse", "HEAD") == before, subject
        assert git(tiny_copy, "status", "--porcelain") == ""


def test_the_launcher_runs_its_own_tree_from_any_folder_and_worktree(tiny, tmp_path):
    worktree = tmp_path / "worktree"
    git(tiny, "worktree", "add", "-q", "--detach", worktree, "HEAD")
    try:
        (worktree / "code/src/cordstudy/base/errors.py").write_text(
            "raise SystemExit('this is the worktree')\n"
        )
        told = run(
            worktree / "code/study",
            "status",
            cwd=tmp_path,
            check=False,
            PATH="/usr/bin:/bin",
            PYTHONPATH="/nowhere",
        )
        assert "this is the worktree" in told.stderr
        below = tiny / "code/src"
        assert (
            "split"
            in run("../study", "--study", "tiny", "status", cwd=below, PATH="/usr/bin:/bin").stdout
        )
    finally:
        shutil.rmtree(worktree)
        git(tiny, "worktree", "prune")


def test_the_launcher_says_how_to_make_a_missing_environment(tiny, tmp_path):
    failed = run(tiny / "code/study", "status", cwd=tiny, check=False, XDG_CACHE_HOME=str(tmp_path))
    assert failed.returncode == 3 and "hint: make -C" in failed.stderr
