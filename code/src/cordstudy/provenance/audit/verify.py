"""Re-execution with a verdict: does a record, run again, give what it gave?

Owns: running many records again, several at a time, and the clone that they share.
Does not own: running one (`verifier`), how alike two files are (told by the caller's `compare`),
what a step promises (`steps`), or committing verdicts (`attestations`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cordstudy.provenance.audit.differences import Compare
from cordstudy.provenance.audit.verdicts import Item, Verdict
from cordstudy.provenance.audit.verifier import Verifier, Watch, unwatched
from cordstudy.provenance.calling.gitannex import git, install_annex, settle_identity
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import mark, remove_tree


def verify(
    study: Path,
    items: Sequence[Item],
    *,
    machine: Machine,
    jobs: int,
    compare: Compare,
    report: Callable[[Verdict], None],
    profile: Profile,
    watch: Watch = unwatched,
) -> list[Verdict]:
    """Run records again, `jobs` at a time; their verdicts in the given order, of which `report` is
    told. `watch` is told of each record as it begins and ends, and of those that have to make an
    input of another first."""
    verdicts = []
    with _place(study, machine.scratch) as place, ThreadPoolExecutor(jobs) as pool:
        verifier = Verifier(study, place, machine, compare, profile, watch)
        for verdict in pool.map(verifier.verdict, items):
            report(verdict)
            verdicts.append(verdict)
    return verdicts


@contextmanager
def _place(study: Path, scratch: Path) -> Iterator[Path]:
    """A folder with a clone of the study (`store`) that keeps what came out the same, for records
    that build on it."""
    scratch.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="verify.", dir=scratch))
    store = path / "store"
    try:
        mark(path, study, "verify")
        options = ("-q", "--shared", "--no-checkout", "--no-tags")
        git(study, "clone", *options, str(study.resolve()), str(store), private=True)
        settle_identity(store, like=study)
        install_annex(store, private=True)
        yield path
    finally:
        remove_tree(path)
