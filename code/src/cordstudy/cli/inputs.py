"""`inputs`, `inputs get` and `inputs pin`: the sources of a study, having and pinning them.

Owns: the table of sources, installing them one by one, and which of their files a study uses.
Does not own: installing itself (`provenance.running`), or finding cases
(`pipeline.sources.finding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import click
from tqdm import tqdm

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean
from cordstudy.cli.columns import print_columns
from cordstudy.cli.groups import Group, complete_dataset
from cordstudy.cli.here import ROOT, called, read_machine
from cordstudy.cli.phantoms import phantom_recipe
from cordstudy.cli.readiness import settle_who_commits
from cordstudy.cli.saying import say
from cordstudy.pipeline.sources.cases import Case
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.inputs import (
    MadeOtherwise,
    Source,
    get_files,
    get_source,
    pin_source,
    prepare_dataset,
    source_state,
)
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import sole_run
from cordstudy.provenance.running.subdatasets import is_at_pin, is_installed
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of
from cordstudy.study.schema import Study
from cordstudy.study.source_files import participant_files, sidecar_files

HEADER = ("dataset", "role", "path", "pinned", "installed", "content", "cases", "access")

Fault = tuple[str, StudyError]
"""A source that could not be had, by the dataset's name, and why."""


def sources_of(study: Study) -> list[Source]:
    """The sources of a study as `provenance` knows them."""
    sources = []
    for name, dataset in study.datasets.items():
        recipe = phantom_recipe(dataset)
        sources.append(Source(name, dataset.path, ask=dataset.ask or "", recipe=recipe))
    return sources


def check_dataset(study: Study, name: str) -> str:
    """The name of a dataset. Raises StudyError for one that the study does not have."""
    if name not in study.datasets:
        near = did_you_mean(name, study.datasets)
        known = ", ".join(study.datasets)
        raise StudyError(f"there is no dataset {name!r}", hint=f"{near}one of: {known}")
    return name


def find(study: Study, name: str) -> list[Case]:
    """The cases of an installed source."""
    from cordstudy.pipeline.sources.finding import find_cases  # bids2table: half a second

    cases, _ = find_cases(ROOT, rules_of(study, name))
    return cases


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def inputs(context: click.Context) -> None:
    """Show the sources: role, access, pinned commit, installed, content present, cases found.

    \b
    Examples:
      code/study inputs
      code/study --study public inputs get --content
    """
    if context.invoked_subcommand:
        return
    study = load_study(ROOT, context.obj)
    print_columns([_row(study, source) for source in sources_of(study)], header=HEADER)


def _row(study: Study, source: Source) -> tuple[str, ...]:
    dataset = study.datasets[source.name]
    state = source_state(ROOT, source)
    start = (source.name, dataset.role, source.path, state.pin[:8] or "not")
    if not state.installed:
        return (*start, "no", "", "", dataset.access)
    installed = "yes" if state.installed == state.pin else f"at {state.installed[:8]}"
    content = f"{state.present} of {state.files} files"
    try:
        cases = str(len(find(study, source.name)))
    except StudyError as error:
        cases = f"none: see {called(study.name, 'cases')}"
        say(f"warning: {error}", err=True)
    return (*start, installed, content, cases, dataset.access)


@inputs.command("get")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_dataset)
@click.option("--content", is_flag=True, help="Fetch the images and masks that the study uses.")
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Sources at a time."
)
@click.pass_obj
def inputs_get(name: str, names: tuple[str, ...], content: bool, jobs: int) -> None:
    """Install sources at their pin, all or by NAME; phantom ones are made here.

    A source that cannot be had is named at the end; the others are installed all the same.

    \b
    Examples:
      code/study inputs get epi
      code/study --study public inputs get --content
    """
    study = load_study(ROOT, name)
    chosen = tuple(check_dataset(study, wanted) for wanted in names)
    wanted = chosen or tuple(study.datasets)
    machine = read_machine(name, jobs)
    current_branch(ROOT)
    settle_who_commits()
    with sole_run(ROOT, machine):
        prepare_dataset(ROOT)
        faults = get_each(study, machine, jobs=jobs, only=wanted)
        if content:
            failed = {source for source, _ in faults}
            faults += _get_contents(study, [source for source in wanted if source not in failed])
    raise_for_faults(faults, of=len(wanted))


def raise_for_faults(faults: Sequence[Fault], *, of: int) -> None:
    """Raise StudyError where one of so many sources could not be had at its pin."""
    if not faults:
        return
    if of == 1:
        (source, error), *_ = faults
        raise StudyError(f"{source}: {error}", hint=error.hint)
    lines = [f"\n  {source}: {error}\n    hint: {error.hint}" for source, error in faults]
    here = len({source for source, _ in faults}) < of
    raise StudyError(
        f"{len(faults)} of {of} sources could not be had at their pin:{''.join(lines)}",
        hint="the other sources are here" if here else "none of them is here at its pin",
    )


@inputs.command("pin")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_dataset)
@click.pass_obj
def inputs_pin(name: str, names: tuple[str, ...]) -> None:
    """Commit sources that are made here as their pins; all that are here, or NAMEs.

    Nothing else moves a pin: where a phantom comes out other than pinned (another kind of machine,
    or code that changed), this makes what is here what the steps read, and they are stale.

    \b
    Example:
      code/study inputs pin epi
    """
    study = load_study(ROOT, name)
    chosen = [check_dataset(study, wanted) for wanted in names]
    current_branch(ROOT)
    for source in sources_of(study):
        is_here = source.recipe is not None and is_installed(ROOT, source)
        if source.name in chosen or (not chosen and is_here):
            before, now = pin_source(ROOT, source)
            moved = f"{before[:12] or 'nothing'} -> {now[:12]}" if before != now else "as it was"
            say(f"pinned  {source.path} {moved}")


def _get_contents(study: Study, names: Sequence[str]) -> list[Fault]:
    """Have the content of sources here; what went wrong, by source."""
    faults = []
    for name in names:
        try:
            get_content(study, name)
        except StudyError as error:
            faults.append((name, error))
    return faults


def get_content(study: Study, name: str) -> None:
    """Have the images and masks of a study's cases here.

    Raises StudyError for what is not to be had.
    """
    source = next(source for source in sources_of(study) if source.name == name)
    dataset = study.datasets[name]
    text = [*participant_files(dataset), *sidecar_files(dataset)]
    fetched = get_files(ROOT, source, text=text, files=[])
    paths = []
    for case in find(study, name):
        paths += [case.image, case.mask]
    fetched += get_files(ROOT, source, text=[], files=paths)
    if fetched:
        say(f"got     {fetched} files of {source.path}")


def get_sources(study: Study, machine: Machine, *, jobs: int, only: Sequence[str]) -> None:
    """Install what is not; raises StudyError for the first source that cannot be had."""
    for _, error in get_each(study, machine, jobs=jobs, only=only):
        raise error


def get_each(study: Study, machine: Machine, *, jobs: int, only: Sequence[str]) -> list[Fault]:
    """Install what is not, `jobs` at a time; what went wrong, by source."""
    lacking = []
    for source in sources_of(study):
        if source.name in only and not is_at_pin(ROOT, source):
            lacking.append(source)

    def get(source: Source) -> tuple[Source, str | StudyError]:
        try:
            word = get_source(ROOT, source, machine=machine)
        except StudyError as error:
            return source, error
        return source, word

    faults: list[Fault] = []
    with ThreadPoolExecutor(jobs) as pool:
        bar = tqdm(
            pool.map(get, lacking),
            total=len(lacking),
            desc="sources",
            unit="source",
            disable=None,
            leave=False,
        )
        for source, outcome in bar:
            if isinstance(outcome, StudyError):
                faults.append((source.name, outcome))
                outcome = "other" if isinstance(outcome, MadeOtherwise) else "failed"
            bar.write(f"{outcome:7} {source.path}")
    return faults
