"""Running a recorded command again for what it makes: behind walls, within limits, no record made.

Owns: the process, waiting for it, ending it where it breaks a limit.
Does not own: the workspace (`running.workspace`), the walls (`walls`), the limits (`limits`), or
what came out (`collecting`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import guarded, stop
from cordstudy.provenance.calling.sandbox import check_sandbox
from cordstudy.provenance.calling.surroundings import private_environment
from cordstudy.provenance.history.records import RunRecord
from cordstudy.provenance.remaking.limits import Limits, Watch, limits_of
from cordstudy.provenance.remaking.walls import walled
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.recording import failure
from cordstudy.provenance.running.workspace import Workspace, check_inputs_untouched

EXPANSION = Path(__file__).with_name("expansion.py")
TICK_S = 0.25
Told = Callable[[float], None]
"""Told again and again, while a command runs, for how many seconds it has."""


class OtherEnd(StudyError):
    """A command that ended with another exit code than it did when it was recorded."""


def execute(
    ws: Workspace,
    record: RunRecord,
    *,
    links: Iterable[str],
    machine: Machine,
    limits: Limits,
    told: Told,
) -> None:
    """Run a record's command in a workspace.

    Raises OtherEnd, and StudyError where it breaks a limit or changes what it reads.
    """
    cwd = ws.path / record.pwd
    cwd.mkdir(parents=True, exist_ok=True)
    log = machine.log(f"again-{record.commit[:8]}")
    argv = _argv(record, ws)
    behind_walls = has_walls()
    if behind_walls:
        argv = [*walled(ws, links, cwd=cwd), *argv]
    # what is kept between runs must not stand in for a run
    env = {**private_environment(ws.folder / "home"), **machine.env(cache=ws.folder / "cache")}
    code = _watched(ws, argv, cwd=cwd, log=log, env=env, limits=limits, told=told)
    if code != record.exit:
        how = " (behind walls: without network, home folder and what git keeps)"
        raise OtherEnd(f"{failure(record.subject, code, log)}{how if behind_walls else ''}")
    left = ws.stamps
    if behind_walls:  # one that is gone is not damaged there: its content is the dataset's
        left = {path: stamp for path, stamp in left.items() if os.path.lexists(path)}
    check_inputs_untouched(replace(ws, stamps=left))


def watched_run(
    ws: Workspace, argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str]
) -> int:
    """Run the command that makes a subdataset as records run here: behind walls, within limits."""
    behind = walled(ws, (), cwd=cwd) if has_walls() else ()
    limits = limits_of(None, keys=(), minutes=None)
    return _watched(ws, [*behind, *argv], cwd=cwd, log=log, env=env, limits=limits, told=_nobody)


def _nobody(_: float) -> None:
    """Nobody is told."""


def _watched(
    ws: Workspace,
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str],
    limits: Limits,
    told: Told,
) -> int:
    """Run a command until it ends or breaks a limit; its exit code."""
    watch = Watch(ws.folder, limits, log=log)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(guarded, argv, cwd=cwd, log=log, workspace=str(ws.folder), env=env)
        try:
            while wait([running], timeout=TICK_S).not_done:
                told(watch.seconds)
                watch.check()
        except BaseException:
            stop(str(ws.folder))
            raise
        return running.result()


def has_walls() -> bool:
    """Whether commands run behind walls here."""
    try:
        check_sandbox()
    except StudyError:
        return False
    return True


def _argv(record: RunRecord, ws: Workspace) -> list[str]:
    """The command as `datalad run` gives it to a shell."""
    if "{" not in record.cmd and "}" not in record.cmd:
        return ["/bin/sh", "-c", record.cmd]
    values = {
        "cmd": record.cmd,
        "inputs": record.inputs,
        "outputs": record.outputs,
        "dataset": str(ws.path),
        "tmpdir": str(ws.folder / "home"),
    }
    return [sys.executable, "-P", "-c", EXPANSION.read_text(), json.dumps(values)]
