"""Pins of another time: made anew by the code of that time."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.verdicts import Item
from cordstudy.provenance.audit.verify import verify
from cordstudy.provenance.history.records import read_records
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.remaking.execution import watched_run
from cordstudy.provenance.running.inputs import Source, get_source, pin_source
from cordstudy.provenance.running.pins import have_pin
from cordstudy.provenance.running.recipes import Recipe
from cordstudy.provenance.running.rendered import Rendered, printed
from helpers import commit, git, run
from meanwhile import is_clean
from walled import walled

LINK = "inputs/made"
PROFILE = Profile(launcher="code/launcher", code="code")
LAUNCHER = """\
#!/bin/sh
case $1 in
    env) echo "/cache/$2/none" ;;
    render) cat code/rendered.json ;;
    *) echo "WORD $2" > "$3/a.bin" ;;
esac
"""
RECIPE = Recipe(
    argv=("code/launcher", "make", "voxels"),
    code=("code/launcher",),
    outputs=("*.bin",),
    message="Make voxels",
    attributes="* annex.backend=SHA256E\n*.bin annex.largefiles=anything\n",
    unique_name="tests/voxels",
    author=("a recipe", "recipe@example.invalid"),
    date="2023-08-01T00:00:00+00:00",
)


def write_code(folder: Path, word: str, recipe: Recipe) -> Source:
    """Commit a launcher that makes a source so, and says so."""
    launcher, told = folder / PROFILE.launcher, folder / "code/rendered.json"
    launcher.parent.mkdir(exist_ok=True)
    launcher.write_text(LAUNCHER.replace("WORD", word))
    launcher.chmod(0o755)
    rendered = Rendered({"code/a.toml": []}, (), recipes={"code/a.toml": {LINK: recipe}})
    told.write_text(printed(rendered).model_dump_json())
    git(folder, "-c", "annex.largefiles=nothing", "add", "code")
    commit(folder, f"the code of {word}", "code")
    return Source("made", LINK, recipe=recipe)


@pytest.fixture
def moved(small, machine) -> tuple[str, str]:
    """A dataset whose code, recipe and pin have changed: the commit and the pin of before."""
    get_source(small, write_code(small, "old", RECIPE), machine=machine)
    reading = ("-m", "Read it", "-i", f"{LINK}/a.bin", "-o", "copy.txt")
    command = f"cat {LINK}/a.bin > copy.txt"
    run("datalad", "-l", "error", "run", *reading, command, cwd=small)
    before, pin = git(small, "rev-parse", "HEAD"), git(small, "rev-parse", f"HEAD:{LINK}")
    shutil.rmtree(small / LINK)
    source = write_code(small, "new", replace(RECIPE, argv=("code/launcher", "make", "pixels")))
    with pytest.raises(StudyError, match="is pinned"):
        get_source(small, source, machine=machine)
    pin_source(small, source)
    return before, pin


@walled
@pytest.mark.parametrize("installed", [True, False])
def test_an_old_pin_is_made_by_the_code_of_its_time_and_the_present_one_stays(
    small, machine, moved, installed
):
    before, pin = moved
    if not installed:
        shutil.rmtree(small / LINK)
        (small / LINK).mkdir()
    have_pin(small, LINK, pin, commit=before, machine=machine, profile=PROFILE)
    assert is_clean(small)
    assert (small / LINK / "a.bin").read_text() == "new pixels\n"
    assert git(small / LINK, "for-each-ref", "--contains", pin)
    git(small / LINK, "checkout", "-q", pin)
    assert (small / LINK / "a.bin").read_text() == "old voxels\n"
    assert not list(machine.scratch.iterdir())


@walled
def test_what_makes_an_old_pin_behind_walls_leaves_only_what_is_pinned(small, machine, tmp_path):
    tries = [f"echo x > {place}/own" for place in (tmp_path, small, small / ".git", "/tmp")]
    tries += ["git -C $3 config core.fsmonitor 'touch own'", "git -C $3 config annex.x y"]
    evil = "; ".join(f"{words} 2>/dev/null" for words in tries)
    text = LAUNCHER.replace("*) ", f"*) {evil}; ")
    get_source(small, write_code(small, "old", RECIPE), machine=machine)
    pin = git(small, "rev-parse", f"HEAD:{LINK}")
    shutil.rmtree(small / LINK)
    (small / LINK).mkdir()
    (small / PROFILE.launcher).write_text(text.replace("WORD", "old"))
    commit(small, "evil code", "code")
    before = git(small, "rev-parse", "HEAD")
    have_pin(small, LINK, pin, commit=before, machine=machine, profile=PROFILE, run=watched_run)
    assert git(small / LINK, "rev-parse", "HEAD") == pin
    assert (small / LINK / "a.bin").read_text() == "old voxels\n"
    assert not [place for place in (tmp_path, small, small / ".git") if (place / "own").exists()]
    assert "fsmonitor" not in (small / LINK / ".git/config").read_text()


@walled
def test_an_old_pin_that_comes_out_otherwise_is_said(small, machine, moved):
    before, pin = moved
    with pytest.raises(StudyError, match=f"^{LINK} at 111111111111, which .* comes out as"):
        have_pin(small, LINK, "1" * 40, commit=before, machine=machine, profile=PROFILE)
    with pytest.raises(StudyError, match="no code says how it is made"):
        have_pin(small, LINK, pin, commit=before, machine=machine, profile=Profile())
    assert is_clean(small)


@walled
def test_code_that_says_nothing_of_sources_is_run_as_the_present_code_says(small, machine, moved):
    before, _ = moved
    told = small / "code/rendered.json"
    present = told.read_text()
    told.write_text(json.dumps({"format": 1, "studies": {}}))
    commit(small, "code that says nothing", told)
    silent = git(small, "rev-parse", "HEAD")
    told.write_text(present)
    commit(small, "code that says it", told)
    pin = git(small, "rev-parse", f"HEAD:{LINK}")
    shutil.rmtree(small / LINK)
    (small / LINK).mkdir()
    have_pin(small, LINK, pin, commit=silent, machine=machine, profile=PROFILE)
    assert is_clean(small) and before != silent


@walled
def test_a_record_of_another_pin_is_verified(small, machine, moved):
    (record,) = [one for one in read_records(small) if one.subject == "Read it"]
    (verdict,) = verify(
        small,
        [Item("it", record)],
        machine=machine,
        jobs=1,
        compare=lambda one, other, tolerance: ("different", ""),
        report=lambda verdict: None,
        profile=PROFILE,
    )
    assert (verdict.word, verdict.differs) == ("identical", ())
    assert is_clean(small)
