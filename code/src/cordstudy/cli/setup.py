"""`setup`: making a fresh clone ready.

Owns: what a clone needs, in which order, and a line for each.
Does not own: any of it (`provenance.running`), or the note for a clone without it (`readiness`).
"""

from __future__ import annotations

import click

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT, called, read_machine
from cordstudy.cli.inputs import get_each, raise_for_faults, sources_of
from cordstudy.cli.readiness import settle_who_commits
from cordstudy.cli.recompute import turn_on
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import git, is_annex
from cordstudy.provenance.running.carrying import enable
from cordstudy.provenance.running.inputs import prepare_dataset
from cordstudy.provenance.running.runner import sole_run
from cordstudy.study.loading import load_study


@click.command()
@click.option("--recompute", is_flag=True, help="Have content that is nowhere be made again.")
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Sources at a time."
)
@click.pass_obj
def setup(name: str, recompute: bool, jobs: int) -> None:
    """Make a fresh clone ready: an annex, with its phantom sources and the content it carries.

    After it `datalad get` works, of trained models and the report offline. Safe to repeat, and to
    be repeated where the clone has moved or `git pull` brought other content. No pin is moved: a
    phantom that comes out other than pinned is told of, and the rest is done all the same. Needs
    the whole history.

    \b
    Examples:
      code/study setup
      code/study setup --recompute --jobs 2
    """
    study = load_study(ROOT, name)
    _check_whole()
    machine = read_machine(name, jobs)
    settle_who_commits()
    with sole_run(ROOT, machine):
        was = is_annex(ROOT)
        prepare_dataset(ROOT)
        say("dataset is an annex already" if was else "dataset is an annex now")
        faults = _enable_carried()
        made = [source.name for source in sources_of(study) if source.recipe]
        failed = get_each(study, machine, jobs=jobs, only=made)
        say(f"sources {_sources_line(name, len(made), len(failed))}")
    if recompute:
        turn_on(ROOT)
    if faults:
        raise faults[0]
    raise_for_faults(failed, of=len(made))


def _sources_line(name: str, made: int, failed: int) -> str:
    if not made:
        return f"of this study are not made here: {called(name, 'inputs get')}"
    return f"{made - failed} of {made} are here, made and at their pin"


def _check_whole() -> None:
    """Raise StudyError for a shallow clone: what made a file is in its history."""
    if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise StudyError(
            "this clone is shallow: the records that made its files are not here",
            hint="git fetch --unshallow",
        )


def _enable_carried() -> list[StudyError]:
    """Have what travels with the clone be there for `datalad get`; what is wrong with it."""
    try:
        files = enable(ROOT)
    except StudyError as error:
        return [error]
    total = sum(file.size for file in files) / 10**6
    what = f"{len(files)} files, {total:.1f} MB, for datalad get" if files else "nothing"
    say(f"carried {what}")
    return []
