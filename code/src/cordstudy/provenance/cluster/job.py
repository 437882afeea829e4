"""What a job does on its node: one step in a workspace, whose record lands in the store.

Owns: that a step runs once what it builds on has landed, that of several tries of it one lands, and
what follows a time limit.
Does not own: the workspace and the record (`running`), or submitting (`submitting`).

A node may be lost at any time and the job run anew on another, or its orphan run on beside it.
Nothing here trusts that it is alone: the store's branch moves by compare-and-swap, and a step that
has landed lands no second time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from cordstudy.base.errors import StudyError, inline
from cordstudy.provenance.calling.content import pathspecs
from cordstudy.provenance.calling.gitannex import git, gitlinks, head, stop_all
from cordstudy.provenance.cluster.endings import DONE, Ending, Word, leave, left
from cordstudy.provenance.cluster.leftovers import (
    alone,
    clear_node,
    content_is_there,
    refs_of_tries,
)
from cordstudy.provenance.cluster.patience import patiently, reachable
from cordstudy.provenance.cluster.slurm import Job
from cordstudy.provenance.cluster.store import index_packs
from cordstudy.provenance.cluster.submission import JobStep, Submission
from cordstudy.provenance.history.records import RunRecord, join
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.running.kept import (
    Kept,
    NotLanded,
    bring_home,
    copy_content,
    finished,
    keep,
    record_at,
)
from cordstudy.provenance.running.landing import OtherResult, land
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import finished_step, left_behind, remove_tree
from cordstudy.provenance.running.outcome import changed_outputs
from cordstudy.provenance.running.runner import ending_together, forget_progress, ran
from cordstudy.provenance.running.trees import changed_paths
from cordstudy.provenance.running.workspace import ALWAYS, Workspace, by_dataset

TIME_IS_UP = signal.SIGUSR1
"""What Slurm sends the job some time before its limit."""
SEEN_S = 60.0
"""How long a file that another node wrote may take to be seen here."""
REQUEUE_S = 60.0
"""How long Slurm may not answer a job that is to be queued again, of the time it has left."""


def run_job(submission: Submission, name: str, job: Job, after: Sequence[str] = ()) -> str:
    """Run one step of a submission as a job; in a word how it ended (`endings`).

    `after` are the jobs of the steps that it builds on, in their order. Raises StudyError as
    `runner.run_step` does. Near its time limit a step that has come further since the job started
    is put in the queue again, to go on from there.
    """
    running = _Running(submission, submission.step(name), job, after)
    running.note("running")
    try:
        with ending_together(), _heeding_the_limit(running):
            word, told = running.run()
    except Exception as error:
        known = isinstance(error, StudyError)
        running.note("failed", str(error) if known else f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        running.note("stopped", running.why_it_stopped)
        raise
    running.note(word, told)
    return word


def _say(line: str) -> None:
    print(line, flush=True)


class _Running:
    """One step as it is run by a job."""

    def __init__(
        self, submission: Submission, step: JobStep, job: Job, after: Sequence[str]
    ) -> None:
        self.submission, self.step, self.job, self.after = submission, step, job, after
        self.store = submission.store
        self.name = f"{submission.logs.name}.{step.name}"
        self.began = time.time()
        self.came_from: tuple[str, ...] = ()
        self.is_finished = False
        """Whether the step itself is, and what is left is to bring home what it made."""
        self.is_up = False
        self.why_it_stopped = "it was told to end"

    @cached_property
    def machine(self) -> Machine:
        """This node, as this try of the step sees it."""
        return Machine(
            scratch=_own_folder(self.submission.scratch),
            logs=self.submission.logs,
            workers=self.step.workers,
            device=self.submission.device,
            attempt=f"{self.job.id}.{self.job.restarts}",
        )

    def note(self, word: Word, told: str = "") -> None:
        """Leave word for whoever looks; a step is no worse for it where that cannot be done."""
        ending = Ending(
            job=self.job.id,
            start=int(self.job.restarts),
            node=self.job.node,
            word=word,
            told=told,
            began=self.began,
        )
        try:
            leave(self.submission.logs, self.step.name, ending)
        except OSError as error:
            print(f"no word of it could be left: {error}", file=sys.stderr)

    def progress(self) -> tuple[str, ...]:
        """What the step would go on from."""
        folder = self.machine.progress(self.step.name)
        return tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pth")))

    def run(self) -> tuple[Word, str]:
        """Run the step, unless another try of it has landed; how it ended, and what is told."""
        self.came_from = self.progress()
        patiently(self.store, self._check_what_it_builds_on, say=_say)
        with alone(self.machine.scratch, self.name):
            self._land_what_was_finished()
            commit = patiently(self.store, self._landed_now, say=_say)
            ending: tuple[Word, str] = ("landed", commit)
            if not commit:
                ending = self._run_or_be_outrun()
            forget_progress(self.step, machine=self.machine)
            self._tidy(self._remove_refs)
        self._tidy(self._clear_node)
        return ending

    def _tidy(self, clear: Callable[[], None]) -> None:
        """Clear what nobody needs any more: the step is over, whether that can be done or not."""
        try:
            patiently(self.store, clear, say=_say)
        except (StudyError, OSError) as error:
            _say(f"not all could be cleared: {inline(str(error))}")

    def _run_or_be_outrun(self) -> tuple[Word, str]:
        """Run the step. Where that fails and another try of it has landed meanwhile, that stands,
        but for two tries that gave different outputs."""
        try:
            return self._run()
        except StudyError as error:
            if isinstance(error.__cause__, OtherResult):
                self._tidy(self._remove_refs)
                raise
            commit = patiently(self.store, self._landed_now, say=_say)
            if not commit:
                raise
            _say(f"another try of it has landed: {inline(str(error))}")
            return "landed", commit

    def _run(self) -> tuple[Word, str]:
        with ExitStack() as stack:
            ws = patiently(self.store, lambda: stack.enter_context(self._ran()), say=_say)
            self.is_finished = True
            if self._is_same(ws):
                patiently(self.store, lambda: copy_content(ws.path, ws.outputs), say=_say)
                word: Word = "same"
                told = self.step.record
            else:
                kept = patiently(self.store, lambda: _kept(ws), say=_say)
                word, told = "landed", patiently(self.store, lambda: self._land(kept), say=_say)
            patiently(self.store, stack.close, say=_say)
        index_packs(self.store)
        return word, told

    @contextmanager
    def _ran(self) -> Iterator[Workspace]:
        with ran(
            self.store,
            self.step,
            machine=self.machine,
            branch=self.submission.branch,
            anew=bool(self.step.record),
            sources=self.submission.study,
        ) as ws:
            yield ws

    def _is_same(self, ws: Workspace) -> bool:
        """Whether a done step read what its record says it did, and gave the same again."""
        if not self.step.record or self._moved_inputs(ws.base):
            return False
        return not changed_outputs(ws, ws.base)

    def _moved_inputs(self, base: str) -> list[str]:
        """The inputs that are others than when the step was found to be done."""
        then = self.submission.since
        links, links_then = gitlinks(self.store, base), gitlinks(self.store, then)
        per_link, own = by_dataset(self.step.inputs, links)
        moved = changed_paths(self.store, then, base, pathspecs([*ALWAYS, *own]))
        return moved + [link for link in per_link if links[link] != links_then.get(link)]

    def _land(self, kept: Kept) -> str:
        return land(self.store, kept, branch=self.submission.branch, twin=self._landed)

    def _landed_now(self) -> str:
        return self._landed(head(self.store, self.submission.branch))

    def _landed(self, tip: str) -> str:
        """The commit by which this step has landed since it was submitted; empty for none."""
        return landed(self.store, self.step, self.submission.since, tip)

    def _check_what_it_builds_on(self) -> None:
        """Raise StudyError unless all that the step waits for has landed: Slurm lets a job start
        whose dependency it has forgotten."""
        until = time.monotonic() + SEEN_S
        for number, name in enumerate(self.step.after):
            jobs = self.after[number : number + 1]
            while not self._is_ready(name, jobs):
                if time.monotonic() > until:
                    raise StudyError(
                        f"{name}, which it builds on, has not landed",
                        hint="code/study run --on slurm submits what is missing",
                    )
                time.sleep(1.0)

    def _is_ready(self, name: str, jobs: Sequence[str]) -> bool:
        """Whether a step has landed: as its job says, or as the store shows."""
        for job in jobs:
            ending = left(self.submission.logs, name, job)
            if ending and ending.word in DONE:
                return True
        return self._is_over(f"{self.submission.logs.name}.{name}")

    def _is_over(self, name: str) -> bool:
        """Whether a step of this submission, by its full name, has landed."""
        tip = head(self.store, self.submission.branch)
        for step in self.submission.steps:
            if f"{self.submission.logs.name}.{step.name}" == name:
                return bool(landed(self.store, step, self.submission.since, tip))
        return False

    def _land_what_was_finished(self) -> None:
        """Bring in what an earlier try of the step had finished here, or had brought home, and
        clear what else it left here."""
        study = self.submission.study
        for folder in left_behind(study, self.machine.scratch, step=self.name):
            if finished_step(folder):
                patiently(self.store, lambda: bring_home(self.store, folder), say=_say)  # noqa: B023
            remove_tree(folder)
        patiently(self.store, self._land_what_is_kept, say=_say)

    def _land_what_is_kept(self) -> None:
        """Land what the store keeps of the step, whole, and made of what it reads now.

        What is not whole may be on its way, by a try that is at work elsewhere. The step runs anew
        where its outputs were changed since.
        """
        own = refs_of_tries(self.store, self.name)
        for kept in finished(self.store, among=own):
            if self._is_of_now(kept) and content_is_there(self.store, kept):
                try:
                    self._land(kept)
                except NotLanded as error:
                    if not reachable(self.store):
                        raise
                    _say(f"what was kept of it is of no use: {inline(str(error))}")

    def _is_of_now(self, kept: Kept) -> bool:
        """Whether a finished step is this one, and read what it reads."""
        declared = (self.step.inputs, self.step.outputs)
        is_own = kept.record.cmd == join(self.step.argv) and _paths(kept.record) == declared
        return is_own and not self._moved_inputs(kept.base)

    def _clear_node(self) -> None:
        clear_node(self.submission.study, self.machine.scratch, over=self._is_over)

    def _remove_refs(self) -> None:
        """Remove what the store still keeps of tries of the step: it is done."""
        for ref in refs_of_tries(self.store, self.name):
            git(self.store, "update-ref", "-d", ref)


def _kept(ws: Workspace) -> Kept:
    """Bring a finished step home, again where that was cut short."""
    return bring_home(ws.dataset, ws.folder) if finished_step(ws.folder) else keep(ws)


def _own_folder(told: str) -> Path:
    """This program's own folder in a node's scratch."""
    expanded = Path(os.path.expandvars(told)).expanduser()
    if "$" in str(expanded) or not expanded.is_absolute():
        raise StudyError(
            f"scratch of Slurm jobs: {told!r} is {str(expanded)!r} on this node, no absolute path",
            hint="site.toml: [slurm] scratch",
        )
    folder = expanded / f"{NAME}-{os.getuid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"scratch of Slurm jobs: no folder can be made in {str(expanded)!r}: {error}",
            hint="site.toml: [slurm] scratch",
        ) from error
    return folder


def landed(store: Path, step: JobStep, since: str, tip: str) -> str:
    """The newest commit after one that records a step as it is, on the way to a tip; empty for
    none."""
    command = join(step.argv)
    written = json.dumps(command, ensure_ascii=False)[1:-1]  # as it stands in a record
    options = ("--fixed-strings", f"--grep={written}", "--format=%H")
    for commit in git(store, "log", *options, f"{since}..{tip}").split():
        try:
            record = record_at(store, commit)
        except StudyError:
            continue
        if record.cmd == command and _paths(record) == (step.inputs, step.outputs):
            return commit
    return ""


def _paths(record: RunRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a record read and wrote, as declared."""
    return record.from_root(record.inputs), record.from_root(record.outputs)


@contextmanager
def _heeding_the_limit(running: _Running) -> Iterator[None]:
    """End the step when its time is up, and put the job in the queue again where that is of use."""

    def up(*_: object) -> None:
        if running.is_finished:
            _say("its time is nearly up; what it made is brought home")
            return
        running.is_up = True
        running.why_it_stopped = "its time was up"
        stop_all()
        raise SystemExit(128 + TIME_IS_UP)

    before = signal.signal(TIME_IS_UP, up)
    try:
        yield
    except BaseException:
        if running.is_up:
            _queue_again(running)
        raise
    finally:
        signal.signal(TIME_IS_UP, before)


def _queue_again(running: _Running) -> None:
    """Put the job in the queue again. Raises StudyError where it came no further in its time, and
    where Slurm does not take it."""
    if running.progress() == running.came_from:
        raise StudyError(
            "its time was up, and it had come no further than it was",
            hint="give it more time: site.toml, [slurm.<command>] time",
        )
    running.why_it_stopped = "its time was up; it goes on from where it was"
    running.note("stopped", running.why_it_stopped)
    _say("its time is up: it goes on from where it was as soon as it is its turn again")
    until = time.monotonic() + REQUEUE_S
    while True:
        argv = ["scontrol", "requeue", running.job.id]
        done = subprocess.run(argv, capture_output=True, text=True)
        if not done.returncode:
            return
        if time.monotonic() > until:
            raise StudyError(
                f"its time was up, and Slurm does not queue it again: {done.stderr.strip()}",
                hint="code/study run --on slurm submits it; it goes on from where it was",
            )
        time.sleep(1.0)
