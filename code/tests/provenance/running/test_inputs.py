"""Sources: made by a recipe, got from where they are, brought to their pin."""

import shutil
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.running.inputs import (
    MadeOtherwise,
    Source,
    get_files,
    get_source,
    pin_source,
    source_state,
)
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.recipes import Recipe
from cordstudy.provenance.running.subdatasets import is_at_pin
from helpers import commit, copied, git, log_of
from meanwhile import is_clean

ATTRIBUTES = """\
* annex.backend=SHA256E
* annex.largefiles=nothing
*.bin annex.largefiles=anything
"""
RECIPE = Recipe(
    argv=("make.sh", "voxels"),
    code=("make.sh",),
    outputs=("*.bin",),
    message="Make voxels",
    attributes=ATTRIBUTES,
    unique_name="tests/voxels",
    author=("a recipe", "recipe@example.invalid"),
    date="2023-08-01T00:00:00+00:00",
)
MADE = Source("made", "inputs/made", recipe=RECIPE)
SOURCE = Source("source", "inputs/source")


@pytest.fixture
def kitchen(small: Path) -> Path:
    """A dataset with the program of a recipe."""
    write_program(small, 'echo "$1" > "$2/a.bin"')
    return small


def write_program(folder: Path, script: str) -> None:
    program = folder / "make.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    commit(folder, "the program of a recipe", "make.sh")


def test_what_a_recipe_makes_is_recorded_pinned_and_the_same_wherever_it_is_made(
    kitchen, machine, tmp_path
):
    another = copied(kitchen, tmp_path / "another")
    git(another, "config", "user.name", "Somebody Else")
    pins = set()
    for folder in (kitchen, another):
        assert get_source(folder, MADE, machine=machine) == "made"
        assert is_at_pin(folder, MADE)
        assert is_clean(folder)
        assert (folder / "inputs/made/a.bin").read_text() == "voxels\n"
        pins.add(git(folder, "rev-parse", "HEAD:inputs/made"))
    assert len(pins) == 1
    ((_, record),) = log_of(kitchen / "inputs/made").values()
    assert record["cmd"] == "../../make.sh voxels ."
    assert not list(machine.scratch.iterdir())


def test_what_comes_out_otherwise_than_pinned_is_here_and_moves_no_pin_but_on_purpose(
    kitchen, machine
):
    get_source(kitchen, MADE, machine=machine)
    pin = git(kitchen, "rev-parse", "HEAD:inputs/made")
    shutil.rmtree(kitchen / "inputs/made")
    write_program(kitchen, 'echo other > "$2/a.bin"')
    before = git(kitchen, "rev-parse", "HEAD")
    with pytest.raises(MadeOtherwise, match=f"and {pin[:12]} is pinned") as raised:
        get_source(kitchen, MADE, machine=machine)
    assert "inputs pin made" in raised.value.hint
    assert (kitchen / "inputs/made/a.bin").read_text() == "other\n"
    assert git(kitchen, "rev-parse", "HEAD") == before and not is_at_pin(kitchen, MADE)
    now = git(kitchen / "inputs/made", "rev-parse", "HEAD")
    assert pin_source(kitchen, MADE) == (pin, now)
    assert is_at_pin(kitchen, MADE) and is_clean(kitchen)
    assert pin_source(kitchen, MADE) == (now, now)
    with pytest.raises(StudyError, match="is not made here"):
        pin_source(kitchen, SOURCE)


def test_a_pin_that_moved_on_is_made_into_the_installed_source_which_keeps_the_old_one(
    kitchen, machine, tmp_path
):
    get_source(kitchen, MADE, machine=machine)
    old = git(kitchen, "rev-parse", "HEAD:inputs/made")
    behind = copied(kitchen, tmp_path / "behind")
    shutil.rmtree(kitchen / "inputs/made")
    write_program(kitchen, 'echo new > "$2/a.bin"')
    with pytest.raises(MadeOtherwise):
        get_source(kitchen, MADE, machine=machine)
    pin_source(kitchen, MADE)
    git(behind, "pull", "-q", "--ff-only", kitchen, "main")
    assert get_source(behind, MADE, machine=machine) == "made"
    assert is_at_pin(behind, MADE) and is_clean(behind)
    place = behind / "inputs/made"
    assert (place / "a.bin").read_text() == "new\n"
    assert git(place, "for-each-ref", "--contains", old) and git(
        place, "for-each-ref", "--contains", "HEAD"
    )
    git(place, "checkout", "-q", old)
    assert (place / "a.bin").read_text() == "voxels\n"


def test_a_recipe_that_fails_leaves_the_dataset_as_it_was(kitchen, machine):
    write_program(kitchen, "echo error: no flour; exit 3")
    before = git(kitchen, "rev-parse", "HEAD")
    with pytest.raises(StudyError, match=r"make-made failed \(exit 3\): no flour"):
        get_source(kitchen, MADE, machine=machine)
    assert git(kitchen, "rev-parse", "HEAD") == before
    assert is_clean(kitchen)
    assert not list(machine.scratch.iterdir())


def test_a_pin_that_nobody_has_is_said_and_the_source_stays(kitchen, machine):
    get_source(kitchen, MADE, machine=machine)
    made = git(kitchen, "rev-parse", "HEAD:inputs/made")
    nowhere = "1" * 40
    git(kitchen, "update-index", "--cacheinfo", f"160000,{nowhere},inputs/made")
    git(kitchen, "commit", "-q", "-m", "a pin that nobody has")
    with pytest.raises(MadeOtherwise, match=f"is {made[:12]}, and 111111111111 is pinned"):
        get_source(kitchen, MADE, machine=machine)
    assert git(kitchen / "inputs/made", "rev-parse", "HEAD") == made


def test_nothing_that_was_done_in_a_source_is_lost(small, machine):
    source = small / SOURCE.path
    (source / "notes.txt").write_text("mine\n")
    with pytest.raises(StudyError, match="has uncommitted changes"):
        get_source(small, SOURCE, machine=machine)
    git(source, "checkout", "-q", "--detach")
    commit(source, "mine", "notes.txt")
    with pytest.raises(StudyError, match="a commit that no branch holds"):
        get_source(small, SOURCE, machine=machine)
    git(source, "branch", "kept")
    assert get_source(small, SOURCE, machine=machine) == "got"
    assert is_at_pin(small, SOURCE)


def test_a_source_is_installed_from_its_url_and_told_of(small, machine: Machine, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    shutil.rmtree(small / SOURCE.path)
    (small / SOURCE.path).mkdir()
    absent = source_state(small, SOURCE)
    assert absent.pin == git(small, "rev-parse", f"HEAD:{SOURCE.path}")
    assert absent.installed == ""
    assert get_source(small, SOURCE, machine=machine) == "got"
    state = source_state(small, SOURCE)
    assert state.installed == state.pin
    assert (state.files, state.present) == (1, 0)
    assert get_files(small, SOURCE, text=["inputs/source/*.bin"], files=[]) == 1
    assert source_state(small, SOURCE).present == 1


def test_a_source_that_is_no_subdataset_is_refused(small, machine):
    nothing = Source("nothing", "inputs/nothing")
    with pytest.raises(StudyError, match="has no subdataset inputs/nothing"):
        get_source(small, nothing, machine=machine)


def test_a_source_that_cannot_be_reached_is_named_with_its_url_and_whom_to_ask(small, machine):
    git(small, "config", "-f", ".gitmodules", f"submodule.{SOURCE.path}.url", "/nowhere")
    commit(small, "moved away", ".gitmodules")
    shutil.rmtree(small / SOURCE.path)
    shutil.rmtree(small / ".git/modules")
    git(small, "config", "--remove-section", f"submodule.{SOURCE.path}")
    (small / SOURCE.path).mkdir()
    private = Source("source", SOURCE.path, ask="the lab")
    with pytest.raises(StudyError, match=r"cannot be installed at \w+ from /nowhere") as raised:
        get_source(small, private, machine=machine)
    assert raised.value.hint == "it is private: ask the lab"
