"""Running code that nobody vouches for where it can do nothing.

Owns: the bubblewrap command line, the limits of time, memory and output.
Does not own: what runs (`rendering`), or what its output means: that is as untrusted as the code.

The code sees the system's programs, this Python and one folder, all read-only, no home folder, no
network, no process but its own, and no /proc, through which root could set up the machine; it can write
to a small private tmpfs, which is gone with it.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError

HINT = "Debian, Ubuntu: apt install bubblewrap; in a container, user namespaces must be allowed"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
PLACE = "/study"
TIME_S = 60.0
MEMORY = 4 * 2**30
OUTPUT = 32 * 2**20
SCRATCH = 64 * 2**20


def check_sandbox() -> None:
    """Raise StudyError where bubblewrap is missing or cannot run here."""
    if not shutil.which("bwrap"):
        raise StudyError("bubblewrap (bwrap), which the sandbox needs, is not installed", hint=HINT)
    done = subprocess.run(
        [*_walls(Path("/usr")), "/usr/bin/env", "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise StudyError(f"bubblewrap cannot make a sandbox here: {told}", hint=HINT)


def python_in_sandbox(script: str, folder: Path, *, path: str) -> bytes | None:
    """What a script prints that runs in a folder, with `path` in it first on Python's path; None
    where it fails, or takes too long or says too much."""
    argv = [
        *_walls(folder),
        "--setenv",
        "PYTHONPATH",
        f"{PLACE}/{path}",
        sys.executable,
        "-P",
        "-s",
        "-B",
        "-c",
        script,
    ]
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=_limit,
    ) as running:
        timer = threading.Timer(TIME_S, running.kill)
        timer.start()
        told = running.stdout.read(OUTPUT + 1)
        if len(told) > OUTPUT:
            running.kill()
        running.wait()
        timer.cancel()
    return None if running.returncode or len(told) > OUTPUT else told


def _walls(folder: Path) -> Sequence[str]:
    """The command line up to what runs."""
    argv = [
        "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--clearenv",
    ]
    for name in SYSTEM:
        place = Path(name)
        if place.is_symlink():
            argv += ["--symlink", str(place.readlink()), name]
        elif place.is_dir():
            argv += ["--ro-bind", name, name]
    own = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    own |= {name for name in sys.path if name.endswith("site-packages")}  # of layers below
    for name in sorted(own):  # a folder before those in it
        if not name.startswith("/usr/") and name not in ("/", "/usr"):
            argv += ["--ro-bind", name, name]
    argv += ["--ro-bind", str(folder), PLACE, "--dev", "/dev"]
    argv += [
        "--size",
        str(SCRATCH),
        "--tmpfs",
        "/tmp",
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
        "--chdir",
        PLACE,
    ]
    return [
        *argv,
        "--setenv",
        "PATH",
        "/usr/bin:/bin",
        "--setenv",
        "HOME",
        "/tmp",
        "--setenv",
        "LANG",
        "C.UTF-8",
    ]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
