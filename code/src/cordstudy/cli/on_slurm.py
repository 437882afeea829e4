"""`run --on slurm`: handing steps to a cluster, and following them.

Owns: what of a study and of `site.toml` becomes the request of a job; the lines.
Does not own: which steps are wanted (`readying`), jobs and the store (`provenance.cluster`).
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import PROFILE, ROOT, SITE, logs_of
from cordstudy.cli.progress import Progress
from cordstudy.cli.readying import have_images, have_sources, with_upstream
from cordstudy.cli.saying import say
from cordstudy.cli.site import Site, Slurm, read_site
from cordstudy.provenance.audit.reproduction import outputs_here
from cordstudy.provenance.audit.status import State, states
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
from cordstudy.study.step import Step

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
    """What the job of a step asks for."""
    needs, said = step.needs, cluster.resources(step.command)
    cores = said.cores or needs.cores
    options = ["--nodes=1", "--ntasks=1", f"--cpus-per-task={cores}"]
    options.append(f"--mem={said.memory or f'{needs.memory_gb}G'}")
    options.append(f"--time={said.time or f'{needs.hours}:00:00'}")
    if said.partition:
        options.append(f"--partition={said.partition}")
    if said.account:
        options.append(f"--account={said.account}")
    if needs.gpu and site.device.startswith("cuda"):
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
    chosen: Sequence[Step],
    machine: Machine,
    *,
    again: bool,
    wait: bool,
) -> None:
    """Submit a job for each step that is wanted, and follow them if asked to.

    The steps that are not done, of the chosen ones and of what they build on; with `again` the
    chosen ones, done or not. Raises StudyError where a followed step fails.
    """
    site, cluster = read_slurm()
    prepare_dataset(ROOT)
    store = store_of(ROOT)
    came = pull(ROOT, store)
    if came:
        say(f"{came} commits came from the store")
    desk = submitting.Desk(ROOT, store, branch=current_branch(ROOT), logs=logs_of(study.name))
    live = desk.live(slurm.queued())
    have_sources(study, table, machine, jobs=1)
    history = History(ROOT)
    by_step = states(ROOT, table, history=history)
    keys = keys_here(ROOT) | keys_in(store)

    def lacking(step: Step) -> bool:
        return by_step[step.name].word != "done" or not outputs_here(history, step, keys)

    wanted = _wanted(table, chosen, by_step, again=again, lacking=lacking)
    todo = [step for step in wanted if step.name not in live]
    say(_summary(table, by_step, live, todo))
    if todo:
        have_images(study, todo)
        since = push(ROOT, store)
        _give_what_is_read(table, todo, live)
        ids = desk.hand_in(
            table,
            todo,
            since=since,
            records={name: one.commit for name, one in by_step.items() if one.word == "done"},
            live={name: job for name, job in live.items() if name not in {s.name for s in todo}},
            site=submitting.Site(cluster.scratch, site.device, cluster.setup, cluster.wrapper),
            program=PROGRAM,
            request=lambda step: request_of(_named(table, step.name), site, cluster),
            report=lambda _: None,
        )
        print_columns([(ids[step.name], step.name) for step in todo], header=("job", "step"))
    if wait:
        _follow(desk, [step for step in table if step in todo or step.name in live])
        say(f"{pull(ROOT, store)} commits came from the store")
    elif todo or live:
        say("\ncode/study status         where they are")
        say("code/study store pull     brings here what has landed")


def _named(table: Sequence[Step], name: str) -> Step:
    return next(step for step in table if step.name == name)


def _wanted(
    table: Sequence[Step],
    chosen: Sequence[Step],
    by_step: Mapping[str, State],
    *,
    again: bool,
    lacking: Callable[[Step], bool],
) -> list[Step]:
    """The steps to submit, but for those that have a job."""
    if again:
        return with_upstream(table, chosen, lacking)
    return [step for step in with_upstream(table, chosen) if by_step[step.name].word != "done"]


def _summary(
    table: Sequence[Step],
    by_step: Mapping[str, State],
    live: Mapping[str, str],
    todo: Sequence[Step],
) -> str:
    """How many steps are done, have a job, and are submitted now."""
    done = sum(by_step[step.name].word == "done" for step in table)
    parts = [f"{done} of {len(table)} steps are done"]
    if live:
        parts.append(f"{len(live)} have a job")
    parts.append(f"{len(todo)} are submitted" if todo else "nothing to submit")
    return "; ".join(parts)


def _give_what_is_read(
    table: Sequence[Step], todo: Sequence[Step], live: Mapping[str, str]
) -> None:
    """Have the store hold what the steps read that no job makes."""
    made = [step for step in table if step in todo or step.name in live]
    outputs = Declared([spec for step in made for spec in step.outputs])
    specs = sorted({spec for step in todo for spec in step.inputs})
    paths = [path for path in listed(ROOT, specs) if not outputs.covers(path)]
    keys = annex_keys(ROOT, paths, "--anything")
    lacking = keys_lacking(store_of(ROOT), list(keys.values()))
    wanted = [path for path, key in keys.items() if key in lacking]
    get(ROOT, wanted)
    give(ROOT, store_of(ROOT), wanted)


def _follow(desk: submitting.Desk, followed: Sequence[Step]) -> None:
    """Say when each step starts and ends, until all have. Raises StudyError where one failed."""
    failed: dict[str, JobState] = {}

    def more(name: str) -> Iterator[str]:
        if name in failed:
            yield from (inline(line) for line in failed[name].told)

    waiting = [step.name for step in followed]
    begun: dict[str, float] = {}
    with Progress(followed, {}, jobs=len(followed) or 1, more=more) as report:
        while waiting:
            by_step = job_states(desk.logs, desk.jobs, _queue_when_it_answers())
            for name in list(waiting):
                state = by_step[name]
                if state.word != "pending" and name not in begun:
                    begun[name] = time.monotonic()
                    report(name, "runs", 0.0)
                if state.is_over:
                    waiting.remove(name)
                    if state.word == "failed":
                        failed[name] = state
                    report(name, state.word, time.monotonic() - begun[name])
            if waiting:
                time.sleep(LOOKS_S)
    if failed:
        raise StudyError(
            f"{len(failed)} of {len(followed)} steps failed, the first {next(iter(failed))}",
            hint="code/study status says why; code/study run --on slurm submits what is missing",
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
