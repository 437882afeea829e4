"""Landing: a record's parent holds what ran, and a finished step is never lost."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling import gitannex
from cordstudy.provenance.calling.gitannex import run as run_command
from cordstudy.provenance.history.index import History
from cordstudy.provenance.running import runner as running
from cordstudy.provenance.running.kept import NotLanded, finished
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import land_finished, run_step, sole_run
from helpers import Step, git, log_of, run

COUNTED = "echo x >> {count}; mkdir -p out; cat notes.txt inputs/source/notes.txt > out/a.txt"
"""A step that leaves a mark outside each time that it runs, and reads a file and one of a source."""


def counted(tmp_path, during: str = "true") -> Step:
    script = COUNTED.format(count=tmp_path / "count")
    return Step("counted", f"{script}; {during}", inputs=("notes.txt", "inputs/source/notes.txt"))


def times(tmp_path) -> int:
    return len((tmp_path / "count").read_text().splitlines())


def as_other(folder, script: str) -> str:
    """What somebody does in the study meanwhile: in a shell of theirs."""
    return f"(cd {folder}; unset GIT_CONFIG_GLOBAL; {script}) >/dev/null"


def edit(path: str) -> str:
    return f"echo other >> {path}; git commit -qm edit {path}"


MOVE_PIN = (
    "cd inputs/source; echo other >> notes.txt; "
    "git -c user.name=x -c user.email=x@y commit -qm edit notes.txt; "
    "cd ../..; git commit -qm move inputs/source"
)
"""Somebody moves the pin of a source."""


@pytest.mark.parametrize("change", [edit("notes.txt"), MOVE_PIN, edit(".gitattributes")])
def test_a_record_on_inputs_that_changed_meanwhile_stays_on_what_ran(
    small, machine, tmp_path, change
):
    base = git(small, "rev-parse", "HEAD")
    step = counted(tmp_path, as_other(small, change))
    run_step(small, step, machine=machine)
    ((made, _),) = log_of(small).values()
    assert git(small, "rev-parse", f"{made}^") == base, "the parent of the record is what ran"
    assert (
        len(git(small, "log", "-1", "--format=%P").split()) == 2
        and git(small, "status", "--porcelain") == ""
    )
    assert git(small, "show", f"{made}:out/a.txt") == git(small, "show", "HEAD:out/a.txt")
    assert states(small, [step])["counted"].word == ("done" if "attributes" in change else "stale")
    kinds = {finding.kind for finding in check(History(small), folders=("out",))}
    assert kinds <= {"absolute path", "input changed"}, "the first is the script of this test"
    assert finished(small) == []


def test_a_new_file_that_a_declared_glob_takes_in_counts_as_another_input(small, machine):
    meanwhile = as_other(small, "echo > z.txt; git add z.txt; git commit -qm z")
    step = Step("glob", f"mkdir out; cat *.txt > out/a.txt; {meanwhile}", inputs=("*.txt",))
    base = git(small, "rev-parse", "HEAD")
    run_step(small, step, machine=machine)
    ((made, _),) = log_of(small).values()
    assert git(small, "rev-parse", f"{made}^") == base
    assert states(small, [step])["glob"].word == "stale"


def test_a_record_joins_a_tip_with_the_same_inputs_in_one_line(small, machine, tmp_path):
    meanwhile = as_other(
        small, "git commit -q --allow-empty -m other; echo > x; git add x; git commit -qm x"
    )
    run_step(small, counted(tmp_path, meanwhile), machine=machine)
    assert git(small, "log", "--merges") == "" and git(
        small, "log", "-1", "--format=%s"
    ).startswith("[DATALAD")
    assert git(small, "log", "-1", "--format=%s", "HEAD^") == "x"


def test_a_step_whose_base_is_no_longer_history_lands_only_on_the_same_inputs(
    small, machine, tmp_path
):
    meanwhile = as_other(
        small,
        "git commit -q --amend -m amended; git reflog expire --expire=now --all; git gc -q --prune=now",
    )
    run_step(small, counted(tmp_path, meanwhile), machine=machine)
    assert git(small, "log", "-1", "--format=%s", "HEAD^") == "amended"
    meanwhile = as_other(small, "echo 2 >> notes.txt; git commit -q -a --amend -m again")
    script = f"mkdir -p out; cat notes.txt > out/b.txt; {meanwhile}"
    other = Step("other", script, inputs=("notes.txt",), outputs=("out/b.txt",))
    with pytest.raises(NotLanded, match=r"its input notes\.txt is another"):
        run_step(small, other, machine=machine)
    assert [kept.step for kept in finished(small)] == ["it.other"] and not (
        small / "out/b.txt"
    ).exists()


@pytest.mark.parametrize(
    "change",
    [
        "git switch -q -c other",
        "git checkout -q --detach",
        "git switch -q -c other; git commit -q --allow-empty -m x",
    ],
)
def test_a_step_lands_on_the_branch_that_it_started_from(small, machine, tmp_path, change):
    run_step(small, counted(tmp_path, as_other(small, change)), machine=machine)
    assert git(small, "log", "-1", "--format=%s", "main") == "[DATALAD RUNCMD] Do counted"
    assert (
        "RUNCMD" not in git(small, "log", "--format=%s", "HEAD")
        and git(small, "status", "--porcelain") == ""
    )


def test_a_detached_head_is_refused_before_anything_runs(small, machine, tmp_path):
    git(small, "checkout", "-q", "--detach")
    with pytest.raises(StudyError, match="HEAD is detached"):
        run_step(small, counted(tmp_path), machine=machine)
    assert not (tmp_path / "count").exists()


def hook(folder, name: str, script: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_finished_step_is_kept_and_lands_later_without_running_again(
    small, machine, tmp_path, monkeypatch
):
    monkeypatch.setattr(gitannex, "INDEX_WAIT_S", 0.3)
    step, before = counted(tmp_path), git(small, "rev-parse", "HEAD")
    hindrances = {
        "the index is held": (
            (small / ".git/index.lock").touch,
            (small / ".git/index.lock").unlink,
        ),
        "a hook refuses": (
            lambda: hook(
                small / ".git/hooks",
                "reference-transaction",
                "grep -q refs/heads/ && exit 1; exit 0",
            ),
            lambda: (small / ".git/hooks/reference-transaction").unlink(),
        ),
        "a file is in the way": (
            lambda: ((small / "out").mkdir(), (small / "out/a.txt").write_text("mine")),
            lambda: ((small / "out/a.txt").unlink(), (small / "out").rmdir()),
        ),
    }
    for name, (hinder, free) in hindrances.items():
        hinder()
        with pytest.raises(NotLanded, match="finished, but could not land") as raised:
            lands(small, step, machine) if (tmp_path / "count").exists() else run_step(
                small, step, machine=machine
            )
        assert "nothing of it is lost" in raised.value.hint, name
        free()
        assert (
            git(small, "rev-parse", "HEAD") == before and git(small, "status", "--porcelain") == ""
        ), name
        git(small, "gc", "-q", "--prune=now")
    lands(small, step, machine)
    assert times(tmp_path) == 1 and states(small, [step])["counted"].word == "done"
    assert finished(small) == [] and git(small, "for-each-ref", "refs/worktree") == ""
    git(small, "fsck", "--connectivity-only")


def lands(small, step: Step, machine) -> None:
    with sole_run(small, machine):
        land_finished(small, [step], done=(), machine=machine, report=lambda *_: None)


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
    lands(small, step, machine)
    assert times(tmp_path) == 1 and (small / "out/a.bin").read_text() == "voxels\n"
    assert not list(machine.scratch.iterdir())
    run("git", "annex", "fsck", "-q", cwd=small)


def test_a_kept_step_replaces_outputs_that_changed_only_where_it_would_run_again_anyway(
    small, machine, tmp_path
):
    theirs = as_other(
        small, "mkdir out; echo theirs > out/a.txt; git add out; git commit -qm theirs"
    )
    step = counted(tmp_path, theirs)
    with pytest.raises(NotLanded, match=r"out/a\.txt changed in the study"):
        run_step(small, step, machine=machine)
    assert (small / "out/a.txt").read_text() == "theirs\n"
    lands(
        small, counted(tmp_path), machine
    )  # another command: it stays kept, and nothing is replaced
    assert (small / "out/a.txt").read_text() == "theirs\n" and len(finished(small)) == 1
    lands(small, step, machine)
    assert (small / "out/a.txt").read_text() != "theirs\n" and times(tmp_path) == 1
    assert (
        states(small, [step])["counted"].word == "done"
        and git(small, "status", "--porcelain") == ""
    )


IN_THE_WAY = {
    "a file": "echo mine > out; git add out; git commit -qm mine",
    "a link": "ln -s /nowhere out; git add out; git commit -qm mine",
    "a subdataset": "git -c protocol.file.allow=always submodule --quiet add ./inputs/source out; git commit -qm mine",
    "an ignored file": "echo out >> .git/info/exclude; mkdir out; echo mine > out/a.txt",
    "an ignored file above": "echo out >> .git/info/exclude; echo mine > out",
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_a_step_lands_over_nothing_of_others(small, machine, tmp_path, what):
    step = counted(tmp_path, as_other(small, IN_THE_WAY[what]))
    with pytest.raises(NotLanded):
        run_step(small, step, machine=machine)
    tip = git(small, "rev-parse", "HEAD")
    if what != "a subdataset":
        assert (
            os.readlink(small / "out") == "/nowhere"
            if what == "a link"
            else mine(small) == "mine\n"
        )
    assert git(small, "status", "--porcelain") == "" and len(finished(small)) == 1
    with pytest.raises(NotLanded):
        lands(small, step, machine)
    assert git(small, "rev-parse", "HEAD") == tip


def mine(small: Path) -> str:
    return (small / "out/a.txt" if (small / "out").is_dir() else small / "out").read_text()


ODD_NAMES = ["a\rb", "a\tb", " a", "a'b", 'a"b', "ü", "-a", ":a", "#a"]


def test_names_of_inputs_and_outputs_are_taken_byte_for_byte(small, machine, tmp_path):
    (small / "odd").mkdir()
    for name in ODD_NAMES:
        (small / "odd" / f"{name}.bin").write_bytes(f"content of {name}".encode())
    run("git", "annex", "add", "-q", "odd", cwd=small)
    git(small, "commit", "-q", "-m", "odd names")
    run("git", "annex", "lock", "-q", "odd", cwd=small)
    meanwhile = as_other(small, "git commit -q --allow-empty -m x")
    step = Step(
        "odd", f"mkdir out; cp -L odd/* out; {meanwhile}", inputs=("odd/*",), outputs=("out/*",)
    )
    run_step(small, step, machine=machine)
    assert {path.name: path.read_bytes() for path in (small / "out").iterdir()} == {
        f"{name}.bin": f"content of {name}".encode() for name in ODD_NAMES
    }
    assert git(small, "status", "--porcelain") == ""
    assert run("git", "annex", "find", "--not", "--in=here", cwd=small).stdout == ""


@pytest.mark.parametrize("where", ["input", "output"])
def test_a_name_with_a_line_s_end_which_git_annex_cannot_take_is_refused(small, machine, where):
    if where == "input":
        (small / "a\nb.bin").write_text("x")
        git(small, "add", ".")
        git(small, "commit", "-q", "-m", "odd name")
    step = Step("odd", "mkdir out; echo > 'out/a\nb.txt'", inputs=("*.bin",), outputs=("out/*",))
    with pytest.raises(StudyError, match="a name with a line's end"):
        run_step(small, step, machine=machine)
    assert log_of(small) == {} and finished(small) == []


SETTINGS = {
    "protocol.file.allow": "never",
    "protocol.allow": "never",
    "transfer.hideRefs": "refs",
    "uploadpack.hideRefs": "refs",
    "branch.main.mergeOptions": "--squash",
    "merge.verifySignatures": "true",
    "fetch.fsckObjects": "true",
}


@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize("where", ["local", "global"])
def test_no_setting_of_the_study_holds_up_a_landing(
    small, machine, tmp_path, monkeypatch, key, where
):
    if where == "local":
        git(small, "config", key, SETTINGS[key])
    else:
        settings(
            monkeypatch,
            tmp_path,
            {key: SETTINGS[key], "user.name": "Tester", "user.email": "t@example.org"},
        )
    run_step(
        small,
        counted(tmp_path, as_other(small, "git commit -q --allow-empty -m x")),
        machine=machine,
    )
    assert git(small, "status", "--porcelain") == "" and "RUNCMD" in git(
        small, "log", "-1", "--format=%s"
    )


def test_a_pin_that_moves_unseen_by_the_user_s_git_counts_as_another_input(small, machine):
    git(small, "config", "-f", ".gitmodules", "submodule.inputs/source.ignore", "all")
    git(small, "commit", "-q", "-a", "-m", "ignore it")
    move = MOVE_PIN.replace(
        "commit -qm move inputs/source", "add -f inputs/source; git commit -qm move"
    )
    base = git(small, "rev-parse", "HEAD")
    step = Step(
        "whole", f"mkdir out; echo > out/a.txt; {as_other(small, move)}", inputs=("inputs/source",)
    )
    run_step(small, step, machine=machine)
    ((made, _),) = log_of(small).values()
    assert git(small, "rev-parse", "HEAD:inputs/source") != git(
        small, "rev-parse", f"{base}:inputs/source"
    )
    assert (
        git(small, "rev-parse", f"{made}^") == base
        and states(small, [step])["whole"].word == "stale"
    )


def test_a_branch_that_is_gone_leaves_its_step_kept(small, machine, tmp_path):
    step = counted(tmp_path, as_other(small, "git switch -q -c other; git branch -q -D main"))
    with pytest.raises(NotLanded, match="there is no refs/heads/main any more"):
        run_step(small, step, machine=machine)
    assert len(finished(small)) == 1


def test_a_commit_with_its_editor_open_delays_a_landing_and_loses_nothing(small, machine, tmp_path):
    (small / "mine.txt").write_text("mine\n")
    git(small, "add", "mine.txt")
    other = subprocess.Popen(
        ["git", "commit", "-q", "-a"],
        cwd=small,
        env=os.environ | {"GIT_EDITOR": "sleep 4; echo mine >"},
    )
    run_step(small, counted(tmp_path), machine=machine)
    other.wait()
    assert other.returncode == 0 and git(small, "status", "--porcelain") == ""
    assert set(git(small, "log", "-2", "--format=%s").splitlines()) == {
        "mine",
        "[DATALAD RUNCMD] Do counted",
    }


@pytest.mark.parametrize("where", ["core.hooksPath", "init.templateDir"])
def test_hooks_of_the_user_touch_no_record(small, machine, tmp_path, monkeypatch, where):
    folder = tmp_path / "theirs"
    hooks = folder if where == "core.hooksPath" else folder / "hooks"
    hook(hooks, "commit-msg", 'sed -i "1s/^/PROJECT-1 /" "$1"')
    hook(hooks, "pre-commit", "exit 1")
    settings(
        monkeypatch,
        tmp_path,
        {where: str(folder), "commit.gpgsign": "true", "user.signingkey": "nobody"},
    )
    step = counted(tmp_path)
    run_step(small, step, machine=machine)
    assert states(small, [step])["counted"].word == "done"


def settings(monkeypatch, tmp_path, values: dict[str, str]) -> None:
    """Settings of the user, in a file as git has it."""
    path = tmp_path / "gitconfig"
    for key, value in values.items():
        run_command(("git", "config", "-f", str(path), key, value), cwd=tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(path))


def test_a_record_that_cannot_be_read_back_fails_its_step(small, machine, tmp_path, monkeypatch):
    script = "mkdir out; echo > out/a.txt; git add --sparse out; git commit -qm 'PROJECT-1 [DATALAD RUNCMD] Do it'"
    monkeypatch.setattr(running, "datalad_run", lambda command, **_: ["sh", "-c", script])
    with pytest.raises(StudyError, match="holds no run record that can be read"):
        run_step(small, counted(tmp_path), machine=machine)
    assert git(small, "log", "-1", "--format=%s") == "add the source" and finished(small) == []
    assert not list(machine.scratch.iterdir())


def test_a_disk_that_fills_up_while_a_step_lands_loses_nothing(small_original, tmp_path):
    """The study is on a disk that is filled to the last byte once the step has its result; scratch is elsewhere."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk of 160 MB to fill: {mounted.stderr.strip()}")
    try:
        small = Path(shutil.copytree(small_original, disk / "small", symlinks=True))
        machine = Machine(scratch=tmp_path / "scratch", logs=tmp_path / "logs/it", workers=1)
        fill = f"head -c 500M /dev/zero > {disk}/full 2>/dev/null"
        made = "mkdir out; head -c 300k /dev/urandom > out/a.bin; seq 90000 > out/b.txt"
        script = f"echo x >> {tmp_path}/count; {made}; {fill}; true"
        step = Step("full", script, outputs=("out/a.bin", "out/b.txt"))
        with pytest.raises(NotLanded, match="could not land"):
            run_step(small, step, machine=machine)
        (disk / "full").unlink()
        assert git(small, "status", "--porcelain") == ""
        lands(small, step, machine)
        assert times(tmp_path) == 1 and (small / "out/a.bin").stat().st_size == 300 * 1024
        assert (
            git(small, "status", "--porcelain") == ""
            and states(small, [step])["full"].word == "done"
        )
        run("git", "annex", "fsck", "-q", cwd=small)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_record_that_says_other_than_what_ran_fails_its_step(
    small, machine, tmp_path, monkeypatch
):
    honest = running.datalad_run
    monkeypatch.setattr(
        running,
        "datalad_run",
        lambda *words, inputs, **more: honest(*words, inputs=inputs[:1], **more),
    )
    with pytest.raises(StudyError, match="does not say what was run"):
        run_step(small, counted(tmp_path), machine=machine)
    assert log_of(small) == {} and finished(small) == []
