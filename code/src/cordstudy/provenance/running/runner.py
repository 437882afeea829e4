"""Running steps: each in a workspace, recorded by `datalad run`, landed one by one.

Owns: the order of steps, several at a time, the log of each, who may run at all, and that a run that is
told to end takes its steps with it.
Does not own: the workspace (`workspace`), how a record joins the branch (`landing`), the steps (`steps`).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import (
    allow_all,
    datalad_run,
    git,
    guarded,
    head,
    stop_all,
)
from cordstudy.provenance.calling.surroundings import private_environment
from cordstudy.provenance.history.records import RESOURCES, join, literal, render_message
from cordstudy.provenance.profile import REFS
from cordstudy.provenance.running.landing import (
    Kept,
    NotLanded,
    bring_home,
    current_branch,
    finished,
    forget,
    keep,
    land,
)
from cordstudy.provenance.running.machine import Machine, file_name
from cordstudy.provenance.running.notes import note
from cordstudy.provenance.running.step import Recorded, builds_on
from cordstudy.provenance.running.workspace import (
    Workspace,
    check_inputs_untouched,
    check_outputs,
    finished_step,
    left_behind,
    remove_tree,
    workspace,
)

DUCT = ("duct", "-q", "--clobber", "-c", "none", "-o", "all", "--sample-interval", "0.5")
"""con-duct, which measures a command and its children."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What tells a run to end."""
DATALAD_RESULT = re.compile(r"\w+\(\w+\): |action summary:|  \w+ \(\w+: \d+")


Report = Callable[[str, str, float], None]
"""Told of each step: its name, what happened (`runs`, `done`, `failed`), seconds."""


def check_clean(study: Path) -> None:
    """Raise StudyError if the study's tree holds anything that is not committed."""
    dirty = git(
        study, "status", "--porcelain", "--untracked-files=all", "--ignore-submodules=none"
    ).splitlines()
    if dirty:
        raise StudyError(
            f"{study}: {len(dirty)} paths differ from the last commit, the first: {dirty[0][3:]}",
            hint="a record would not say what ran: commit them (git commit, datalad save) or undo them (git restore)",
        )


@contextmanager
def sole_run(study: Path, machine: Machine) -> Iterator[None]:
    """Hold the right to run steps in a study, and clear what a killed run left behind.

    Being told to end (Ctrl-C, SIGTERM, SIGHUP) ends all steps too. What a killed run had finished is
    brought home; raises NotLanded where that fails.
    """
    place = machine.run_lock
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise StudyError(
                f"another `code/study run` (process {handle.read().strip()}) is at work in {study}",
                hint="wait for it, or stop it",
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        _clear(study, machine)
        with _ending_together():
            yield


def _clear(study: Path, machine: Machine) -> None:
    """Remove the workspaces that a killed run left, after bringing home what was finished in them."""
    for folder in left_behind(study, machine.scratch):
        if finished_step(folder):
            bring_home(study, folder)
        remove_tree(folder)
    for ref in git(
        study, "for-each-ref", "--format=%(refname)", f"{REFS}/base", f"{REFS}/landing"
    ).split():
        git(study, "update-ref", "-d", ref)


@contextmanager
def _ending_together() -> Iterator[None]:
    """End what runs when this process is told to end. Only the main thread can be told."""

    def told(number: int, _: object) -> None:
        stop_all()  # before anything waits for the threads that wait for steps
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    allow_all()
    before = {}
    if threading.current_thread() is threading.main_thread():
        wanted = [
            one for one in ENDINGS if signal.getsignal(one) != signal.SIG_IGN
        ]  # `nohup` has SIGHUP ignored
        before = {one: signal.signal(one, told) for one in wanted}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def run_steps(
    study: Path, steps: Sequence[Recorded], *, jobs: int, machine: Machine, report: Report
) -> None:
    """Run steps in their order, up to `jobs` at a time, each as one record.

    The first failure lets running steps end, starts no other, and is raised as StudyError.
    """
    waiting = list(steps)
    running: dict[Future[None], Recorded] = {}
    failure: BaseException | None = None
    branch = current_branch(study)
    with ThreadPoolExecutor(jobs) as pool:
        while running or (waiting and not failure):
            while (
                not failure and len(running) < jobs and (step := _next(waiting, running.values()))
            ):
                waiting.remove(step)
                running[
                    pool.submit(
                        _run_step, study, step, machine=machine, report=report, branch=branch
                    )
                ] = step
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                failure = failure or future.exception()
    if failure:
        raise failure


def _next(waiting: Sequence[Recorded], running) -> Recorded | None:
    """The first step that builds on none that is waiting or running."""
    for n, step in enumerate(waiting):
        before = [*waiting[:n], *running]
        if not any(builds_on(step, other) for other in before):
            return step
    return None


def _run_step(
    study: Path, step: Recorded, *, machine: Machine, report: Report, branch: str
) -> None:
    start = time.monotonic()
    report(step.name, "runs", 0.0)
    note(machine.logs, step.name, "running")
    try:
        run_step(study, step, machine=machine, branch=branch)
    except BaseException as error:
        note(machine.logs, step.name, "failed", str(error).partition("\n")[0])
        report(step.name, "failed", time.monotonic() - start)
        raise
    note(machine.logs, step.name, "done")
    report(step.name, "done", time.monotonic() - start)


def run_step(study: Path, step: Recorded, *, machine: Machine, branch: str = "") -> str:
    """Run one step in a workspace and land its record on a branch (the current one); the commit that landed.

    Raises StudyError if an input is not to be had, the command fails, an input was written to
    or the outputs are not those declared; the study is then as before, but for the log. Raises NotLanded
    for a step that is finished and kept.
    """
    branch = branch or current_branch(study)
    log = machine.log(step.name)
    progress = machine.progress(step.name)
    place = workspace(
        study,
        scratch=machine.scratch,
        name=machine.full_name(step.name),
        inputs=step.inputs,
        outputs=step.outputs,
        commit=branch,
    )
    with place as ws:
        env = machine.env(progress=progress)
        code = record_in(ws, step.argv, message=step.message, log=log, env=env)
        if code:
            raise failure(step.name, code, log)
        check_inputs_untouched(ws)
        check_outputs(ws)
        kept = keep(ws)
    commit = land(study, kept, branch=branch)
    shutil.rmtree(progress, ignore_errors=True)
    return commit


def land_finished(
    study: Path,
    steps: Sequence[Recorded],
    *,
    done: Container[str],
    machine: Machine,
    report: Report,
) -> None:
    """Land those of a study's steps that were finished and could not land when they were.

    A step that is as it was then may replace outputs that changed since, as running it again would; what is
    kept of another state of a step stays kept until that is done. `done` are the names of steps that are.
    """
    branch = current_branch(study)
    by_name = {file_name(machine.full_name(step.name)): step for step in steps}
    for kept in finished(study):
        step = by_name.get(kept.step)
        if step is None:  # of another study
            continue
        if step.name in done:
            forget(study, kept)
            continue
        try:
            land(study, kept, branch=branch, overwrite=_is_of(kept, step))
        except NotLanded:
            if not _is_of(kept, step):  # it runs anew, and then is kept in place of this one
                continue
            raise
        shutil.rmtree(machine.progress(step.name), ignore_errors=True)
        note(machine.logs, step.name, "done")
        report(step.name, "landed", 0.0)


def _is_of(kept: Kept, step: Recorded) -> bool:
    """Whether a finished step is what the step now is."""
    record = kept.record
    return (record.cmd, record.inputs, record.outputs) == (
        join(step.argv),
        step.inputs,
        step.outputs,
    )


def record_in(
    ws: Workspace,
    command: Sequence[str],
    *,
    message: str,
    log: Path,
    env: Mapping[str, str],
    pwd: str = ".",
) -> int:
    """Run and record a command in a workspace; its exit code.

    One word is a shell's line, as `datalad run` has it. Inputs and outputs are the
    workspace's; `pwd` is the folder to run in.
    """
    inputs, outputs = (
        [os.path.relpath(spec, pwd) for spec in specs] for specs in (ws.inputs, ws.outputs)
    )
    words = literal(command) if len(command) > 1 else command
    argv = datalad_run(words, message=message, inputs=inputs, outputs=outputs)
    measured = log.with_suffix(".duct.")
    measuring = [
        *DUCT,
        "-p",
        str(measured).replace("{", "{{").replace("}", "}}"),
    ]  # duct fills in what is in braces
    code = guarded(
        [*measuring, *argv],
        cwd=ws.path / pwd,
        log=log,
        workspace=str(ws.folder),
        env=private_environment(ws.folder / "home") | env,
    )
    if not code:
        _commit_rest(ws, join(command), message)
        _add_resources(ws, measured)
    return code


def _add_resources(ws: Workspace, measured: Path) -> None:
    """Put what con-duct measured under the record, in the commit's message: no output holds it."""
    info = Path(f"{measured}info.json")
    if info.is_file():
        summary = json.loads(info.read_text())["execution_summary"]
        wall_s = float(summary["wall_clock_time"])
        told = {
            "wall_s": round(wall_s, 1),
            "cpu_s": round(wall_s * float(summary["average_pcpu"] or 0) / 100, 1),
            "peak_mib": round(float(summary["peak_rss"] or 0) / 2**20),
        }
        message = git(ws.path, "log", "-1", "--format=%B", private=True).rstrip("\n")
        git(
            ws.path,
            "commit",
            "-q",
            "--amend",
            "--allow-empty",
            "-F",
            "-",
            stdin=f"{message}\n\n{RESOURCES}{json.dumps(told, sort_keys=True)}\n",
            private=True,
        )
    for left in measured.parent.glob(f"{measured.name}*"):
        left.unlink()


def failure(name: str, code: int, log: Path) -> StudyError:
    """What a failed step said: its own error and hint, else its last line before DataLad's."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    own = [line for line in lines if not DATALAD_RESULT.match(line)]
    told = next(
        (line for line in own if line.startswith("error: ")), own[-1] if own else "no output"
    )
    hint = next((line[6:] for line in own if line.startswith("hint: ")), f"the whole log: {log}")
    return StudyError(
        f"step {name} failed (exit {code}): {told.removeprefix('error: ')}", hint=hint
    )


def _commit_rest(ws: Workspace, cmd: str, message: str) -> None:
    """What `datalad run` leaves to do: outputs that are gone, or no change at all.

    A step whose outputs come out as they were leaves no commit with DataLad: the record is
    then an empty commit, so that the history says that it ran on its present inputs.
    """
    if head(ws.path) == ws.base:
        dsid = git(
            ws.path, "config", "-f", ".datalad/config", "datalad.dataset.id", private=True
        ).strip()
        text = render_message(message, cmd=cmd, dsid=dsid, inputs=ws.inputs, outputs=ws.outputs)
        git(ws.path, "commit", "-q", "--allow-empty", "-F", "-", stdin=text, private=True)
    gone = git(ws.path, "ls-files", "-z", "--deleted", private=True).strip("\0")
    if gone:
        git(ws.path, "rm", "-q", "--cached", "--sparse", "--", *gone.split("\0"), private=True)
        git(ws.path, "commit", "-q", "--amend", "--no-edit", private=True)
