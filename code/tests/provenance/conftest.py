"""Small histories: one made commit by commit, one made with plain DataLad."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import copied, run
from places import LARGE, LINK, OUT, Place, told
from plain import record


@pytest.fixture(scope="session")
def honest_place(tmp_path_factory) -> Path:
    place = Place(tmp_path_factory.mktemp("hostile") / "study")
    place.commit(
        "Start", {".datalad/config": '[datalad "dataset"]\n\tid = d1\n', "code/a.py": "1\n"}
    )
    place.commit(told(), {OUT: "0.9\n"})
    place.commit(
        told("Make large", outputs=[LARGE], cmd="make large"), {LARGE: LINK}, mode="120000"
    )
    return place.folder


@pytest.fixture
def place(honest_place, tmp_path) -> Place:
    """A copy of an honest little history, to be changed."""
    made = Place.__new__(Place)
    made.folder = copied(honest_place, tmp_path / "study")
    return made


@pytest.fixture(scope="session")
def plain_original(tmp_path_factory) -> Path:
    """A dataset made with plain DataLad: two runs in a chain, a subdataset."""
    base = tmp_path_factory.mktemp("plain")
    folder, source = base / "study", base / "source"
    for place in (source, folder):
        run("datalad", "-l", "error", "create", place, cwd=base)
        (place / ".gitattributes").write_text(
            "* annex.backend=SHA256E\n* annex.largefiles=anything\n*.txt annex.largefiles=nothing\n"
        )
    (source / "image.bin").write_text("voxels")
    (source / "other.bin").write_text("more voxels")
    run("datalad", "-l", "error", "save", "-m", "Add images", cwd=source)
    (folder / "a.txt").write_text("1\n")
    run("datalad", "-l", "error", "save", "-m", "Add a text", cwd=folder)
    run("datalad", "-l", "error", "clone", "-d", ".", source, "inputs/source", cwd=folder)
    record(
        folder,
        "First",
        "mkdir -p derivatives; cat a.txt inputs/source/image.bin > derivatives/one.bin",
        "derivatives/one.bin",
        "a.txt",
        "inputs/source/image.bin",
    )
    record(
        folder,
        "Second",
        "cat derivatives/one.bin a.txt > derivatives/two.bin",
        "derivatives/two.bin",
        "derivatives/*.bin",
        "a.txt",
    )
    return folder


@pytest.fixture
def made(plain_original: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return copied(plain_original, tmp_path / "study")
