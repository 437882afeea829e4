"""Landing: a record's parent holds what ran, whatever happened to the branch meanwhile."""

import os
import subprocess

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.kept import NotLanded, finished
from cordstudy.provenance.running.runner import run_step
from helpers import Step, git, log_of, run
from meanwhile import (
    COMMIT,
    as_other,
    counted,
    is_clean,
    set_globally,
    subject,
    tip,
    write_hook,
)


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
    base = tip(small)
    step = counted(tmp_path, as_other(small, change))
    run_step(small, step, machine=machine)
    ((made, _),) = log_of(small).values()
    assert tip(small, f"{made}^") == base, "the parent of the record is what ran"
    assert len(git(small, "log", "-1", "--format=%P").split()) == 2
    assert is_clean(small)
    assert git(small, "show", f"{made}:out/a.txt") == git(small, "show", "HEAD:out/a.txt")
    expected = "done" if "attributes" in change else "stale"
    assert states(small, [step])["counted"].word == expected
    assert finished(small) == []


def test_a_record_that_was_merged_is_true_to_the_gate(small, machine, tmp_path):
    run_step(small, counted(tmp_path, as_other(small, edit("notes.txt"))), machine=machine)
    kinds = {fault.kind for fault in check(History(small), profile=Profile(results=("out",)))}
    assert kinds == {"absolute path"}, "which is the script of this test"


def test_a_new_file_that_a_declared_glob_takes_in_counts_as_another_input(small, machine):
    meanwhile = as_other(small, "echo > z.txt; git add z.txt; git commit -qm z")
    step = Step("glob", f"mkdir out; cat *.txt > out/a.txt; {meanwhile}", inputs=("*.txt",))
    base = tip(small)
    run_step(small, step, machine=machine)
    ((made, _),) = log_of(small).values()
    assert tip(small, f"{made}^") == base
    assert states(small, [step])["glob"].word == "stale"


def test_a_record_joins_a_tip_with_the_same_inputs_in_one_line(small, machine, tmp_path):
    meanwhile = as_other(small, f"{COMMIT}; echo > x; git add x; git commit -qm x")
    run_step(small, counted(tmp_path, meanwhile), machine=machine)
    assert git(small, "log", "--merges") == ""
    assert subject(small).startswith("[DATALAD")
    assert subject(small, "HEAD^") == "x"


def test_a_step_whose_base_is_no_longer_history_lands_on_the_same_inputs(small, machine, tmp_path):
    amend = "git commit -q --amend -m amended"
    forget = "git reflog expire --expire=now --all; git gc -q --prune=now"
    meanwhile = as_other(small, f"{amend}; {forget}")
    run_step(small, counted(tmp_path, meanwhile), machine=machine)
    assert subject(small, "HEAD^") == "amended"


def test_a_step_whose_base_is_no_longer_history_lands_on_no_other_inputs(small, machine):
    meanwhile = as_other(small, "echo 2 >> notes.txt; git commit -q -a --amend -m again")
    script = f"mkdir -p out; cat notes.txt > out/b.txt; {meanwhile}"
    step = Step("other", script, inputs=("notes.txt",), outputs=("out/b.txt",))
    with pytest.raises(NotLanded, match=r"its input notes\.txt is another"):
        run_step(small, step, machine=machine)
    assert [kept.step for kept in finished(small)] == ["it.other"]
    assert not (small / "out/b.txt").exists()


@pytest.mark.parametrize(
    "change",
    [
        "git switch -q -c other",
        "git checkout -q --detach",
        f"git switch -q -c other; {COMMIT}",
    ],
)
def test_a_step_lands_on_the_branch_that_it_started_from(small, machine, tmp_path, change):
    run_step(small, counted(tmp_path, as_other(small, change)), machine=machine)
    assert subject(small, "main") == "[DATALAD RUNCMD] Do counted"
    assert "RUNCMD" not in git(small, "log", "--format=%s", "HEAD")
    assert is_clean(small)


def test_a_detached_head_is_refused_before_anything_runs(small, machine, tmp_path):
    git(small, "checkout", "-q", "--detach")
    with pytest.raises(StudyError, match="HEAD is detached"):
        run_step(small, counted(tmp_path), machine=machine)
    assert not (tmp_path / "count").exists()


ODD_NAMES = ["a\rb", "a\tb", " a", "a'b", 'a"b', "ü", "-a", ":a", "#a"]


def test_names_of_inputs_and_outputs_are_taken_byte_for_byte(small, machine):
    (small / "odd").mkdir()
    expected = {f"{name}.bin": f"content of {name}".encode() for name in ODD_NAMES}
    for name, content in expected.items():
        (small / "odd" / name).write_bytes(content)
    run("git", "annex", "add", "-q", "odd", cwd=small)
    git(small, "commit", "-q", "-m", "odd names")
    run("git", "annex", "lock", "-q", "odd", cwd=small)
    script = f"mkdir out; cp -L odd/* out; {as_other(small, COMMIT)}"
    step = Step("odd", script, inputs=("odd/*",), outputs=("out/*",))
    run_step(small, step, machine=machine)
    assert {path.name: path.read_bytes() for path in (small / "out").iterdir()} == expected
    assert is_clean(small)
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
    assert log_of(small) == {}
    assert finished(small) == []


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
def test_no_setting_of_a_dataset_or_user_holds_up_a_landing(
    small, machine, tmp_path, monkeypatch, key, where
):
    if where == "local":
        git(small, "config", key, SETTINGS[key])
    else:
        user = {"user.name": "Tester", "user.email": "t@example.org"}
        set_globally(monkeypatch, tmp_path, {key: SETTINGS[key], **user})
    run_step(small, counted(tmp_path, as_other(small, COMMIT)), machine=machine)
    assert is_clean(small)
    assert "RUNCMD" in subject(small)


def test_a_pin_that_moves_unseen_by_the_user_s_git_counts_as_another_input(small, machine):
    git(small, "config", "-f", ".gitmodules", "submodule.inputs/source.ignore", "all")
    git(small, "commit", "-q", "-a", "-m", "ignore it")
    unseen = "add -f inputs/source; git commit -qm move"
    move = MOVE_PIN.replace("commit -qm move inputs/source", unseen)
    base = tip(small)
    script = f"mkdir out; echo > out/a.txt; {as_other(small, move)}"
    step = Step("whole", script, inputs=("inputs/source",))
    run_step(small, step, machine=machine)
    ((made, _),) = log_of(small).values()
    assert tip(small, "HEAD:inputs/source") != tip(small, f"{base}:inputs/source")
    assert tip(small, f"{made}^") == base
    assert states(small, [step])["whole"].word == "stale"


def test_a_commit_with_its_editor_open_delays_a_landing_and_loses_nothing(small, machine, tmp_path):
    (small / "mine.txt").write_text("mine\n")
    git(small, "add", "mine.txt")
    editor = {"GIT_EDITOR": "sleep 4; echo mine >"}
    other = subprocess.Popen(["git", "commit", "-q", "-a"], cwd=small, env=os.environ | editor)
    run_step(small, counted(tmp_path), machine=machine)
    other.wait()
    assert other.returncode == 0
    assert is_clean(small)
    assert {subject(small), subject(small, "HEAD^")} == {"mine", "[DATALAD RUNCMD] Do counted"}


@pytest.mark.parametrize("where", ["core.hooksPath", "init.templateDir"])
def test_hooks_of_the_user_touch_no_record(small, machine, tmp_path, monkeypatch, where):
    folder = tmp_path / "theirs"
    hooks = folder if where == "core.hooksPath" else folder / "hooks"
    write_hook(hooks, "commit-msg", 'sed -i "1s/^/PROJECT-1 /" "$1"')
    write_hook(hooks, "pre-commit", "exit 1")
    signing = {"commit.gpgsign": "true", "user.signingkey": "nobody"}
    set_globally(monkeypatch, tmp_path, {where: str(folder), **signing})
    step = counted(tmp_path)
    run_step(small, step, machine=machine)
    assert states(small, [step])["counted"].word == "done"
