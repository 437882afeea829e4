"""Make the environments of this commit: `make -C code env`.

Owns: the folders in the user's cache that `code/study` and `code/study-tools.sh` look for, named
after the hashes of their locks; their packages, from pip's configured indexes or, with no network,
from a folder of kept files (`WHEELS=folder`).
Does not own: the locks (`lock.py`), that folder (`wheelhouse.py`). Standard library only: it runs
before the rest.

There are layers: `steps` is what steps import, `tools` adds what people's commands need; on both
stand `dev`, what tests and checks need, and `lab`, Jupyter. A layer is a virtual environment of its
own lock's packages that sees those of the layers below it, their commands included; so it is made
without touching them.

Torch alone carries no hash, as its build differs between machines (CPU, CUDA): its version
is pinned, and pip's configuration decides the build. It goes in first, with what its build
needs; the lock then sets every version.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

import wheelhouse

CODE = Path(__file__).resolve().parent
ELSEWHERE = ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER")
"""Settings of a user that have pip install into another folder than the environment's."""
BELOW = {"steps": (), "tools": ("steps",), "dev": ("steps", "tools"), "lab": ("steps", "tools")}
"""The layers, each with those that it stands on."""
NEEDS = {
    "steps": "about two minutes and 3 GB",
    "tools": "half a minute",
    "dev": "half a minute",
    "lab": "half a minute",
}
SHIM = "git-annex-remote-rerun"
SHIM_TEXT = """\
#!/bin/sh
# The git-annex special remote `rerun`, which git-annex starts by this name. It is the program that
# `code/study recompute on` put into the configuration of the clone that git-annex works in.
program=$(git config --local cordstudy.recompute)
case $program in
    '') ;;
    /*) exec "$program" recompute remote ;;
    *) exec "$(git rev-parse --show-toplevel)/$program" recompute remote ;;
esac
echo "VERSION 1"
while read -r request _; do
    case $request in
        INITREMOTE) echo "INITREMOTE-FAILURE recompute is off in this clone" ;;
        PREPARE) echo "PREPARE-FAILURE recompute is off in this clone: code/study recompute on" ;;
        *) echo "UNSUPPORTED-REQUEST" ;;
    esac
done
"""
"""Environments are shared between clones: the program is each clone's own."""
ANNEX_TEXT = """\
#!/bin/sh
# Does what the Python command of the package `git-annex` does, without a Python in between: it
# names the kinds of files, and takes their names for UTF-8 in a locale that says nothing of it.
export MAGIC={magic} LC_CTYPE=C.UTF-8
exec {program} "$@"
"""
"""A step calls git-annex some sixty times: 30 ms less each."""
OWN = ("python", "pip", "activate", "Activate")
"""What every virtual environment has of its own, by the start of its name."""


def main(last: str) -> int:
    """Make a layer, and of those below what is not complete; the exit code."""
    if sys.version_info < (3, 11):
        print(
            f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]}",
            file=sys.stderr,
        )
        print("hint: make -C code env PYTHON=python3.12", file=sys.stderr)
        return 1
    wanted = (*BELOW[last], last)
    folders: list[Path] = []
    for layer in wanted:
        told = subprocess.run(
            [CODE / "study", "env", layer], stdout=subprocess.PIPE, encoding="utf-8"
        )
        if told.returncode:  # it has said why
            return told.returncode
        folders.append(Path(told.stdout.removesuffix("\n")))
    for name in list(os.environ):
        if name.startswith("PYTHON") or name in ELSEWHERE:
            del os.environ[name]
    wheels = wheelhouse.chosen()
    if wheels and not all(map(is_ready, wanted, folders)):
        wheelhouse.check(wheels)
        wheelhouse.forget_indexes()
    for number, layer in enumerate(wanted):
        folder = folders[number]
        if is_ready(layer, folder):
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        with Path(f"{folder}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not (folder / "complete").exists():
                make(layer, folder, below=folders[:number], wheels=wheels)
            if layer == "tools":
                write_commands(folder)
    print(f"environment: {folders[-1]}")
    return 0


def is_ready(layer: str, folder: Path) -> bool:
    """Whether nothing of a layer is to be written; or can be, as in an image."""
    done = layer != "tools" or not to_write(folder) or not os.access(folder / "bin", os.W_OK)
    return done and (folder / "complete").exists()


def make(layer: str, folder: Path, *, below: Sequence[Path], wheels: Path | None) -> None:
    """Make a layer afresh; what a broken-off attempt left is removed."""
    print(f"making the environment of {layer}, once for this lock: {NEEDS[layer]}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    if below:
        # of the same Python, whichever this one is; pip is that of the lowest layer
        if python(below[0], "-m", "venv", "--symlinks", "--without-pip", str(folder)):
            raise SystemExit(f"error: no virtual environment could be made at {folder}")
        build_on(below, folder)
    else:
        venv.create(folder, with_pip=True, symlinks=True)
    install_lock(folder, CODE / f"requirements/{layer}.lock", wheels=wheels)
    for lower in reversed(below):
        link_commands(lower, folder)
    # on all cores; exit 1 where a package ships a file for another Python
    python(folder, "-m", "compileall", "-q", "-q", "-j", "0", str(folder / "lib"))
    (folder / "complete").touch()


def to_write(tools: Path) -> dict[Path, str]:
    """The commands of ours that are not in an environment yet: an older commit may have made it."""
    texts = {tools / f"bin/{SHIM}": SHIM_TEXT}
    for package in tools.glob("lib/python*/site-packages/git_annex"):
        program, magic = (shlex.quote(str(package / name)) for name in ("git-annex", "magic.mgc"))
        texts[tools / "bin/git-annex"] = ANNEX_TEXT.format(program=program, magic=magic)
    return {
        path: text
        for path, text in texts.items()
        if not path.exists() or path.read_text("utf-8") != text
    }


def write_commands(tools: Path) -> None:
    """Put our commands where git and git-annex look for them."""
    for path, text in to_write(tools).items():
        written = path.with_name(f"{path.name}.new")
        written.write_text(text, "utf-8")
        written.chmod(0o755)
        written.replace(path)


def build_on(below: Sequence[Path], folder: Path) -> None:
    """Have Python find the packages of the layers below too, after the layer's own."""
    [packages] = folder.glob("lib/python*/site-packages")
    name = packages.relative_to(folder)
    lines = [f"{lower / name}\n" for lower in reversed(below)]
    (packages / "layers.pth").write_text("".join(lines), "utf-8")


def link_commands(lower: Path, folder: Path) -> None:
    """Put the commands of a layer below beside the layer's own: one folder on the PATH has all."""
    for command in sorted((lower / "bin").iterdir()):
        place = folder / "bin" / command.name
        if not command.name.startswith(OWN) and not os.path.lexists(place):
            place.symlink_to(command)


def install_lock(folder: Path, lock: Path, *, wheels: Path | None) -> None:
    """Install what a lock says, from a folder of kept files alone if there is one."""
    lines = lock.read_text("utf-8").splitlines(keepends=True)
    hashed = [line for line in lines if not line.startswith("torch==")]
    for line in lines:
        if line.startswith("torch=="):
            install(folder, line.strip(), lock=lock, wheels=wheels)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as handle:
        handle.writelines(hashed)
        handle.flush()
        arguments = ("--no-deps", "--require-hashes", "-r", handle.name)
        install(folder, *arguments, lock=lock, wheels=wheels)


def install(folder: Path, *arguments: str, lock: Path, wheels: Path | None) -> None:
    """Run the environment's pip; progress on a terminal, errors only elsewhere."""
    quiet = [] if sys.stdout.isatty() else ["-q", "-q"]
    options = ["--disable-pip-version-check", "--no-compile", *quiet]
    if wheels:
        options += ["--no-index", "--find-links", str(wheels)]
    argv = [str(folder / "bin/python"), "-m", "pip", "install", *options, *arguments]
    said = subprocess.PIPE if wheels else None
    done = subprocess.run(argv, stderr=said, encoding="utf-8", errors="replace")
    if done.returncode and wheels:
        raise wheelhouse.failure(wheels, lock, done.stderr)
    if done.returncode:
        raise SystemExit(
            f"error: pip could not install {arguments[-1]} into {folder}\n"
            "hint: run it again; look at pip's words above"
        )


def python(folder: Path, *arguments: str) -> int:
    """Run the Python of an environment; the exit code."""
    return subprocess.run([str(folder / "bin/python"), *arguments]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "tools"))
