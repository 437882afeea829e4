"""`store`: the repository in which jobs of a cluster land what they made.

Owns: its options and lines.
Does not own: what a store is (`provenance.cluster.store`).
"""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.cli.groups import Group
from cordstudy.cli.here import ROOT, SITE, read_machine
from cordstudy.cli.saying import say
from cordstudy.cli.site import read_site
from cordstudy.provenance.cluster.store import make_store, pull, push, store_of
from cordstudy.provenance.running.inputs import prepare_dataset
from cordstudy.provenance.running.runner import check_clean, sole_run


@click.group(cls=Group)
def store() -> None:
    """The repository that jobs of a cluster clone, and land in.

    \b
    Examples:
      code/study store init /shared/store
      code/study store pull
    """


@store.command()
@click.argument("place", metavar="[PATH]", required=False, type=click.Path(path_type=Path))
def init(place: Path | None) -> None:
    """Make the store at PATH, a folder that all nodes see; else where site.toml says.

    A bare git-annex repository, known to this clone as the remote `store`. Safe to repeat.

    \b
    Example:
      code/study store init /shared/store
    """
    cluster = read_site(SITE).slurm
    told = ROOT / Path(cluster.store).expanduser() if cluster and cluster.store else None
    told = place.expanduser().absolute() if place else told
    if told is None:
        raise StudyError(
            "where is the store to be?", hint="name a PATH, or set store in [slurm] of site.toml"
        )
    check_clean(ROOT)
    prepare_dataset(ROOT)
    path = told.resolve()
    make_store(ROOT, path)
    push(ROOT, store_of(ROOT))
    say(f"{path} is the store of this clone")


@store.command("pull")
@click.pass_obj
def pull_command(name: str) -> None:
    """Bring here what has landed in the store: a fast-forward of records.

    Their content stays in the store, from where `datalad get` has it.

    \b
    Example:
      code/study store pull
    """
    check_clean(ROOT)
    with sole_run(ROOT, read_machine(name, jobs=1)):
        count = pull(ROOT, store_of(ROOT))
    say(f"{count} commits came" if count else "all of the store is here")
