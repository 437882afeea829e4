"""Content that travels in the history: got offline, dropped, replaced, and never believed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.history import carried
from cordstudy.provenance.history.carried import FOLDER, place_of
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.carrying import cargo, enable, update
from cordstudy.provenance.running.inputs import prepare_dataset
from helpers import commit, git, run
from meanwhile import is_clean

WANTED = ("models/*.bin",)
ATTRIBUTES = "* annex.backend=SHA256E\n.datalad/** annex.largefiles=nothing\n"


@pytest.fixture
def origin(small: Path) -> Path:
    """A dataset that carries one of its annexed files."""
    (small / ".gitattributes").write_text(ATTRIBUTES)
    commit(small, "attributes", ".gitattributes")
    write_model(small, "weights")
    update(small, WANTED)
    return small


def write_model(folder: Path, content: str) -> None:
    path = folder / "models/a.bin"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(content)
    run("git", "annex", "add", "-q", "models", cwd=folder)
    git(folder, "commit", "-q", "-m", "a model")


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Path:
    """A clone of its main alone, set up."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--single-branch", f"file://{origin}", folder)
    prepare_dataset(folder)
    enable(folder)
    git(folder, "remote", "remove", "origin")
    return folder


def get(folder: Path) -> str:
    run("datalad", "-l", "error", "get", "models", cwd=folder)
    return (folder / "models/a.bin").read_text()


def kinds(folder: Path) -> list[tuple[str, str]]:
    """The faults of what a dataset carries."""
    found = check(History(folder), profile=Profile(results=("models",)))
    return [(fault.kind, fault.where) for fault in found if fault.where.startswith(".datalad")]


def key_of(folder: Path) -> str:
    return Path(os.readlink(folder / "models/a.bin")).name


def test_what_is_carried_is_got_offline_dropped_and_got_again_where_the_clone_moved_too(
    clone, tmp_path
):
    assert get(clone) == "weights" and is_clean(clone)
    run("git", "annex", "drop", "models", cwd=clone)
    assert get(clone) == "weights"
    run("git", "annex", "drop", "models", cwd=clone)
    moved = clone.rename(tmp_path / "moved")
    enable(moved)
    assert get(moved) == "weights"
    run("git", "annex", "drop", "models", cwd=moved)
    assert is_clean(moved) and not kinds(moved)
    uuid = git(moved, "config", "remote.carried.annex-uuid")
    assert uuid not in git(moved, "show", "git-annex:uuid.log"), "it is of this clone alone"


def test_a_pull_replaces_what_is_carried_and_an_update_without_change_is_no_commit(origin, clone):
    assert update(origin, WANTED) == ""
    write_model(origin, "other weights")
    now = cargo(origin, WANTED)
    assert len(now.spare) == 1 and list(now.lacking.values()) == ["models/a.bin"]
    assert update(origin, WANTED) and is_clean(origin)
    assert [file.key for file in cargo(origin, WANTED).files] == [key_of(origin)]
    git(clone, "pull", "-q", "--ff-only", f"file://{origin}", "main")
    assert len(list((clone / FOLDER).glob("*/*/*/*"))) == 1
    assert get(clone) == "other weights" and is_clean(clone)
    enable(clone)
    run("git", "annex", "drop", "models", cwd=clone)
    assert get(clone) == "other weights"


def test_content_that_is_not_here_or_too_much_is_not_carried(origin, monkeypatch):
    write_model(origin, "more weights")
    monkeypatch.setattr("cordstudy.provenance.running.carrying.LARGEST_TOTAL", 3)
    with pytest.raises(StudyError, match="would be carried, more than"):
        update(origin, WANTED)
    monkeypatch.undo()
    run("git", "annex", "drop", "--force", "models", cwd=origin)
    with pytest.raises(StudyError, match=r"the content of models/a\.bin is not here"):
        update(origin, WANTED)
    assert is_clean(origin)


def test_an_edited_file_is_found_in_a_bare_clone_too_and_never_vouched_for(clone, tmp_path):
    file = clone / place_of(key_of(clone))
    for content in ("WEIGHTS", "longer than it was"):
        file.write_text(content)
        commit(clone, "chore: tidy", FOLDER)
        bare = tmp_path / f"{content[0]}.git"
        git(tmp_path, "clone", "-q", "--bare", clone, bare)
        for folder in (clone, bare):
            assert ("corrupted carried", place_of(key_of(clone))) in kinds(folder)
    with pytest.raises(StudyError, match="is not the content that it is carried as"):
        enable(clone)
    failed = run("datalad", "-l", "error", "get", "models", cwd=clone, check=False)
    assert failed.returncode and not (clone / "models/a.bin").exists()


def test_a_file_under_another_name_or_for_nobody_is_found(origin, monkeypatch):
    key = key_of(origin)
    other = key.replace("SHA256E-s7", "SHA256E-s8")
    up = f"{FOLDER}/aaa/bbb/{key}/../{key}"
    paths = [place_of(other), f"{FOLDER}/{key}", f"{FOLDER}/notes.txt", up.replace("/../", "/x/")]
    for path in paths:
        (origin / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin / place_of(key), origin / path)
    link = f"{FOLDER}/aaa/link"
    (origin / link).symlink_to("/etc/passwd")
    commit(origin, "chore: more of it", FOLDER)
    found = kinds(origin)
    assert {where for _, where in found} == {*paths, link}
    assert ("corrupted carried", place_of(other)) in found
    monkeypatch.setattr("cordstudy.provenance.audit.faults_of_carried.LARGEST_TOTAL", 10)
    monkeypatch.setattr("cordstudy.provenance.audit.faults_of_carried.LARGEST_HISTORY", 10)
    assert kinds(origin).count(("carried content", FOLDER)) == 2
    assert update(origin, WANTED) and not [one for one in kinds(origin) if one[1] != FOLDER]


def test_a_key_that_leads_elsewhere_is_none():
    for key in ("..", "../../../x", "SHA256E-s1--..", f"SHA256E-s1--{'0' * 64}/../x", "URL--http"):
        assert not carried.is_checkable(key)
    assert not carried.is_content_of("URL--x", b"x")
