"""The environment that a record needs."""

from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.remaking.needs import missing_environment
from helpers import git
from places import told

LOCK = "code/requirements/steps.lock"
PROFILE = Profile(launcher="code/study", code="code", lock=LOCK)


def test_a_record_of_another_lock_says_how_its_environment_is_made(place, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place.commit("a lock", {LOCK: "torch==1\n"})
    place.commit(told(cmd="code/study make"), {"derivatives/b.txt": "b"})
    place.commit("another lock", {LOCK: "torch==2\n"})
    history = History(place.folder)
    commit = next(iter(history.records))
    lock = git(place.folder, "rev-parse", f"HEAD~2:{LOCK}")
    said = missing_environment(history, commit, PROFILE)
    assert lock[:8] in said
    assert f"git worktree add --detach FOLDER {commit.parents[0][:12]}" in said
    assert "make -C FOLDER/code env" in said
    (tmp_path / "cordstudy/steps" / lock).mkdir(parents=True)
    (tmp_path / "cordstudy/steps" / lock / "complete").touch()
    assert not missing_environment(history, commit, PROFILE)
    assert not missing_environment(history, commit, Profile()), "another dataset names none"
