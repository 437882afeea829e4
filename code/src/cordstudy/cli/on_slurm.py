"""`run --on slurm`: handing steps to a cluster, and following them.

Owns: what of a study and of `site.toml` becomes the request of a job; the lines.
Does not own: which steps are wanted (`readying`), jobs and the store (`provenance.cluster`).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import PROFILE, ROOT, SITE, called, logs_of
from cordstudy.cli.jobs import with_causes
from cordstudy.cli.progress import Progress
from cordstudy.cli.readying import have_images, have_sources, with_upstream
from cordstudy.cli.saying import say
from cordstudy.cli.site import Site, Slurm, read_site
from cordstudy.provenance.audit.reproduction import outputs_here
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling.content import annex_keys, get, keys_here, listed
from cordstudy.provenance.cluster import slurm, submitting
from cordstudy.provenance.cluster.states import JobState, job_states
from cordstudy.provenance.cluster.store import give, keys_in, keys_lacking, pull, push, store_of
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import Declared
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.inputs import prepare_dataset
from cordstudy.provenance.running.machine import Machine
from cordstudy.study.schema import Study
from cordstudy.study.step import Step, select

PROGRAM = submitting.Program(
    launcher=PROFILE.launcher,
    words=("job",),
    files=(f"{PROFILE.code}/", ".gitattributes", ".datalad/config"),
)
GPU = "gpu:1"
"""What a step asks for that a GPU is of use for, where `site.toml` does not say."""
LOOKS_S = 3.0
"""Between two looks at the queue."""
AWAY_S = 900.0
"""How long Slurm may give no answer while steps are followed."""


def read_slurm() -> tuple[Site, Slurm]:
    """What `site.toml` says of the machine and of the cluster. Raises StudyError where it says
    nothing of one."""
    site = read_site(SITE)
    if site.slurm is None:
        raise StudyError(
            f"{SITE} says nothing of a cluster", hint="a table [slurm]: code/docs/cluster.md"
        )
    return site, site.slurm


def request_of(step: Step, site: Site, cluster: Slurm) -> submitting.Request:
    """What the job of a step asks for. Raises StudyError for a GPU that nothing would use."""
    needs, said = step.needs, cluster.resources(step.command)
    cores = said.cores or needs.cores
    options = ["--nodes=1", "--ntasks=1", f"--cpus-per-task={cores}"]
    wants_gpu = needs.gpu and site.device.startswith("cuda")
    if needs.gpu and said.gres and not wants_gpu:
        raise StudyError(
            f"{SITE}: {step.name} is to have {said.gres}, and would not use it",
            hint='device = "cuda" above the tables; or leave gres out',
        )
    options.append(f"--mem={said.memory or f'{needs.memory_gb}G'}")
    options.append(f"--time={said.time or f'{needs.hours}:00:00'}")
    if said.partition:
        options.append(f"--partition={said.partition}")
    if said.account:
        options.append(f"--account={said.account}")
    if wants_gpu:
        options.append(f"--gres={said.gres or GPU}")
    return submitting.Request(cores, (*options, *said.options))


def print_requests(steps: Sequence[Step]) -> None:
    """Say what the job of each step would ask for."""
    site, cluster = read_slurm()
    for step in steps:
        say(f"{step.name:28} {shlex.join(request_of(step, site, cluster).options)}")


def run_on_slurm(
    study: Study,
    table: Sequence[Step],
    names: Sequence[str],
    machine: Machine,
    *,
    again: bool,
    wait: bool,
) -> None:
    """Submit a job for each step that is wanted and has none, and follow them if asked to.

    Of all steps, or of those named and what they build on: the ones that are not done. With `again`
    done ones too: those named, or all but what came back the same from a job since this commit.
    Raises StudyError where a followed step fails.
    """
    site, cluster = read_slurm()
    prepare_dataset(ROOT)
    store = store_of(ROOT)
    _say_came(pull(ROOT, store))
    desk = submitting.Desk(ROOT, store, branch=current_branch(ROOT), logs=logs_of(study.name))
    order = _Order(table, names, desk, again=again)
    have_sources(study, order.todo(), machine, jobs=1)
    have_images(study, order.todo())
    since = push(ROOT, store)
    if since != order.history.id:  # the sources have a pin now
        order = _Order(table, names, desk, again=again)
    todo = order.todo()
    say(order.summary())
    if todo:
        _give_what_is_read(store, todo, made=[*todo, *order.with_a_job()])
        ids = desk.hand_in(
            table,
            todo,
            since=since,
            records=order.records(),
            live=order.live,
            site=submitting.Site(cluster.scratch, site.device, cluster.setup, cluster.wrapper),
            program=PROGRAM,
            request=lambda step: request_of(step, site, cluster),
        )
        print_columns([(ids[step.name], step.name) for step in todo], header=("job", "step"))
    if wait:
        names_followed = {*order.live, *(step.name for step in todo)}
        followed = [step for step in table if step.name in names_followed]
        try:
            _follow(desk, table, followed)
        finally:
            _say_came(pull(ROOT, store))
    elif todo or order.live:
        say(f"\n{called(study.name, 'status')}: where they are")
        say(f"{called(study.name, 'store pull')}: brings here what has landed")


def _say_came(count: int) -> None:
    if count:
        say(f"{count} commits came from the store")


class _Order:
    """Which steps are wanted, of a table and of names in it, and which of them have a job."""

    def __init__(
        self,
        table: Sequence[Step],
        names: Sequence[str],
        desk: submitting.Desk,
        *,
        again: bool,
    ) -> None:
        self.table, self.names, self.desk, self.again = table, names, desk, again
        self.history = History(ROOT)
        self.by_step = states(ROOT, table, history=self.history)
        self.live = desk.live(slurm.queued())
        self.keys = keys_here(ROOT) | keys_in(desk.store)

    def todo(self) -> list[Step]:
        """The wanted steps that have no job."""
        return [step for step in self._wanted() if step.name not in self.live]

    def with_a_job(self) -> list[Step]:
        """The steps that have one."""
        return [step for step in self.table if step.name in self.live]

    def records(self) -> dict[str, str]:
        """The newest records of steps that are done."""
        return {name: one.commit for name, one in self.by_step.items() if one.word == "done"}

    def _wanted(self) -> list[Step]:
        chosen = select(self.table, self.names) if self.names else list(self.table)
        if not self.again:
            wanted = with_upstream(self.table, chosen)
            return [step for step in wanted if not self._is_done(step)]
        if not self.names:
            chosen = [step for step in chosen if not self._came_back(step)]
        return with_upstream(self.table, chosen, self._is_lacking)

    def _is_done(self, step: Step) -> bool:
        return self.by_step[step.name].word == "done"

    def _is_lacking(self, step: Step) -> bool:
        """Whether a step is not done, or its content is neither here nor in the store."""
        return not self._is_done(step) or not outputs_here(self.history, step, self.keys)

    def _came_back(self, step: Step) -> bool:
        """Whether a job has run a step again on what this commit holds, and it was the same."""
        if self._is_lacking(step):
            return False
        return self.desk.came_back(step.name, since=self.history.id)

    def summary(self) -> str:
        """How many steps are done, have a job, and are submitted now."""
        done = sum(self._is_done(step) for step in self.table)
        parts = [f"{done} of {len(self.table)} steps are done"]
        if self.again:
            back = sum(self._came_back(step) for step in self.table)
            parts.append(f"{back} came back the same")
        if self.live:
            parts.append(f"{len(self.live)} have a job")
        count = len(self.todo())
        parts.append(f"{count or 'nothing'} to submit")
        return "; ".join(parts)


def _give_what_is_read(store: Path, todo: Sequence[Step], *, made: Sequence[Step]) -> None:
    """Have the store hold what steps read that no job makes."""
    outputs = Declared([spec for step in made for spec in step.outputs])
    specs = sorted({spec for step in todo for spec in step.inputs})
    paths = [path for path in listed(ROOT, specs) if not outputs.covers(path)]
    keys = annex_keys(ROOT, paths, "--anything")
    lacking = keys_lacking(store, list(keys.values()))
    wanted = [path for path, key in keys.items() if key in lacking]
    get(ROOT, wanted)
    give(ROOT, store, wanted)


def _follow(desk: submitting.Desk, table: Sequence[Step], followed: Sequence[Step]) -> None:
    """Say when each step starts and ends, until all have. Raises StudyError where one failed."""
    ended: dict[str, JobState] = {}
    begun: dict[str, float] = {}

    def more(name: str) -> Iterator[str]:
        if ended[name].word in ("failed", "cancelled"):
            yield from (inline(line) for line in ended[name].told)

    with Progress(followed, {}, jobs=len(followed) or 1, more=more) as report:
        while len(ended) < len(followed):
            jobs = job_states(desk.logs, desk.jobs, _queue_when_it_answers())
            by_step = with_causes(desk.logs, table, jobs)
            for name in (step.name for step in followed if step.name not in ended):
                state, now = by_step[name], time.monotonic()
                if state.word not in ("pending", "cancelled") and name not in begun:
                    begun[name] = now
                    report(name, "runs", 0.0)
                if state.is_over:
                    ended[name] = state
                    report(name, state.word, now - begun.get(name, now))
            if len(ended) < len(followed):
                time.sleep(LOOKS_S)
    _raise_for_failures(desk.logs.name, ended)


def _raise_for_failures(study: str, ended: Mapping[str, JobState]) -> None:
    by_word: dict[str, list[str]] = {"failed": [], "cancelled": []}
    for name, state in ended.items():
        if state.word in by_word:
            by_word[state.word].append(name)
    told = [f"{len(names)} {word}, {names[0]} first" for word, names in by_word.items() if names]
    if told:
        raise StudyError(
            f"of {len(ended)} steps {'; '.join(told)}",
            hint=f"{called(study, 'status')} says why; "
            f"{called(study, 'run --on slurm')} submits what is missing",
        )


def _queue_when_it_answers() -> Mapping[str, slurm.QueuedJob]:
    """What Slurm says of jobs, as soon as it says anything: its controller may be restarted."""
    until = time.monotonic() + AWAY_S
    while True:
        try:
            return slurm.queued()
        except StudyError:
            if time.monotonic() > until:
                raise
        time.sleep(LOOKS_S)
