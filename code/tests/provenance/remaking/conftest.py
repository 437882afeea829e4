"""A plain DataLad dataset with run records, and bare clones of its `main` in which nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import commit, copied, git, run
from places import block
from remade import SUB, datalad_run, recompute


@pytest.fixture(scope="session")
def recorded_original(tmp_path_factory) -> Path:
    """Runs in a chain, made with plain `datalad run`: one declares all, one nothing, one writes
    several files, one reads a subdataset that has moved on since, one gives other bytes each
    time."""
    base = tmp_path_factory.mktemp("recompute")
    folder, source = base / "recorded", base / "source"
    for place in (source, folder):
        run("datalad", "-l", "error", "create", place, cwd=base)
        git(place, "branch", "-m", "main")
        (place / ".gitattributes").write_text(
            "* annex.backend=SHA256E\n* annex.largefiles=anything\n*.txt annex.largefiles=nothing\n"
            "**/.git* annex.largefiles=nothing\n.datalad/** annex.largefiles=nothing\n"
        )
    (source / "image.bin").write_text("voxels")
    run("datalad", "-l", "error", "save", "-m", "Add an image", cwd=source)
    (folder / "a.txt").write_text("1\n")
    (folder / "join.txt").write_text("cat $1 $2 > $3\n")
    run("datalad", "-l", "error", "save", "-m", "Add a text", cwd=folder)
    run("datalad", "-l", "error", "clone", "-d", ".", source, SUB, cwd=folder)
    image = f"{SUB}/image.bin"
    datalad_run(folder, "One", f"mkdir -p out; cat a.txt {image} > out/one.bin", i=image, o="out/*")
    datalad_run(folder, "Two", "cat out/one.bin a.txt > two.bin; cp two.bin also.bin")
    each = "sh join.txt {inputs} a.txt many/$n.bin; echo $n >> many/$n.bin"
    many = f"mkdir many; sleep 1; for n in 1 2 3; do {each}; done"
    datalad_run(folder, "Many", many, i="two.bin", o="many/*")
    message = git(folder, "log", "-1", "--format=%B")
    measured = '\n\nResources: {"cpu_s": 0.1, "peak_mib": 1, "wall_s": 1.2}'
    git(folder, "commit", "-q", "--amend", "-m", message + measured)
    datalad_run(folder, "Add", "cat a.txt >> two.bin", i="two.bin", o="two.bin")
    dice = "cat /proc/sys/kernel/random/uuid > dice.bin"
    datalad_run(folder, "Dice", dice, i="a.txt", o="dice.bin")
    datalad_run(folder, "After dice", "cat dice.bin a.txt > after.bin", i="dice.bin", o="after.bin")
    (source / "image.bin").unlink()
    (source / "image.bin").write_text("other voxels")
    run("datalad", "-l", "error", "save", "-m", "Another image", cwd=source)
    git(folder / SUB, "pull", "-q", "--ff-only", "origin", "main")
    commit(folder, "Move the source on", SUB)
    return folder


@pytest.fixture(scope="session")
def bare_original(recorded_original: Path) -> Path:
    """A clone of `main` alone, whose source is installed beside."""
    folder = recorded_original.with_name("bare")
    single = ("--single-branch", "-b", "main")
    git(folder.parent, "clone", "-q", *single, recorded_original, folder)
    git(folder, "remote", "remove", "origin")
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    for place in (folder, folder / SUB):
        git(place, "config", "user.name", "Tester")
        git(place, "config", "user.email", "tester@example.org")
        run("git", "annex", "init", "-q", cwd=place)
    run("git", "annex", "get", "-q", "--all", cwd=folder / SUB)
    return folder


@pytest.fixture(scope="session")
def clone_original(bare_original: Path) -> Path:
    """Such a clone in which recompute is on."""
    folder = bare_original.with_name("clone")
    copied(bare_original, folder)
    recompute(folder, "on")
    return folder


@pytest.fixture
def bare(bare_original: Path, tmp_path: Path) -> Path:
    return copied(bare_original, tmp_path / "clone")


@pytest.fixture
def clone(clone_original: Path, tmp_path: Path) -> Path:
    return copied(clone_original, tmp_path / "clone")


@pytest.fixture
def forged(clone: Path) -> Callable[..., None]:
    """Commits a record by hand, as nobody's `datalad run` would, of a file that is then dropped."""

    def forge(cmd: str, path: str, *, content: str = "made\n", **values: object) -> None:
        file = clone / path
        if file.parent.is_symlink():
            file.parent.unlink()
            git(clone, "rm", "-q", "--cached", file.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        git(clone, "add", "--", path)
        told = {"outputs": [path], "inputs": ["a.txt"], "cmd": cmd, "pwd": ".", "exit": 0}
        git(clone, "commit", "-q", "-m", block(json.dumps(told | values), subject="Forged"))
        run("git", "annex", "drop", "-q", "--force", path, cwd=clone)

    return forge
