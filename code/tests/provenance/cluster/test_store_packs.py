"""That a store's many packs are found by one index, which takes nothing away."""

from pathlib import Path

import pytest

from cordstudy.provenance.cluster import store as stores
from cordstudy.provenance.cluster.store import index_packs
from cordstudy.provenance.running.trees import FETCH
from helpers import git

PACKS = 3


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """A bare repository with almost enough commits that were fetched one by one, each as a pack."""
    monkeypatch.setattr(stores, "PACKS", PACKS)
    source, store = tmp_path / "source", tmp_path / "store.git"
    git(tmp_path, "init", "-q", "-b", "main", source)
    git(tmp_path, "init", "-q", "--bare", "-b", "main", store)
    for key, value in (("user.name", "Tester"), ("user.email", "tester@example.org")):
        git(source, "config", key, value)
    for number in range(PACKS - 1):
        land(source, store, number)
    return store


def land(source: Path, store: Path, number: int) -> None:
    git(source, "commit", "-q", "--allow-empty", "-m", f"Do {number}")
    git(store, *FETCH, str(source), "HEAD:refs/heads/main")


def test_an_index_of_packs_is_written_once_there_are_many(store):
    packs = store / "objects/pack"
    index_packs(store)
    assert not (packs / "multi-pack-index").exists()
    land(store.parent / "source", store, PACKS)
    before = set(packs.iterdir())
    index_packs(store)
    index = packs / "multi-pack-index"
    assert set(packs.iterdir()) == {*before, index}
    git(store, "multi-pack-index", "verify")
    was = index.stat().st_mtime_ns
    land(store.parent / "source", store, PACKS + 1)
    index_packs(store)
    assert index.stat().st_mtime_ns == was
    assert git(store, "fsck", "--full") == ""
    assert git(store, "rev-list", "--count", "main") == str(PACKS + 1)


def test_an_index_that_cannot_be_written_harms_nothing(store):
    land(store.parent / "source", store, PACKS)
    (store / "objects/pack/multi-pack-index.lock").touch()
    index_packs(store)
    index_packs(store.parent / "nowhere")
    assert git(store, "fsck", "--full") == ""
