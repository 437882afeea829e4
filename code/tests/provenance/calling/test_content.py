"""Content that another process transfers at the same time: waited for, not an error."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling import gitannex
from cordstudy.provenance.calling.content import annex_keys, copy, get, get_keys, locations
from cordstudy.provenance.cluster.store import REMOTE, give, keys_lacking, make_store
from cordstudy.provenance.publishing import outbox
from cordstudy.provenance.publishing.going import Going
from helpers import git, run

FILE = "image.bin"


@pytest.fixture
def places(small: Path, tmp_path: Path) -> tuple[Path, Path, str]:
    """A dataset, an empty store of it, and the key of its file."""
    store = tmp_path / "store.git"
    make_store(small, store)
    return small, store, annex_keys(small, [FILE])[FILE]


@contextmanager
def transferred(annex: Path, key: str, seconds: float = 0) -> Iterator[None]:
    """A key that another process transfers to an annex, for a while or all the time: it holds
    git-annex's lock."""
    lock = annex / f"transfer/download/lck/lck.{key}"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        if not seconds:
            yield
            return
        ends = threading.Timer(seconds, fcntl.lockf, (handle, fcntl.LOCK_UN))
        ends.start()
        yield
        ends.join()


def publish(dataset: Path, files: list[Going]) -> None:
    """Send files to the store, as what is published is."""
    outbox.send(dataset, files, REMOTE)


@pytest.mark.parametrize(
    "send",
    [
        lambda dataset, store: give(dataset, store, [FILE]),
        lambda dataset, store: copy(dataset, [FILE], REMOTE),
        lambda dataset, store: publish(dataset, [Going(FILE, annex_keys(dataset, [FILE])[FILE])]),
    ],
    ids=["give", "copy", "publish"],
)
def test_what_another_process_brings_to_a_store_is_waited_for(places, send):
    dataset, store, key = places
    with transferred(store / "annex", key, 1.5):
        send(dataset, store)
    assert not keys_lacking(store, [key])


@pytest.mark.parametrize(
    "ask",
    [lambda clone, key: get(clone, [FILE]), lambda clone, key: get_keys(clone, [key])],
    ids=["files", "keys"],
)
def test_what_another_process_gets_is_waited_for(places, tmp_path, ask):
    dataset, _, key = places
    clone = tmp_path / "clone"
    run("git", "clone", "-q", dataset, clone, cwd=tmp_path)
    run("git", "annex", "init", "-q", cwd=clone)
    git(clone, "config", "remote.origin.annex-speculate-present", "true")
    with transferred(clone / ".git/annex", key, 1.5):
        ask(clone, key)
    assert locations(clone, [key])


def test_a_transfer_that_does_not_end_is_told_in_git_annexes_words(places, monkeypatch):
    dataset, store, key = places
    monkeypatch.setattr(gitannex, "TRANSFER_WAIT_S", 0.5)
    with transferred(store / "annex", key):
        with pytest.raises(StudyError, match="transfer already in progress"):
            copy(dataset, [FILE], REMOTE)
        with pytest.raises(StudyError, match=f"{FILE} could not be copied"):
            give(dataset, store, [FILE])
