"""What has changed since a record ran, where its code was only written otherwise."""

from pathlib import Path

import pytest

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.status import State, states
from cordstudy.provenance.history import code
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import join, render_message
from cordstudy.provenance.history.since import changed
from helpers import Step, commit, git

MODULE = (
    '"""Draws."""\n\nRADIUS = 2  # mm\n\n\ndef draw():\n    """Draw it."""\n    return RADIUS\n'
)
OTHER = "print(1)\n"
SPEAKING = '"""Says this."""\n\nprint(__doc__)\n'
TOOL = "inputs/tool"
STEP = Step("draw", "draw > out/a.txt", ("code/*.py", f"{TOOL}/run.py"), ("out/a.txt",))


def write(folder: Path, path: str, content: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)


@pytest.fixture
def made(small: Path) -> Path:
    """A dataset in which a record read code of its own, and of a subdataset."""
    folder = small
    write(folder, "code/drawing.py", MODULE)
    write(folder, "code/other.py", OTHER)
    write(folder, "code/speaking.py", SPEAKING)
    write(folder, "code/read.txt", "# no code\n")
    git(folder / "inputs", "init", "-q", "-b", "main", "tool")
    git(folder / TOOL, "config", "user.name", "Tester")
    git(folder / TOOL, "config", "user.email", "tester@example.org")
    write(folder, f"{TOOL}/run.py", MODULE)
    commit(folder / TOOL, "start", ".")
    git(folder, "config", "annex.largefiles", "nothing")
    commit(folder, "add code", "code", TOOL)
    write(folder, "out/a.txt", "2\n")
    git(folder, "add", "out")
    message = render_message(
        STEP.message,
        cmd=join(STEP.argv),
        dsid=History(folder).dataset_id,
        inputs=STEP.inputs,
        outputs=STEP.outputs,
    )
    git(folder, "commit", "-q", "-m", message)
    assert state(folder).word == "done"
    return folder


def rewrite(folder: Path, path: str, old: str, new: str) -> None:
    """Commit one text instead of another in a file."""
    content = (folder / path).read_text()
    assert old in content
    (folder / path).write_text(content.replace(old, new))
    commit(folder, f"change {path}", path)


def state(folder: Path) -> State:
    return states(folder, [STEP])[STEP.name]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("code/drawing.py", "  # mm", "  # in millimetres"),
        ("code/drawing.py", '"""Draw it."""', '"""Draw a circle."""'),
        ("code/drawing.py", "return RADIUS", "return (\n        RADIUS\n    )"),
        ("code/speaking.py", "\n\n", "\n# speaks\n\n"),
    ],
)
def test_a_comment_a_docstring_and_layout_leave_a_step_done(made, path, old, new):
    rewrite(made, path, old, new)
    assert state(made) == State("done", (), History(made).live[-1].id)
    rewrite(made, path, new, old)
    assert state(made).word == "done"


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("code/drawing.py", "RADIUS = 2", "RADIUS = 3"),
        ("code/other.py", "1", "2"),
        ("code/speaking.py", "Says this.", "Says that."),
    ],
)
def test_other_code_makes_a_step_stale(made, path, old, new):
    before = History(made).tree[path]
    rewrite(made, "code/drawing.py", '"""Draws."""', "")
    rewrite(made, path, old, new)
    after = History(made).tree[path]
    line = f"its input changed: {path}: {before.object[:8]} → {after.object[:8]}"
    assert state(made) == State("stale", (line,), History(made).live[-1].id)


def test_the_gate_and_what_is_no_code_go_by_bytes(made):
    rewrite(made, "code/drawing.py", "# mm", "# cm")
    assert check(History(made), profile=PROFILE) == [], "which holds what a record ran on"
    git(made, "mv", "code/other.py", "code/moved.py")
    git(made, "commit", "-q", "-m", "move")
    assert state(made).changes == (
        "its input changed: code/other.py: gone",
        "its input changed: code/moved.py: new",
    )


def test_code_that_became_a_link_or_is_no_longer_code_is_another(made):
    (made / "code/other.py").unlink()
    (made / "code/other.py").symlink_to("drawing.py")
    commit(made, "link", "code/other.py")
    assert len(state(made).changes) == 1
    rewrite(made, "code/drawing.py", "RADIUS = 2", "RADIUS = (2 # mm")
    assert len(state(made).changes) == 2


def test_code_in_a_subdataset_is_read_likewise(made):
    def move(old: str, new: str) -> None:
        rewrite(made / TOOL, "run.py", old, new)
        commit(made, "move the pin", TOOL)

    move("# mm", "# millimetres")
    assert state(made).word == "done"
    move("RADIUS = 2", "RADIUS = 4")
    (line,) = state(made).changes
    assert line.startswith(f"its input changed: {TOOL}/run.py: ")


def test_each_version_of_a_file_is_read_once_and_one_that_is_gone_differs(made, monkeypatch):
    rewrite(made, "code/drawing.py", "# mm", "# millimetres")
    rewrite(made, "code/speaking.py", "print", "  \nprint")
    asked = []
    real = code.read_objects

    def read_objects(repo, objects):
        asked.append(objects)
        return real(repo, objects)

    monkeypatch.setattr(code, "read_objects", read_objects)
    history = History(made)
    (record,) = history.records
    assert changed(history, record) == changed(history, record) == []
    assert [len(objects) for objects in asked] == [4]
    old = history.entry_before(record.id, "code/drawing.py").object
    (made / ".git/objects" / old[:2] / old[2:]).unlink()
    (line,) = changed(History(made), record)
    assert line.startswith("code/drawing.py: ")
