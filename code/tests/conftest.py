"""Real clones, real studies: what the tests share.

`tiny` is a small recorded study (minutes of data, seconds of training) that most tests look
at; `demo` is the phantom study made by the README's own command.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import phantom_on_slurm
import slurm_cluster
from cordstudy.provenance.calling.gitannex import install_annex
from cordstudy.provenance.running.machine import Machine
from helpers import REPOSITORY, SHARED, TINY, commit, copied, git, run, study
from slurm_cluster import Cluster, started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo's file first, which takes longest, then those that have slow tests: what is quick
    fills the workers at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: ("demo" not in item.path.name, item.path not in slow))


@pytest.fixture(scope="session")
def new_study(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes clones of this repository as a user would, with the tiny study added."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("clone") / "study"
        run("datalad", "-l", "error", "clone", REPOSITORY, folder, cwd=REPOSITORY)
        git(folder, "config", "user.name", "Tester")
        git(folder, "config", "user.email", "tester@example.org")
        shutil.copy(TINY, folder / "code/studies/tiny.toml")
        commit(folder, "test: add the tiny study", "code/studies/tiny.toml")
        return folder

    return make


@pytest.fixture(scope="session")
def tiny(new_study: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded tiny study, this worker's own. Tests look at it, and change copies only."""
    shared = once(tmp_path_factory, "tiny", lambda: recorded(new_study()))
    copy = tmp_path_factory.mktemp("clone") / "study"
    return copied(shared, copy)


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[], Path]) -> Path:
    """A folder that is made once for all workers (`pytest -n 2`); nobody changes it."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    shared = folder / name
    with Path(f"{shared}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not shared.exists():
            make().rename(shared)
    return shared


def recorded(folder: Path) -> Path:
    """The tiny study, run in a clone that has its TOML."""
    study(folder, "--study", "tiny", "run", "--jobs", "2", "notebook")
    # the report is the last record, whichever step is faster
    study(folder, "--study", "tiny", "run", "--jobs", "2")
    return folder


@pytest.fixture
def tiny_copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the recorded tiny study, to be changed."""
    return copied(tiny, tmp_path / "study")


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, set up, with the sources of the phantom study made. Nobody
    changes it."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("phantoms") / "study"
        run("datalad", "-l", "error", "clone", REPOSITORY, folder, cwd=REPOSITORY)
        study(folder, "setup", "--recompute", "--jobs", "2")
        return folder

    return once(tmp_path_factory, "phantoms", make)


@pytest.fixture(scope="session")
def demo(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The phantom study as `make demo` leaves it, and what that printed.

    Where Slurm can be had, every step has come back on a cluster before, and `make demo` runs one
    of each kind that is quick.
    """
    folder = tmp_path_factory.mktemp("readme") / "demo"
    try:
        with slurm_cluster.started(nodes=3, cpus=1) as cluster:
            copied(phantoms, folder)
            study(folder, "setup", "--recompute")  # what names its old place
            phantom_on_slurm.make_again_on(cluster, folder)
            phantom_on_slurm.remember(folder)
    except pytest.skip.Exception as why:
        warnings.warn(f"{why}: the whole study is made again without it", stacklevel=1)
    done = run("make", "-C", REPOSITORY / "code", "demo", f"STUDY={folder}", cwd=REPOSITORY)
    return folder, done.stdout


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """A real Slurm of three nodes, of this worker's own; skips where there cannot be one."""
    with started(nodes=3, cpus=4) as cluster:
        yield cluster


@pytest.fixture
def real_mri() -> Path:
    """The real images beside the repository; skips where they are not."""
    folder = SHARED / "real-mri"
    if not folder.is_dir():
        pytest.skip("no real images: ../shared/real-mri is not there")
    return folder


@pytest.fixture(scope="session")
def small_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with an annexed file, a text file, and an annexed file in a subdataset."""
    tmp_path = tmp_path_factory.mktemp("small")
    source, folder = tmp_path / "source", tmp_path / "small"
    for place in (source, folder):
        git(tmp_path, "init", "-q", "-b", "main", place)
        git(place, "config", "user.name", "Tester")
        git(place, "config", "user.email", "tester@example.org")
        install_annex(place, private=False)
        (place / ".gitattributes").write_text(
            "* annex.backend=SHA256E\n*.txt annex.largefiles=nothing\n"
        )
        (place / "image.bin").write_text(f"content of {place.name}")
        (place / "notes.txt").write_text("notes\n")
        (place / ".datalad").mkdir()
        (place / ".datalad/config").write_text(
            '[datalad "dataset"]\n\tid = 6d4a0e4e-0000-4000-8000-000000000001\n'
        )
        run("git", "annex", "add", "-q", ".", cwd=place)
        commit(place, "start", ".")
    git(
        folder,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        source,
        "inputs/source",
    )
    install_annex(folder / "inputs/source", private=False)
    run("git", "annex", "get", "-q", ".", cwd=folder / "inputs/source")
    (folder / ".gitignore").write_text("/.cordstudy/\n")
    commit(folder, "add the source", ".")
    return folder


@pytest.fixture
def small(small_original: Path, tmp_path: Path) -> Path:
    return copied(small_original, tmp_path / "small")


@pytest.fixture
def machine(small: Path) -> Machine:
    return Machine(scratch=small / ".cordstudy/work", logs=small / ".cordstudy/logs/it", workers=1)
