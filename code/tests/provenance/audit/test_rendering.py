"""What records ought to say: told by the present code, or by that of their commits in a sandbox."""

import re
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit import sandbox
from cordstudy.provenance.history.records import join, render_message
from cordstudy.study.steps import Step as StudyStep
from helpers import REPOSITORY, commit, git, steps_of, study


def can_wall_in() -> bool:
    try:
        sandbox.check_sandbox()
    except StudyError:
        return False
    return True


walled = pytest.mark.skipif(not can_wall_in(), reason="bubblewrap is not there, or cannot run here")
PACKAGE = "code/src/cordstudy"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """This repository, to be changed."""
    folder = tmp_path / "study"
    git(tmp_path, "clone", "-q", "--shared", REPOSITORY, folder)
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    return folder


def record(folder: Path, step: StudyStep, *, cmd: str = "") -> None:
    """Commit outputs of a step, made by hand, with the record that a run of it would have."""
    for spec in step.outputs:
        path = folder / spec.replace("*", "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made by hand\n")
        git(folder, "add", "-f", path)
    message = render_message(
        step.message,
        cmd=cmd or join(step.argv),
        dsid=git(folder, "config", "-f", ".datalad/config", "datalad.dataset.id"),
        inputs=step.inputs,
        outputs=step.outputs,
    )
    git(folder, "commit", "-q", "-m", message)


def move_steps(folder: Path) -> None:
    """Give the module that renders steps another name."""
    git(folder, "mv", f"{PACKAGE}/study/steps.py", f"{PACKAGE}/study/table.py")
    for path in (folder / PACKAGE).rglob("*.py"):
        text = path.read_text()
        path.write_text(re.sub(r"\bcordstudy\.study\.steps\b", "cordstudy.study.table", text))
    commit(folder, "refactor: move the steps", PACKAGE)


def gate(folder: Path, *options: str) -> str:
    """What the gate says of a study."""
    return study(folder, "audit", "--all", *options, check=False).stdout


@walled
def test_a_history_that_spans_a_move_of_the_steps_is_rendered_on_both_sides(clone):
    first, second, third, *_ = steps_of(clone, "phantom")
    record(clone, first)
    record(clone, second, cmd=f"{join(second.argv)} --more")
    move_steps(clone)
    record(clone, third)
    assert "2 records not rendered (made by other code" in gate(clone)
    told = study(clone, "audit", "--all", "--render", check=False)
    assert "running the code of 1 other states" in told.stderr
    assert "not rendered" not in told.stdout and "unreadable" not in told.stdout
    edited = [line for line in told.stdout.splitlines() if line.startswith("edited")]
    assert len(edited) == 1 and edited[0].endswith(second.message), "by the code that was moved"


@walled
def test_what_cannot_be_rendered_is_unreadable_and_not_edited(clone):
    step = steps_of(clone, "phantom")[0]
    launcher = clone / "code/study"
    text = launcher.read_text()
    launcher.write_text("exit 7\n")
    commit(clone, "feat: break the launcher", launcher)
    record(clone, step, cmd=f"{join(step.argv)} --more")
    launcher.write_text(text)
    module = clone / PACKAGE / "cli/render.py"
    source = module.read_text()
    module.write_text(source + "\nraise SystemExit('no such luck')\n")
    commit(clone, "feat: break the renderer", module, launcher)
    record(clone, steps_of(clone, "phantom")[1])
    module.write_text(source)
    commit(clone, "fix: mend it", module)
    told = gate(clone, "--render")
    assert "edited" not in told and "not rendered" not in told
    why = "1 records unreadable: its own code cannot be run: it ends with exit code"
    assert f"{why} 7" in told and f"{why} 1: no such luck" in told


@walled
def test_a_record_of_a_study_that_cannot_be_read_is_unreadable(clone):
    step = steps_of(clone, "phantom")[0]
    toml = clone / "code/studies/phantom.toml"
    text = toml.read_text()
    toml.write_text("[")
    commit(clone, "feat: break a study", toml)
    record(clone, step)
    told = gate(clone)
    assert "edited" not in told and "1 records unreadable: code/studies/phantom.toml: " in told
    toml.write_text(text)
    commit(clone, "fix: mend it", toml)
    told = gate(clone, "--render")
    assert "edited" not in told and "1 records unreadable: code/studies/phantom.toml: " in told
