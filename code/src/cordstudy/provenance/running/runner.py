"""Running steps: each in a workspace, recorded by `datalad run`, landed one by one.

Owns: the order of steps, several at a time, the log of each, who may run at all, and that a run
that is told to end takes its steps with it.
Does not own: the workspace (`workspace`), the record (`recording`), how it joins the branch
(`landing`), or which steps there are.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import allow_all, git, stop_all
from cordstudy.provenance.history.records import join
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.kept import (
    LANDING,
    Kept,
    NotLanded,
    bring_home,
    finished,
    forget,
    keep,
)
from cordstudy.provenance.running.landing import land
from cordstudy.provenance.running.machine import Machine, file_name
from cordstudy.provenance.running.marks import finished_step, left_behind, remove_tree
from cordstudy.provenance.running.notes import note
from cordstudy.provenance.running.recording import failure, record_in
from cordstudy.provenance.running.step import Recorded, builds_on
from cordstudy.provenance.running.workspace import (
    BASE,
    Workspace,
    check_inputs_untouched,
    check_outputs,
    workspace,
)

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What tells a run to end."""
Report = Callable[[str, str, float], None]
"""Told of each step: name, what happened (`runs`, `failed`, `landed`, how it ended), seconds."""
Run = Callable[[Recorded], str]
"""Runs one step; in a word how it ended."""


def check_clean(dataset: Path) -> None:
    """Raise StudyError if the dataset's tree holds anything that is not committed."""
    options = ("--porcelain", "--untracked-files=all", "--ignore-submodules=none")
    dirty = git(dataset, "status", *options).splitlines()
    if dirty:
        raise StudyError(
            f"{dataset}: {len(dirty)} paths differ from the last commit, the first: {dirty[0][3:]}",
            hint="a record would not say what ran: commit them (git commit, datalad save) "
            "or undo them (git restore)",
        )


@contextmanager
def sole_run(dataset: Path, machine: Machine) -> Iterator[None]:
    """Hold the right to run steps in a dataset, and clear what a killed run left behind.

    Being told to end (Ctrl-C, SIGTERM, SIGHUP) ends all steps too. What a killed run had finished
    is brought home; raises NotLanded where that fails.
    """
    path = machine.run_lock
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        _take(handle, dataset)
        _clear(dataset, machine)
        with ending_together():
            yield


def _take(handle: IO[str], dataset: Path) -> None:
    """Take the lock of a file and write this process's number into it. Raises StudyError where
    another process has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        raise StudyError(
            f"another run (process {handle.read().strip()}) is at work in {dataset}",
            hint="wait for it, or stop it",
        ) from error
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()


def _clear(dataset: Path, machine: Machine) -> None:
    """Remove the workspaces that a killed run left, after bringing home what was finished in
    them."""
    for folder in left_behind(dataset, machine.scratch):
        if finished_step(folder):
            bring_home(dataset, folder)
        remove_tree(folder)
    refs = git(dataset, "for-each-ref", "--format=%(refname)", BASE, LANDING).split()
    for ref in refs:
        git(dataset, "update-ref", "-d", ref)


@contextmanager
def ending_together() -> Iterator[None]:
    """End what runs when this process is told to end. Only the main thread can be told."""

    def end(number: int, _: object) -> None:
        stop_all()  # before anything waits for the threads that wait for steps
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    allow_all()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for ending in ENDINGS:
            if signal.getsignal(ending) != signal.SIG_IGN:  # `nohup` has SIGHUP ignored
                before[ending] = signal.signal(ending, end)
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


def run_steps(
    dataset: Path, steps: Sequence[Recorded], *, jobs: int, machine: Machine, report: Report
) -> None:
    """Run steps in their order, up to `jobs` at a time, each as one record (`run_each`)."""
    branch = current_branch(dataset)

    def run(step: Recorded) -> str:
        run_step(dataset, step, machine=machine, branch=branch)
        return "done"

    run_each(steps, run, jobs=jobs, machine=machine, report=report)


def run_each(
    steps: Sequence[Recorded], run: Run, *, jobs: int, machine: Machine, report: Report
) -> None:
    """Have steps run in their order, up to `jobs` at a time, in whatever way.

    The first failure lets running steps end, starts no other, and is raised as StudyError.
    """
    waiting = list(steps)
    running: dict[Future[None], Recorded] = {}
    fault: BaseException | None = None
    with ThreadPoolExecutor(jobs) as pool:
        while running or (waiting and not fault):
            while not fault and len(running) < jobs:
                step = _next(waiting, running.values())
                if step is None:
                    break
                waiting.remove(step)
                future = pool.submit(_run_reported, step, run, machine=machine, report=report)
                running[future] = step
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                fault = fault or future.exception()
    if fault:
        raise fault


def _next(waiting: Sequence[Recorded], running: Iterable[Recorded]) -> Recorded | None:
    """The first step that builds on none that is waiting or running."""
    before = list(running)
    for step in waiting:
        if not any(builds_on(step, other) for other in before):
            return step
        before.append(step)
    return None


def _run_reported(step: Recorded, run: Run, *, machine: Machine, report: Report) -> None:
    """Run a step, and say so while it runs and when it ends: to `report`, and in its note."""
    start = time.monotonic()
    report(step.name, "runs", 0.0)
    note(machine.logs, step.name, "running")
    try:
        word = run(step)
    except BaseException as error:
        note(machine.logs, step.name, "failed", str(error).partition("\n")[0])
        report(step.name, "failed", time.monotonic() - start)
        raise
    note(machine.logs, step.name, "done")
    report(step.name, word, time.monotonic() - start)


def run_step(dataset: Path, step: Recorded, *, machine: Machine, branch: str = "") -> str:
    """Run one step in a workspace and land its record on a branch (the current one); the commit
    that landed.

    Raises StudyError if an input is not to be had, the command fails, an input was written to
    or the outputs are not those declared; the dataset is then as before, but for the log. Raises
    NotLanded for a step that is finished and kept.
    """
    branch = branch or current_branch(dataset)
    with ran(dataset, step, machine=machine, branch=branch) as ws:
        kept = keep(ws)
    return land_kept(dataset, step, kept, machine=machine, branch=branch)


def land_kept(dataset: Path, step: Recorded, kept: Kept, *, machine: Machine, branch: str) -> str:
    """Land a step that has just been kept; the commit."""
    commit = land(dataset, kept, branch=branch)
    forget_progress(step, machine=machine)
    return commit


def forget_progress(step: Recorded, *, machine: Machine) -> None:
    """Remove what a step would go on from: it is finished."""
    shutil.rmtree(machine.progress(step.name), ignore_errors=True)


@contextmanager
def ran(
    dataset: Path,
    step: Recorded,
    *,
    machine: Machine,
    branch: str,
    anew: bool = False,
    sources: Path | None = None,
) -> Iterator[Workspace]:
    """A workspace at a branch's tip in which a step has run, with its record as the one commit.

    With `anew` nothing that is kept between runs stands in for a part of it, but for what this very
    step left when it was killed. Subdatasets are those of the dataset, or of `sources`. Raises
    StudyError as `run_step` does.
    """
    log, progress = machine.log(step.name), machine.progress(step.name)
    place = workspace(
        dataset,
        scratch=machine.scratch,
        name=machine.full_name(step.name),
        inputs=step.inputs,
        outputs=step.outputs,
        commit=branch,
        sources=sources,
    )
    with place as ws:
        cache = ws.folder / "cache" if anew else None
        env = machine.env(progress=progress, cache=cache)
        code = record_in(ws, step.argv, message=step.message, log=log, env=env)
        if code:
            raise failure(step.name, code, log)
        check_inputs_untouched(ws)
        check_outputs(ws)
        yield ws


def land_finished(
    dataset: Path,
    steps: Sequence[Recorded],
    *,
    done: Container[str],
    machine: Machine,
    report: Report,
) -> None:
    """Land those of a table's steps that were finished and could not land when they were.

    A step that is as it was then may replace outputs that changed since, as running it again would;
    what is kept of another state of a step stays kept until that is done. `done` are the names of
    steps that are.
    """
    branch = current_branch(dataset)
    by_name = {file_name(machine.full_name(step.name)): step for step in steps}
    for kept in finished(dataset):
        step = by_name.get(kept.step)
        if step is None:  # of another table
            continue
        if step.name in done:
            forget(dataset, kept)
            continue
        try:
            land(dataset, kept, branch=branch, overwrite=_is_of(kept, step))
        except NotLanded:
            if not _is_of(kept, step):  # it runs anew, and then is kept in place of this one
                continue
            raise
        forget_progress(step, machine=machine)
        note(machine.logs, step.name, "done")
        report(step.name, "landed", 0.0)


def _is_of(kept: Kept, step: Recorded) -> bool:
    """Whether a finished step is what the step now is."""
    record = kept.record
    recorded = (record.cmd, record.inputs, record.outputs)
    return recorded == (join(step.argv), step.inputs, step.outputs)
