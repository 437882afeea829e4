"""One small source for all tests of this room: made once, converted once, copied to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers import git, run
from small_source import SOURCE, steps, write_source


@pytest.fixture(scope="session")
def one_source_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder with one small source in it."""
    folder = tmp_path_factory.mktemp("one-source")
    (folder / "inputs").mkdir()
    write_source(folder / SOURCE)
    (folder / "code/studies").mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def converted_original(one_source_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, divided and converted, which leaves the source as it was."""
    folder = tmp_path_factory.mktemp("converted") / "study"
    shutil.copytree(one_source_original, folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CORDSTUDY_WORKERS", "1")
        steps(folder)
    assert git(folder / SOURCE, "status", "--porcelain") == ""
    run("git", "annex", "fsck", "-q", cwd=folder / SOURCE)
    return folder


@pytest.fixture
def one_source(one_source_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the one source, to be damaged; the working folder."""
    return working_copy(one_source_original, tmp_path, monkeypatch)


@pytest.fixture
def converted(converted_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the one source and of what it was converted to; the working folder."""
    return working_copy(converted_original, tmp_path, monkeypatch)


def working_copy(original: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = Path(shutil.copytree(original, folder / "study", symlinks=True))
    monkeypatch.chdir(copy)
    monkeypatch.setenv("CORDSTUDY_WORKERS", "1")  # in this process
    return copy
