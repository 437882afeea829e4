"""What records ought to say: told by the present code, or by that of their commits in a sandbox."""

import re
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.rendering import by_present_code
from cordstudy.provenance.history.records import join, render_message
from cordstudy.provenance.running import own_code
from cordstudy.provenance.running.rendered import Rendered, Steps
from cordstudy.study.step import Step as StudyStep
from helpers import REPOSITORY, commit, git, steps_of, study
from places import LARGE, OUT, Place, PlaceStep, told
from walled import walled

PACKAGE = "code/src/cordstudy"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """This repository without its records, to be changed."""
    folder = tmp_path / "study"
    git(tmp_path, "clone", "-q", "--shared", REPOSITORY, folder)
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    git(folder, "checkout", "-q", "--orphan", "test")
    recorded = ("models/*/", "derivatives/*/", ".datalad/carried")
    git(folder, "rm", "-r", "-q", "-f", "--ignore-unmatch", "--", *recorded)
    git(folder, "commit", "-q", "-m", "all but what is recorded")
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
    asked = study(clone, "audit", "--all", "--render", check=False)
    assert "running the code of 1 other states" in asked.stderr
    assert "not rendered" not in asked.stdout and "unreadable" not in asked.stdout
    edited = [line for line in asked.stdout.splitlines() if line.startswith("edited")]
    assert len(edited) == 1 and edited[0].endswith(second.message), "by the code that was moved"


@walled
def test_code_whose_environment_is_not_made_is_rendered_in_the_present_one(clone):
    first, second, *_ = steps_of(clone, "phantom")
    lock = clone / PROFILE.lock
    lock.write_text(lock.read_text() + "# of another time\n")
    module = clone / PACKAGE / "study/steps.py"
    module.write_text(module.read_text() + "\nMORE = 1\n")
    commit(clone, "feat: other code and packages", lock, module)
    record(clone, first)
    record(clone, second, cmd=f"{join(second.argv)} --more")
    git(clone, "checkout", "-q", "HEAD~3", "--", lock, module)
    commit(clone, "feat: back again", lock, module)
    said = gate(clone, "--render")
    assert "not rendered" not in said and "unreadable" not in said
    edited = [line for line in said.splitlines() if line.startswith("edited")]
    assert len(edited) == 1 and edited[0].endswith(second.message)


@walled
def test_what_cannot_be_rendered_is_unreadable_and_not_edited(clone):
    first, second, third, *_ = steps_of(clone, "phantom")
    launcher, module = clone / "code/study", clone / PACKAGE / "study/steps.py"
    text, source = launcher.read_text(), module.read_text()
    module.write_text(source + "\nMORE = 1\n")
    launcher.write_text("exit 7\n")
    commit(clone, "feat: break the launcher", module, launcher)
    record(clone, first, cmd=f"{join(first.argv)} --more")
    launcher.write_text(text)
    module.write_text(source + "\nraise SystemExit('no such luck')\n")
    commit(clone, "feat: break the renderer", module, launcher)
    record(clone, second)
    module.write_text(source + "\nMORE = 1\n")
    launcher.write_text("echo /usr/bin\n")
    commit(clone, "feat: name an environment that is the system's", module, launcher)
    record(clone, third)
    module.write_text(source)
    launcher.write_text(text)
    commit(clone, "fix: mend it", module, launcher)
    said = gate(clone, "--render")
    assert "edited" not in said and "not rendered" not in said
    why = "1 records unreadable: its own code cannot be run: it"
    assert f"{why} ends with exit code 7\n" in said
    assert f"{why} ends with exit code 1: no such luck\n" in said
    assert f"{why}s launcher names no environment\n" in said


@walled
def test_a_record_of_a_study_that_cannot_be_read_is_unreadable(clone):
    step = steps_of(clone, "phantom")[0]
    toml = clone / "code/studies/phantom.toml"
    text = toml.read_text()
    toml.write_text("[")
    commit(clone, "feat: break a study", toml)
    record(clone, step)
    said = gate(clone)
    assert "edited" not in said and "1 records unreadable: code/studies/phantom.toml: " in said
    toml.write_text(text)
    commit(clone, "fix: mend it", toml)
    said = gate(clone, "--render")
    assert "edited" not in said and "1 records unreadable: code/studies/phantom.toml: " in said


@walled
def test_no_question_runs_code_of_the_history_and_render_only_in_a_sandbox(clone, tmp_path):
    marker = tmp_path / "ran"
    module = clone / PACKAGE / "study/steps.py"
    text = module.read_text()
    module.write_text(f"{text}\nPath({str(marker)!r}).touch()\n")
    commit(clone, "feat: look harmless", module)
    module.write_text(text)
    first, second, *_ = steps_of(clone, "phantom")
    record(clone, first)
    commit(clone, "Revert", module)
    record(clone, second)
    assert "1 records not rendered (made by other code; --render runs it in a sandbox)" in gate(
        clone
    )
    asked = study(clone, "audit", "--all", "--render", check=False)
    assert "running the code of 1 other states of this history in a sandbox" in asked.stderr
    assert "1 records unreadable: its own code cannot be run: " in asked.stdout
    assert not marker.exists()
    module.write_text(text + "\n# begun to edit")
    assert "2 records not rendered" in gate(clone)


@pytest.mark.parametrize(
    ("made", "tried"),
    [
        (["steps/a", "tools/b"], ["own"]),
        (["steps/a", "tools/b", "old"], ["own", "present"]),
        (["steps/a"], ["present"]),
        ([], ["present"]),
    ],
)
def test_code_is_rendered_in_its_own_environments_where_they_are_made(
    tmp_path, monkeypatch, made, tried
):
    for name in made:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pyvenv.cfg").touch()
    present = tmp_path / "present"
    steps_place, tools_place = "/cache/steps/a", "/cache/tools/b"
    own = {steps_place: tmp_path / "steps/a", tools_place: tmp_path / "tools/b"}
    asked = []

    def run(argv, folder, *, mounts=None):
        if "env" in argv:
            return (steps_place if argv[-1] == "steps" else tools_place).encode() + b"\n"
        assert argv[-2:] == ["render", "--json"]
        if mounts == dict.fromkeys(own, present):
            asked.append("present")
        elif mounts == own | {str(folder): folder for folder in own.values()}:
            asked.append("own")
            if "old" in made:
                raise StudyError("it lacks a module")
        return b"{}"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(own_code.sys, "prefix", str(present))
    monkeypatch.setattr(own_code, "run_in_sandbox", run)
    assert own_code._ask_launcher(tmp_path, PROFILE) == b"{}"
    assert asked == tried


RENDERED = Rendered({"code/studies/a.toml": [PlaceStep()]}, ("code/a.py",))


def on_disk(place: Place) -> Place:
    """The files of the history in the working tree too."""
    place.plumb("checkout", "-q", "-f", "HEAD")
    return place


@pytest.fixture
def with_toml(place) -> Place:
    place.commit("feat: a study", {"code/studies/a.toml": "x = 1\n"})
    place.commit(told(), {OUT: "1.0\n"})
    return on_disk(place)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, None),
        ({"inputs": []}, "edited inputs"),
        ({"inputs": ["code/a.py", "code/*"]}, "edited inputs"),
        ({"extra_inputs": ["code/studies/a.toml"]}, "edited inputs"),
        ({"cmd": "make b"}, "edited command"),
        ({"outputs": [OUT, LARGE], "cmd": "./code/study a"}, "edited command"),
        ({"cmd": "code/study "}, "edited command"),
        ({"cmd": "code/study a verify", "outputs": [OUT, LARGE]}, "edited command"),
        ({"cmd": "env x", "outputs": [OUT, LARGE]}, "edited outputs"),
        ({"cmd": "x", "outputs": ["."]}, "edited outputs"),
    ],
)
def test_an_edited_record_is_found_where_the_present_code_can_tell(with_toml, values, kind):
    place = with_toml
    place.commit(told(**values), {OUT: "2.0\n", "README.md": "x"})
    history = on_disk(place).history
    expected = by_present_code(history, history.records, RENDERED, PROFILE)
    found = check(history, profile=PROFILE, expected=expected)
    kinds = {fault.kind for fault in found} - {"two records", "undeclared output"}
    assert kinds == ({kind} if kind else set())


def expected_of(place: Place) -> dict[str, Steps]:
    history = place.history
    return by_present_code(history, history.records, RENDERED, PROFILE).steps


@pytest.mark.parametrize("path", ["code/a.py", "code/studies/a.toml"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_record_of_other_code_is_not_compared(with_toml, path, committed):
    place = with_toml
    assert len(expected_of(place)) == 1, "the two others had no study"
    if committed:
        place.commit("feat: another", {path: "other\n"})
        on_disk(place)
    else:
        (place.folder / path).write_text("other\n")
    assert expected_of(place) == {}
