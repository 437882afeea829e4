"""`inputs` and `inputs get`: the sources of a study, and having them here.

Owns: the table of sources, installing them one by one, and which of their files a study uses.
Does not own: installing itself (`provenance.sources`), or finding cases (`pipeline.bids`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import click
from tqdm import tqdm

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT, read_machine
from cordstudy.cli.saying import say
from cordstudy.pipeline.sources.cases import Case
from cordstudy.provenance.calling.gitannex import gitlinks
from cordstudy.provenance.running import runner as running
from cordstudy.provenance.running import subdatasets as sources
from cordstudy.provenance.running.landing import current_branch
from cordstudy.provenance.running.machine import Machine
from cordstudy.study import steps as table
from cordstudy.study.closure import code_files
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of
from cordstudy.study.schema import Study


def sources_of(study: Study) -> list[sources.Source]:
    """The sources of a study as `provenance.sources` knows them."""
    code = code_files("phantom")
    return [
        sources.Source(name, dataset.path, phantom, code if phantom else (), dataset.ask or "")
        for name, dataset in study.datasets.items()
        for phantom in [table.phantom_arguments(dataset)]
    ]


def check_dataset(study: Study, name: str) -> str:
    """The name of a dataset. Raises StudyError for one that the study does not have."""
    if name not in study.datasets:
        raise StudyError(
            f"there is no dataset {name!r}", hint=f"one of: {', '.join(study.datasets)}"
        )
    return name


def find(study: Study, name: str) -> list[Case]:
    """The cases of an installed source."""
    from cordstudy.pipeline.sources.finding import find_cases  # bids2table: half a second

    return find_cases(ROOT, rules_of(study, name))[0]


@click.group(invoke_without_command=True)
@click.pass_context
def inputs(context: click.Context) -> None:
    """Show the sources: role, access, pinned commit, installed, content present, cases found."""
    if context.invoked_subcommand:
        return
    study = load_study(ROOT, context.obj)
    header = ("dataset", "role", "path", "pinned", "installed", "content", "cases", "access")
    rows = [header, *(_row(study, source) for source in sources_of(study))]
    widths = [max(len(row[n]) for row in rows) for n in range(len(header))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _row(study: Study, source: sources.Source) -> tuple[str, ...]:
    dataset = study.datasets[source.name]
    state = sources.source_state(ROOT, source)
    start = (source.name, dataset.role, source.path, state.pin[:8] or "not")
    if not state.installed:
        return (*start, "no", "", "", dataset.access)
    installed = "yes" if state.installed == state.pin else f"at {state.installed[:8]}"
    try:
        cases = str(len(find(study, source.name)))
    except StudyError as error:
        cases = "none: see code/study cases"
        say(f"warning: {error}", err=True)
    return (*start, installed, f"{state.present} of {state.files} files", cases, dataset.access)


@inputs.command("get")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--content", is_flag=True, help="Fetch the images and masks that the study uses.")
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Sources at a time."
)
@click.pass_obj
def inputs_get(name: str, names: tuple[str, ...], content: bool, jobs: int) -> None:
    """Install sources at their pin, all or by NAME; phantom ones are made here.

    A source that cannot be had is named at the end; the others are installed all the same.
    """
    study = load_study(ROOT, name)
    wanted = tuple(check_dataset(study, one) for one in names) or tuple(study.datasets)
    machine = read_machine(name, jobs)
    current_branch(ROOT)
    with running.sole_run(ROOT, machine):
        sources.prepare_study(ROOT)
        failed = _get_each(study, machine, jobs=jobs, only=wanted)
        if content:
            failed += [
                fault
                for one in wanted
                if one not in _names(failed)
                for fault in _try_content(study, one)
            ]
    if failed:
        lines = "".join(
            f"\n  {source}: {error}\n    hint: {error.hint}" for source, error in failed
        )
        raise StudyError(
            f"{len(failed)} of {len(wanted)} sources could not be had:{lines}",
            hint="the other sources are here",
        )


def _names(failed: list[tuple[str, StudyError]]) -> set[str]:
    return {name for name, _ in failed}


def _try_content(study: Study, name: str) -> list[tuple[str, StudyError]]:
    try:
        get_content(study, name)
    except StudyError as error:
        return [(name, error)]
    return []


def get_content(study: Study, name: str) -> None:
    """Have the images and masks of a study's cases here. Raises StudyError for what is not to be had."""
    source = next(one for one in sources_of(study) if one.name == name)
    text = [
        spec for spec in table.source_files(study.datasets[name]) if not spec.endswith(".nii.gz")
    ]
    fetched = sources.get_files(ROOT, source, text=text, files=[])
    paths = [path for case in find(study, name) for path in (case.image, case.mask)]
    fetched += sources.get_files(ROOT, source, text=[], files=paths)
    if fetched:
        say(f"got     {fetched} files of {source.path}")


def get_sources(study: Study, machine: Machine, *, jobs: int, only: tuple[str, ...]) -> None:
    """Install what is not; raises StudyError for the first source that cannot be had."""
    for _, error in _get_each(study, machine, jobs=jobs, only=only):
        raise error


def _get_each(
    study: Study, machine: Machine, *, jobs: int, only: tuple[str, ...]
) -> list[tuple[str, StudyError]]:
    """Install what is not, `jobs` at a time; what went wrong, by source. Warns where a phantom
    comes out other than pinned."""
    lacking = [
        one for one in sources_of(study) if one.name in only and not sources.is_ready(ROOT, one)
    ]
    pins = gitlinks(ROOT, "HEAD")

    def get(source: sources.Source) -> tuple[sources.Source, str | StudyError]:
        try:
            return source, sources.get_source(ROOT, source, machine=machine)
        except StudyError as error:
            return source, error

    failed = []
    with ThreadPoolExecutor(jobs) as pool:
        bar = tqdm(
            pool.map(get, lacking),
            total=len(lacking),
            desc="sources",
            unit="source",
            disable=None,
            leave=False,
        )
        for source, told in bar:
            if isinstance(told, StudyError):
                failed.append((source.name, told))
                told = "failed"
            bar.write(f"{told:7} {source.path}")
            if told == "pinned":
                was = pins[source.path][:8]
                bar.write(
                    f"warning: {source.path} as made here is not what was pinned ({was}): pinned anew"
                )
    return failed
