"""Make the environment of this commit: `make -C code env`.

Owns: the folder in the user's cache that `code/study` looks for, named after the hash of
`requirements.lock`; its packages, from pip's configured indexes.
Does not own: the lock (`make -C code lock`). Standard library only: it runs before the rest.

Torch alone carries no hash, as its build differs between machines (CPU, CUDA): its version
is pinned, and pip's configuration decides the build. It goes in first, with what its build
needs; the lock then sets every version.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

CODE = Path(__file__).resolve().parent
ELSEWHERE = ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET", "PIP_USER")
"""Settings of a user that have pip install into another folder than the environment's."""


def main() -> int:
    """Make the environment unless it is complete; the exit code."""
    if sys.version_info < (3, 11):
        print(
            f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]}",
            file=sys.stderr,
        )
        print("hint: make -C code env PYTHON=python3.12", file=sys.stderr)
        return 1
    told = subprocess.run([CODE / "study", "env"], stdout=subprocess.PIPE, text=True)
    if told.returncode:  # it has said why
        return told.returncode
    folder = Path(told.stdout.removesuffix("\n"))
    for name in [name for name in os.environ if name.startswith("PYTHON") or name in ELSEWHERE]:
        del os.environ[name]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make(folder)
    print(f"environment: {folder}")
    return 0


def make(folder: Path) -> None:
    """Make it afresh; what a broken-off attempt left is removed."""
    print("making the environment, once for this lock: about two minutes and 3 GB", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, symlinks=True)
    lines = (CODE / "requirements.lock").read_text().splitlines(keepends=True)
    torch = next(line.strip() for line in lines if line.startswith("torch=="))
    install(folder, torch)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as hashed:
        hashed.writelines(line for line in lines if not line.startswith("torch=="))
        hashed.flush()
        install(folder, "--no-deps", "--require-hashes", "-r", hashed.name)
    compiled = [folder / "bin/python", "-m", "compileall", "-q", "-q", "-j", "0", folder / "lib"]
    subprocess.run(compiled)  # on all cores; exit 1 where a package ships a file for another Python
    (folder / "complete").touch()


def install(folder: Path, *arguments: str) -> None:
    """Run the environment's pip; progress on a terminal, errors only elsewhere."""
    quiet = [] if sys.stdout.isatty() else ["-q", "-q"]
    command = [
        folder / "bin/python",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-compile",
        *quiet,
        *arguments,
    ]
    if subprocess.run(command).returncode:
        raise SystemExit(
            f"error: pip could not install {arguments[-1]} into {folder}\nhint: run it again; look at pip's words above"
        )


if __name__ == "__main__":
    sys.exit(main())
