"""The files of locks kept in a folder, and environments made from it where there is no network.

On a tree of its own, whose locks hold three packages of a few lines: two wheels, and a source that
a fourth builds. The index is a folder; that pip asks no other is shown by a network of none.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import REPOSITORY, run

BACKEND = '''"""Builds the one package that there is."""
import os, pathlib, zipfile
NAME = "sourced-1.0-py3-none-any.whl"
def _write(folder, names):
    with zipfile.ZipFile(os.path.join(folder, NAME), "w") as made:
        for name, text in names.items():
            made.writestr(name, text)
    return NAME
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    about = "sourced-1.0.dist-info"
    return _write(wheel_directory, {
        "sourced.py": pathlib.Path("sourced.py").read_text(),
        f"{about}/METADATA": "Metadata-Version: 2.1\\nName: sourced\\nVersion: 1.0\\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{about}/RECORD": "",
    })
'''
PYPROJECT = '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n'
UNLOCKED = ("backend", "setuptools", "wheel")
"""What builds the source."""


def write_wheel(index: Path, name: str, text: str = "") -> Path:
    """A package of one module."""
    path = index / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{name}.py", text)
        made.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        made.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{about}/RECORD", "")
    return path


def write_source(index: Path) -> Path:
    """A package that is to be built."""
    path = index / "sourced-1.0.tar.gz"
    files = {
        "pyproject.toml": PYPROJECT,
        "sourced.py": "",
        "PKG-INFO": "Metadata-Version: 2.1\nName: sourced\nVersion: 1.0\n",
    }
    with tarfile.open(path, "w:gz") as made:
        for name, text in files.items():
            member = tarfile.TarInfo(f"sourced-1.0/{name}")
            member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    return path


def pin(path: Path) -> str:
    name = path.name.partition("-")[0]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}==1.0 \\\n    --hash=sha256:{digest}\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with locks of its own, whose files were kept in `wheels`."""
    tree = tmp_path_factory.mktemp("wheelhouse") / "tree"
    code, index = tree / "code", tree / "index"
    (code / "requirements").mkdir(parents=True)
    index.mkdir()
    for name in ("Makefile", "environment.py", "wheelhouse.py", "study", "study-tools.sh"):
        shutil.copy(REPOSITORY / "code" / name, code / name)
    write_wheel(index, "torch")
    for name in UNLOCKED:
        write_wheel(index, name, BACKEND if name == "backend" else "")
    locks = {
        "steps": "torch==1.0\n" + pin(write_wheel(index, "first")),
        "tools": pin(write_source(index)),
        "dev": pin(write_wheel(index, "last")) + "absent==1.0 ; sys_platform == 'other'\n",
        "lab": "",
    }
    for name, text in locks.items():
        (code / f"requirements/{name}.lock").write_text(text)
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "XDG_CACHE_HOME": f"{tree}/no"}
    run("make", "-C", code, "wheelhouse", "WHEELS=wheels", cwd="/", **settings)
    index.rename(tree / "gone")
    return tree


@pytest.fixture
def kept(tree: Path, tmp_path: Path) -> Path:
    """A copy of the kept files, to be changed."""
    return Path(shutil.copytree(tree / "wheels", tmp_path / "wheels"))


def made(tree: Path, wheels: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """`make dev` from a folder, without a network where the machine can take it away."""
    settings = {"XDG_CACHE_HOME": str(cache), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    argv = ["make", "-C", str(tree / "code"), "dev", f"WHEELS={wheels}"]
    walls = ["unshare", "--map-root-user", "--net"]
    can = subprocess.run([*walls, "true"], capture_output=True).returncode == 0
    return run(*(walls if can else []), *argv, cwd=tree, check=False, **settings)


def test_the_folder_holds_each_file_as_it_was_served_and_names_it(tree):
    names = sorted(path.name for path in (tree / "gone").iterdir())
    assert sorted(path.name for path in (tree / "wheels").iterdir()) == sorted(
        [*names, "SHA256SUMS"]
    )
    for name in names:
        assert (tree / "wheels" / name).read_bytes() == (tree / "gone" / name).read_bytes()
    told = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=tree / "wheels").stdout
    assert told.count(": OK\n") == len(names)


def test_environments_are_made_from_it_with_no_network_once_all_of_the_locks_is_there(
    tree, kept, tmp_path
):
    table = (kept / "SHA256SUMS").read_text()
    last = write_wheel(kept, "last", "# other")
    digest = hashlib.sha256(last.read_bytes()).hexdigest()
    (kept / "SHA256SUMS").write_text(re.sub(r"\S+(?=  last)", digest, table))
    other = made(tree, kept, tmp_path)
    assert other.returncode and "DO NOT MATCH THE HASHES" in other.stderr
    last.unlink()
    (kept / "SHA256SUMS").write_text(re.sub(".*last.*\n", "", table))
    lacking = made(tree, kept, tmp_path)
    assert lacking.returncode and re.match(
        r"error: \S* lacks last==1\.0.*, which \S*dev\.lock names\nhint: ", lacking.stderr
    )
    done = made(tree, tree / "wheels", tmp_path)
    assert done.returncode == 0, done.stderr
    modules = "import torch, first, sourced, last; print('all')"
    settings = {"XDG_CACHE_HOME": str(tmp_path)}
    told = run(tree / "code/study", "dev", "python", "-c", modules, cwd=tree, **settings)
    assert told.stdout == "all\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda kept: (kept / "last-1.0-py3-none-any.whl").unlink(), "lacks last-1.0-py3"),
        (lambda kept: (kept / "SHA256SUMS").unlink(), "no wheelhouse: .*/SHA256SUMS"),
        (lambda kept: write_wheel(kept, "torch", "1"), "/torch-1.0.* is not the file that was"),
        (lambda kept: write_wheel(kept, "another"), "holds another-1.0.*, which its SHA256SUMS"),
        (lambda kept: (kept / "SHA256SUMS").write_text("x\n"), "SHA256SUMS, line 1: "),
    ],
    ids=["a lacking file", "no table", "another file", "one that is not named", "no sums"],
)
def test_what_is_not_as_it_was_kept_is_one_error_and_nothing_is_made(
    tree, kept, tmp_path, change: Callable[[Path], object], told
):
    change(kept)
    failed = made(tree, kept, tmp_path / "cache")
    lines = failed.stderr.splitlines()
    assert failed.returncode and not (tmp_path / "cache").exists()
    assert re.match(f"error: .*{told}", lines[0]) and lines[1].startswith("hint: ")
    assert re.match(r"make(\[\d+\])?: \*\*\* ", lines[2]) and len(lines) == 3
