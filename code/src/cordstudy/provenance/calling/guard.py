"""Runs one command, and ends all that it started when whoever asked for it ends, however that is.

Owns: the life of a step's processes. Run as a program, by its path: `guard.py WORKSPACE COMMAND …`;
its standard input is a pipe that its parent holds open, and whose end it takes for the parent's.
Does not own: the command's output, which goes where this program's goes.

A signal to one process, kill -9 above all, reaches neither its children nor theirs; they go on
computing. Every process of a step carries the name of its workspace in its environment, so they can
all be found; one that clears its environment is, on Linux, handed to this program when its parent
ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import psutil

MARK = "CORDSTUDY_WORKSPACE"
"""The variable that holds the workspace; spelt out, as this program imports nothing of ours."""
SET_CHILD_SUBREAPER = 36
PATIENCE_S = 30.0


def end_all(workspace: str, *, adopting: bool = False) -> None:
    """Kill every process of a workspace but this one; with `adopting`, every one below this one."""
    until = time.monotonic() + PATIENCE_S
    while True:
        living = processes_of(workspace, adopting=adopting)
        if not living or time.monotonic() >= until:
            return
        for process in living:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(living, timeout=0.2)


def processes_of(workspace: str, *, adopting: bool = False) -> list[psutil.Process]:
    """The living processes of a workspace, and all below them, but this one."""
    by_id: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == workspace:
                by_id[process.pid] = process
                by_id |= _below(process)
        except (psutil.Error, OSError):
            continue
    if adopting:
        by_id |= _below(psutil.Process())
    by_id.pop(os.getpid(), None)
    return [process for process in by_id.values() if _is_alive(process)]


def _below(process: psutil.Process) -> dict[int, psutil.Process]:
    """All that a process started, and what that started, by id."""
    return {child.pid: child for child in process.children(recursive=True)}


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _adopt() -> None:
    """Have processes whose parent has ended be this one's children, where the system can: Linux."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(workspace: str, command: list[str]) -> int:
    """Run the command to its end, or to that of the parent; its exit code."""

    def stop(*_: object) -> None:
        end_all(workspace, adopting=True)
        os._exit(128 + signal.SIGTERM)

    def watch() -> None:
        while os.read(0, 1):
            pass
        stop()

    _adopt()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    threading.Thread(target=watch, daemon=True).start()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as running:
        code = running.wait()
    end_all(workspace, adopting=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
