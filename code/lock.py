"""Make the locks of `requirements/` from `pyproject.toml`: `make -C code lock`.

Owns: the resolution, and its division into files, each of which holds only what its list adds to
those that it builds on: `steps.lock` (the dependencies), `tools.lock`, `dev.lock` and `lab.lock`
(the groups).
Does not own: what is needed (`pyproject.toml`), or installing it (`environment.py`). Standard
library only, as it runs before the rest; uv and packaging come into a folder that is thrown away.

A lock is resolved with those below it as constraints, for the machines below; each package has the
hashes of all its files, so that one lock serves them all. A version that is locked stays as long as
it fits: `make -C code lock ARGS="--upgrade-package rich"` and other options of `uv pip compile`
change that. Torch has no hash, as its build differs between machines, and what its CUDA build
brings along is not locked. uv only resolves; it installs nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Sequence
from itertools import product
from pathlib import Path

CODE = Path(__file__).resolve().parent
LOCKS = CODE / "requirements"
LISTS = {"steps": (), "tools": ("tools",), "dev": ("tools", "dev"), "lab": ("tools", "lab")}
"""The dependency groups that each lock is resolved for, over the dependencies themselves: those
that it builds on, and its own."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = (("linux", "Linux"), ("darwin", "Darwin"))
PROCESSORS = ("x86_64", "aarch64", "arm64")
Machine = tuple[str, str, str]
"""A Python, a system, a processor."""
OF_CUDA = re.compile(r"nvidia-|cuda-|triton==")


def main(options: Sequence[str]) -> int:
    """Resolve list after list; options are uv's."""
    project = tomllib.loads((CODE / "pyproject.toml").read_text("utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    with tempfile.TemporaryDirectory() as folder:
        uv = borrowed_uv(Path(folder))
        uv += ["pip", "compile", "--quiet", "--universal", "--python-version", oldest]
        uv += ["--generate-hashes", "--no-annotate", "--no-header"]
        for name, groups in LISTS.items():
            lock = LOCKS / f"{name}.lock"
            below = [LOCKS / f"{other}.lock" for other in ("steps", *groups) if other != name]
            resolved = Path(folder, lock.name)
            if lock.exists():  # uv stays with the versions that it finds there
                shutil.copy(lock, resolved)
            arguments = [f"--group={group}" for group in groups]
            arguments += [f"--constraints={lower}" for lower in below]
            command = [*uv, *arguments, *options, "-o", resolved, "pyproject.toml"]
            if subprocess.run(command, cwd=CODE).returncode:
                print(f"error: {lock.name} could not be resolved", file=sys.stderr)
                return 1
            write_lock(resolved, lock, below=below)
    return 0


def borrowed_uv(folder: Path) -> list[str | Path]:
    """uv, installed into a folder, and packaging with it, which can be imported from then on."""
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "uv", "packaging"], check=True)
    sys.path += map(str, folder.glob("venv/lib/python*/site-packages"))
    return [python.with_name("uv")]


def write_lock(resolved: Path, lock: Path, *, below: Sequence[Path]) -> None:
    """Write what a resolution adds to the locks below it, on any of the machines."""
    known: dict[str, set[Machine]] = {}
    for lower in below:
        for pin in pins(lower.read_text("utf-8")):
            known.setdefault(name_of(pin), set()).update(machines(pin))
    text = ""
    for pin in pins(resolved.read_text("utf-8")):
        is_new = machines(pin) - known.get(name_of(pin), set())
        if is_new and not OF_CUDA.match(pin):
            text += f"{first_line(pin)}\n" if name_of(pin) == "torch" else pin
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(text, "utf-8")


def pins(text: str) -> list[str]:
    """The packages of a lock: each line that names a version, with its hashes."""
    return re.findall(r"^\S.*\n(?:[ \t].*\n)*", text, re.MULTILINE)


def name_of(pin: str) -> str:
    return pin.partition("==")[0]


def first_line(pin: str) -> str:
    return pin.partition("\n")[0].removesuffix("\\").rstrip()


def machines(pin: str) -> set[Machine]:
    """The machines that a package's marker means."""
    from packaging.markers import Marker

    marker = first_line(pin).partition(" ; ")[2]
    meant: set[Machine] = set()
    for python, (system, name), processor in product(PYTHONS, SYSTEMS, PROCESSORS):
        machine = {
            "implementation_name": "cpython",
            "platform_machine": processor,
            "platform_python_implementation": "CPython",
            "platform_system": name,
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": system,
        }
        if not marker or Marker(marker).evaluate(machine):
            meant.add((python, system, processor))
    return meant


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
