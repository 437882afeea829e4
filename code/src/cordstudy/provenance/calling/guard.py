"""Runs one command, and ends all that it started when whoever asked for it ends, however that happens.

Owns: the life of a step's processes. Run as a program, by its path: `guard.py WORKSPACE COMMAND …`; its
standard input is a pipe that its parent holds open, and whose end it takes for the parent's.
Does not own: the command's output, which goes where this program's goes.

A signal to one process, kill -9 above all, reaches neither its children nor theirs; they go on computing.
Every process of a step carries the name of its workspace in its environment, so they can all be found; one that
clears its environment is, on Linux, handed to this program when its parent ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import psutil

MARK = "CORDSTUDY_WORKSPACE"
SET_CHILD_SUBREAPER = 36
PATIENCE_S = 30.0


def end_all(workspace: str, *, adopting: bool = False) -> None:
    """Kill every process of a workspace but this one; with `adopting`, every one below this one."""
    until = time.monotonic() + PATIENCE_S
    while (found := processes_of(workspace, adopting=adopting)) and time.monotonic() < until:
        for process in found:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(found, timeout=0.2)


def processes_of(workspace: str, *, adopting: bool = False) -> list[psutil.Process]:
    """The living processes of a workspace, and all below them, but this one."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == workspace:
                found |= {one.pid: one for one in (process, *process.children(recursive=True))}
        except (psutil.Error, OSError):
            continue
    found |= {one.pid: one for one in psutil.Process().children(recursive=True)} if adopting else {}
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _adopt() -> None:
    """Have processes whose parent has ended be this one's children, where the system can (Linux)."""
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
