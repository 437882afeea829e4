"""Running code that nobody vouches for where it can do nothing.

Owns: the bubblewrap command line, the limits of time, memory and output.
Does not own: what runs (`rendering`), or what its output means: that is as untrusted as the code.

The code sees the system's programs, this Python and one folder, all read-only, no home folder, no
network, no process but its own, and no /proc, through which root could set up the machine; it can
write to a small private tmpfs, which is gone with it.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from cordstudy.base.errors import StudyError

HINT = "Debian, Ubuntu: apt install bubblewrap; in a container, user namespaces must be allowed"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
PLACE = "/study"
CACHE = "/cache"
"""Where the code believes the user's cache to be: nothing is there but what is mounted."""
VARIABLES = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "XDG_CACHE_HOME": CACHE}
TIME_S = 60.0
MEMORY = 4 * 2**30
OUTPUT = 32 * 2**20
ERRORS = 2**16
SCRATCH = 64 * 2**20


def check_sandbox() -> None:
    """Raise StudyError where bubblewrap is missing or cannot run here."""
    if not shutil.which("bwrap"):
        raise StudyError("bubblewrap (bwrap), which the sandbox needs, is not installed", hint=HINT)
    done = subprocess.run(
        [*_walls(Path("/usr"), {}), "/usr/bin/env", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        raise StudyError(f"bubblewrap cannot make a sandbox here: {lines[-1]}", hint=HINT)


def run_in_sandbox(
    argv: Sequence[str], folder: Path, *, mounts: Mapping[str, Path] | None = None
) -> bytes:
    """What a command prints that runs in a folder; `mounts` are other folders that it may read, by
    where it sees them.

    Raises StudyError where it fails, takes too long or says too much, with the last line of its
    errors.
    """
    started = time.monotonic()
    with subprocess.Popen(
        [*_walls(folder, mounts or {}), *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=_limit,
    ) as running:
        assert running.stdout and running.stderr  # both are pipes
        timer = threading.Timer(TIME_S, running.kill)
        timer.start()
        with ThreadPoolExecutor(1) as reader:
            complaint = reader.submit(_last_line, running.stderr)
            printed = running.stdout.read(OUTPUT + 1)
            if len(printed) > OUTPUT:
                running.kill()
            running.wait()
        timer.cancel()
    if len(printed) > OUTPUT:
        raise StudyError(f"it prints more than {OUTPUT // 2**20} MiB")
    if running.returncode and time.monotonic() - started >= TIME_S:
        raise StudyError(f"it takes longer than {TIME_S:.0f} s")
    if running.returncode:
        said = f": {complaint.result()}" if complaint.result() else ""
        raise StudyError(f"it ends with exit code {running.returncode}{said}")
    return printed


def _last_line(pipe: IO[bytes]) -> str:
    """The last line of what comes first out of a pipe, which is closed then."""
    lines = pipe.read(ERRORS).decode(errors="replace").strip().splitlines()
    pipe.close()
    return lines[-1][:200] if lines else ""


def _walls(folder: Path, mounts: Mapping[str, Path]) -> list[str]:
    """The command line up to what runs."""
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    argv += ["--cap-drop", "ALL", "--clearenv"]
    for name in SYSTEM:
        place = Path(name)
        if place.is_symlink():
            argv += ["--symlink", str(place.readlink()), name]
        elif place.is_dir():
            argv += ["--ro-bind", name, name]
    for name in pythons_folders():
        argv += ["--ro-bind", name, name]
    argv += ["--ro-bind", str(folder), PLACE]
    for name, place in mounts.items():
        argv += ["--ro-bind", str(place), name]
    argv += ["--dev", "/dev", "--size", str(SCRATCH), "--tmpfs", "/tmp"]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", PLACE]
    for name, value in VARIABLES.items():
        argv += ["--setenv", name, value]
    return argv


def pythons_folders() -> list[str]:
    """The folders of this Python and its packages that are not the system's, each before those in
    it."""
    own = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    for entry in sys.path:
        place = Path(entry)
        if place.name == "site-packages":
            own.add(str(place.parents[2]))  # PREFIX/lib/python3.x/site-packages
    return [name for name in sorted(own) if not _is_of_system(name)]


def _is_of_system(name: str) -> bool:
    return name in ("/", "/usr") or name.startswith("/usr/")


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
