"""Finished steps that have not joined a branch yet, each under a ref of its dataset.

Owns: bringing a step's commit and content home from its workspace, the refs that keep them, and
that such a commit is the record of what was run.
Does not own: the workspace (`workspace`), or adding what is kept to a branch (`landing`).

A finished step may be days of work. It is kept under a ref until it has landed, whatever happens
to the branch meanwhile: a tip that moves, an index that another process holds, a full disk, a hook
that refuses. New objects reach the dataset by `git fetch` as a pack, which git keeps from pruning
until the ref is there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import copy, listed
from cordstudy.provenance.calling.gitannex import git, head
from cordstudy.provenance.history.gitlog import raw_commit
from cordstudy.provenance.history.records import RunRecord, record_of
from cordstudy.provenance.profile import REFS
from cordstudy.provenance.running.advancing import locked
from cordstudy.provenance.running.machine import file_name
from cordstudy.provenance.running.marks import finish, finished_step, let_go
from cordstudy.provenance.running.trees import FETCH
from cordstudy.provenance.running.workspace import CLONE, Workspace

FINISHED = f"{REFS}/finished"
LANDING = f"{REFS}/landing"
"""Where a commit that is made on a tip is, until the branch holds it."""
HOOK = "look for a hook that does so"


class NotLanded(StudyError):
    """A finished step that is kept, but not on the branch."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(
            f"step {step} is finished, but could not land: {why}",
            hint="nothing of it is lost: the next run lands it",
        )


@dataclass(frozen=True)
class Kept:
    """A finished step: the ref that keeps it, its commit with one parent, its record."""

    ref: str
    commit: str
    base: str
    record: RunRecord

    @property
    def step(self) -> str:
        """The step's name as in the ref."""
        return self.ref.removeprefix(f"{FINISHED}/")

    @property
    def landing_ref(self) -> str:
        """Where its commit on another tip than its base is made."""
        return f"{LANDING}/{self.step}"


def keep(ws: Workspace) -> Kept:
    """Bring a workspace's one commit and its content home, under a ref of the dataset.

    Until that is done the workspace stays, whatever happens. Raises StudyError where the commit is
    not the record of what was run, such as where a hook rewrote its message, and NotLanded.
    """
    record = record_at(ws.path, head(ws.path))
    inputs, outputs = record.from_root(record.inputs), record.from_root(record.outputs)
    if (inputs, outputs) != (ws.inputs, ws.outputs):
        raise StudyError("the record does not say what was run: its message was changed", hint=HOOK)
    finish(ws.folder)
    return bring_home(ws.dataset, ws.folder)


def record_at(repo: Path, commit: str) -> RunRecord:
    """The record in a commit. Raises StudyError where it has none that can be read."""
    record, why = record_of(raw_commit(repo, commit), repo)
    if record is None:
        reason = f" ({why})" if why else ""
        raise StudyError(
            f"{commit[:8]} holds no run record that can be read{reason}: its message was changed",
            hint=HOOK,
        )
    return record


def bring_home(dataset: Path, folder: Path) -> Kept:
    """Take a finished step out of its workspace, which then is no longer needed."""
    step, clone = finished_step(folder), folder / CLONE
    ref = f"{FINISHED}/{file_name(step)}"
    try:
        with locked(dataset):
            git(dataset, *FETCH, str(clone), f"HEAD:{ref}", private=True)
        kept = _kept(dataset, ref, head(dataset, ref))
        copy_content(clone, kept.record.from_root(kept.record.outputs))
    except StudyError as error:
        raise NotLanded(step, f"{error}\nit stays in {folder}") from error
    let_go(folder)
    return kept


def copy_content(clone: Path, outputs: Sequence[str]) -> None:
    """Have the dataset hold the annexed content of a workspace's outputs.

    Of all: what came out as it was need not be there either. Raises StudyError where it does not.
    """
    copy(clone, listed(clone, outputs, private=True), "origin", private=True)


def finished(dataset: Path, *, among: Collection[str] | None = None) -> list[Kept]:
    """The finished steps that have not landed yet, of all refs or of some.

    Another process may land any of them meanwhile, and its ref be gone: what is read after the list
    is read by commits.
    """
    told = git(dataset, "for-each-ref", "--format=%(objectname) %(refname)", FINISHED)
    found = []
    for line in told.splitlines():
        commit, ref = line.split(" ", maxsplit=1)
        if among is None or ref in among:
            found.append(_kept(dataset, ref, commit))
    return found


def _kept(dataset: Path, ref: str, commit: str) -> Kept:
    return Kept(ref, commit, head(dataset, f"{commit}^"), record_at(dataset, commit))


def forget(dataset: Path, kept: Kept) -> None:
    """Keep a finished step no longer: its record, or a newer one, is on the branch."""
    for ref in (kept.ref, kept.landing_ref):
        git(dataset, "update-ref", "-d", ref)
