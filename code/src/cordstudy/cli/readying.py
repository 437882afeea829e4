"""What must be so before steps of a study run: for `run` and `reproduce`.

Owns: a clean tree, parameter files as the TOML says, finished steps landed, the sources here; and
which steps are wanted.
Does not own: steps (`study.steps`), their execution and state (`provenance`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT
from cordstudy.cli.inputs import get_content, get_sources
from cordstudy.cli.readiness import settle_who_commits
from cordstudy.cli.saying import say
from cordstudy.provenance.audit.reproduction import outputs_here
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling.content import keys_here
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import Meetings
from cordstudy.provenance.running import runner
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.inputs import prepare_dataset
from cordstudy.provenance.running.landing import commit_files
from cordstudy.provenance.running.machine import Machine
from cordstudy.study.parameters import parameter_files
from cordstudy.study.schema import Study
from cordstudy.study.step import Step


@contextmanager
def at_work(study: Study, table: Sequence[Step], machine: Machine) -> Iterator[None]:
    """Hold the right to run the steps of a study, whose parameters are then up to date and whose
    finished steps have landed."""
    check_promise(table, machine)
    _check_release(study)
    current_branch(ROOT)
    settle_who_commits()
    runner.check_clean(ROOT)
    with runner.sole_run(ROOT, machine):
        _commit_parameters(study)
        undone = {step.name for step in not_done(table, table)}
        done = {step.name for step in table} - undone
        runner.land_finished(ROOT, table, done=done, machine=machine, report=_say_landed)
        yield


def check_promise(table: Sequence[Step], machine: Machine) -> None:
    """Raise StudyError where steps that promise the same bytes on any processor would run on a
    GPU, which does not keep that."""
    device = machine.device or os.environ.get("CORDSTUDY_DEVICE", "")
    promised = [step.name for step in table if step.needs.gpu and step.identical == "anywhere"]
    if device.startswith("cuda") and promised:
        raise StudyError(
            f"{promised[0]} promises the same bytes on any processor, and the device is {device}",
            hint='set identical = "here" in [train] (a release: [unpack]) of its TOML, or no GPU',
        )


def _check_release(study: Study) -> None:
    """Raise StudyError where the release that a study judges is in no commit."""
    path = study.given.path if study.given else ""
    if not path or git(ROOT, "ls-tree", "--name-only", "HEAD", "--", path).strip():
        return
    quoted = shlex.quote(path)
    hint = f"datalad download-url --path {quoted} URL, or correct the path"
    if (ROOT / path).exists():
        hint = f"datalad save -m {shlex.quote(f'Add {path}')} {quoted}"
    raise StudyError(f"models: no commit here has {path}", hint=hint)


def _say_landed(step: str, event: str, _: float) -> None:
    say(f"{event:7} {step}, which was finished")


def _commit_parameters(study: Study) -> None:
    """Bring the parameter files up to date with the study's TOML, in a commit of their own."""
    changed = {}
    for path, content in parameter_files(study).items():
        if not (ROOT / path).is_file() or (ROOT / path).read_text() != content:
            changed[path] = content
    if changed:
        message = f"chore({study.name}): render the parameters of the study"
        commit_files(ROOT, lambda _: changed, message)


def have_sources(study: Study, todo: Sequence[Step], machine: Machine, *, jobs: int) -> None:
    """Have the sources that steps read installed here."""
    prepare_dataset(ROOT)
    get_sources(study, machine, jobs=jobs, only=_sources_of(study, todo))


def _sources_of(study: Study, wanted: Sequence[Step]) -> tuple[str, ...]:
    """The datasets that steps read."""
    specs = {spec for step in wanted for spec in step.inputs}
    names = []
    for name, dataset in study.datasets.items():
        if any(spec.startswith(f"{dataset.path}/") for spec in specs):
            names.append(name)
    return tuple(names)


def have_images(study: Study, todo: Sequence[Step]) -> None:
    """Have the images and masks here that steps convert."""
    for step in todo:
        if step.command == "convert":
            get_content(study, step.of)


def not_done(table: Sequence[Step], wanted: Sequence[Step]) -> list[Step]:
    """Those of the wanted steps that are not done, by the history alone."""
    by_step = states(ROOT, table)
    return [step for step in wanted if by_step[step.name].word != "done"]


def with_upstream(
    table: Sequence[Step],
    chosen: Sequence[Step],
    lacking: Callable[[Step], bool] = lambda _: True,
) -> list[Step]:
    """The chosen steps and, of all that they build on, those that are lacking, in order."""
    needed, read = {step.name for step in chosen}, Meetings[str]()
    for step in chosen:
        for spec in step.inputs:
            read.add(spec, step.name)
    for step in reversed(table):
        is_read = any(True for output in step.outputs for _ in read.met_by(output))
        if step.name in needed or not is_read or not lacking(step):
            continue
        needed.add(step.name)
        for spec in step.inputs:
            read.add(spec, step.name)
    return [step for step in table if step.name in needed]


def wanted_again(table: Sequence[Step], chosen: Sequence[Step]) -> list[Step]:
    """The chosen steps and what they build on that is not done, or whose content is not here."""
    prepare_dataset(ROOT)
    history = History(ROOT)
    by_step = states(ROOT, table, history=history)
    keys = keys_here(ROOT)

    def lacking(step: Step) -> bool:
        return by_step[step.name].word != "done" or not outputs_here(history, step, keys)

    return with_upstream(table, chosen, lacking)


def recorded_seconds(steps: Sequence[Step], history: History) -> dict[str, float]:
    """How long steps took when they were last recorded, by name, where that was measured."""
    newest: dict[tuple[str, ...], float] = {}
    for commit in history.records:
        if commit.record.resources:
            outputs = commit.record.from_root(commit.record.outputs)
            newest.setdefault(outputs, commit.record.resources["wall_s"])
    return {step.name: newest[step.outputs] for step in steps if step.outputs in newest}
