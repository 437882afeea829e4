"""How a finished step joins its dataset's branch, and how commits of ours do.

Owns: adding a step to a branch so that its parent holds exactly what ran, and commits of files that
no step makes.
Does not own: running steps (`runner`), what keeps a finished one (`kept`), moving the branch
(`advancing`), or the trees of commits (`trees`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import pathspecs
from cordstudy.provenance.calling.gitannex import git, git_ok, gitlinks, tree_entries
from cordstudy.provenance.history.gitlog import raw_commit
from cordstudy.provenance.running.advancing import add_to_branch, current_branch, locked
from cordstudy.provenance.running.kept import LANDING, Kept, NotLanded, forget, record_at
from cordstudy.provenance.running.trees import (
    borrowing,
    bring_in,
    changed_entries,
    changed_paths,
    commit_tree,
    entry_of,
    paths_of,
    tree_with,
)
from cordstudy.provenance.running.workspace import ALWAYS, by_dataset

Content = str | bytes | Path | None
"""What a path is to hold: a file's content, a clone that is at the commit of a subdataset, or
nothing any more."""
FILES = f"{LANDING}/files"
"""The ref of a commit of files that no step makes."""


class OtherResult(StudyError):
    """Two tries of one step gave different outputs."""


def no_twin(_: str) -> str:
    """Told of a tip: no other try of the step can have landed."""
    return ""


def land(
    dataset: Path,
    kept: Kept,
    *,
    branch: str,
    overwrite: bool = False,
    twin: Callable[[str], str] = no_twin,
) -> str:
    """Add a finished step to a branch; the commit that landed. Raises NotLanded, with all as
    before.

    Where another try of it has landed, which `twin` finds in the history of a tip, that one stands,
    and this one must have given the same.

    Where the tip has what the step read, the record is made again on the tip. Where it has other
    inputs, the record stays on its own base and is merged: it is true, and stale. An output that
    changed on the tip is only replaced with `overwrite`: the step would write it anew anyway.
    """

    other = ""

    def make(tip: str) -> str:
        nonlocal other
        other = twin(tip)
        if other:
            _check_same(dataset, kept, other)
            return tip
        return _joined(dataset, kept, tip, overwrite=overwrite)

    with locked(dataset):
        try:
            commit = add_to_branch(dataset, branch, make)
            if other:
                commit = other
            else:
                record_at(dataset, kept.commit if _is_merge(dataset, commit) else commit)
        except StudyError as error:
            raise NotLanded(kept.step, str(error)) from error
        forget(dataset, kept)
    return commit


def _check_same(dataset: Path, kept: Kept, other: str) -> None:
    """Raise OtherResult where another try of a finished step gave other outputs."""
    specs = pathspecs(kept.record.from_root(kept.record.outputs))
    differing = changed_paths(dataset, kept.commit, other, specs)
    if differing:
        raise OtherResult(f"another try of it landed as {other[:8]} with another {differing[0]}")


def _is_merge(dataset: Path, commit: str) -> bool:
    return git_ok(dataset, "rev-parse", "-q", "--verify", f"{commit}^2")


def _joined(dataset: Path, kept: Kept, tip: str, *, overwrite: bool) -> str:
    """The commit that adds a finished step to a tip: its own where the tip is its base."""
    if tip == kept.base:
        return kept.commit
    specs = pathspecs(kept.record.from_root(kept.record.outputs))
    theirs = changed_paths(dataset, kept.base, tip, specs)
    if theirs and not overwrite:
        raise StudyError(f"{theirs[0]} changed in the dataset while the step ran")
    message, parents = _message(dataset, kept, tip, theirs_changed=bool(theirs))
    entries = changed_entries(dataset, kept.base, kept.commit)
    _check_folders(dataset, tip, entries)
    gone: list[str] = []
    if theirs:
        gone = [path for path in paths_of(dataset, tip, specs) if path not in entries]
    date = git(dataset, "log", "-1", "--no-show-signature", "--format=%aI", kept.commit).strip()
    with borrowing(dataset) as repo:
        tree = tree_with(repo, tip, entries, gone)
        made = commit_tree(repo, tree, parents=parents, message=message, date=date)
        return bring_in(dataset, repo, made, kept.landing_ref)


def _message(dataset: Path, kept: Kept, tip: str, *, theirs_changed: bool) -> tuple[str, list[str]]:
    """Message and parents of the commit on a tip: the record's own, or those of a merge.

    Raises StudyError where the tip has other inputs and its history, or outputs, are others too.
    """
    moved = _moved_inputs(dataset, kept, tip)
    if not moved:
        return raw_commit(dataset, kept.commit).message, [tip]
    if theirs_changed or not git_ok(dataset, "merge-base", "--is-ancestor", kept.base, tip):
        raise StudyError(f"its input {moved[0]} is another in {tip[:8]}, and so is its history")
    subject = f"chore(run): join {kept.record.subject!r}, run at {kept.base[:8]}"
    return f"{subject}\n\n{moved[0]} changed while it ran.\n", [tip, kept.commit]


def _moved_inputs(dataset: Path, kept: Kept, tip: str) -> list[str]:
    """The declared inputs of a finished step that the tip has otherwise than its base, as paths; a
    subdataset's pin counts as a whole."""
    record = kept.record
    links = gitlinks(dataset, kept.base)
    declared = record.from_root((*record.inputs, *record.extra_inputs))
    per_link, own = by_dataset(declared, links)
    moved = changed_paths(dataset, kept.base, tip, pathspecs([*ALWAYS, *own]))
    links_now = gitlinks(dataset, tip)
    for link in per_link:
        if links_now.get(link) != links[link]:
            moved.append(link)
    return moved


def _check_folders(dataset: Path, tip: str, paths: Iterable[str]) -> None:
    """Raise StudyError where a tip has a file that one of the paths needs as a folder."""
    known = tree_entries(dataset, tip)
    for path in paths:
        for folder in PurePosixPath(path).parents[:-1]:
            if str(folder) in known:
                raise StudyError(
                    f"{folder} is no folder in {tip[:8]}, and an output of the step lies in it"
                )


def commit_files(
    dataset: Path, entries: Callable[[str], Mapping[str, Content]], message: str
) -> str:
    """Commit files of ours on the dataset's branch; the commit. No step makes them: parameters,
    pins, attestations.

    `entries` gives them for a tip, by path: others may have changed the same file meanwhile.
    """

    def make(tip: str) -> str:
        with borrowing(dataset) as repo:
            wanted = entries(tip)
            held = {path: entry_of(repo, what) for path, what in wanted.items() if what is not None}
            gone = [path for path, what in wanted.items() if what is None]
            tree = tree_with(repo, tip, held, gone)
            commit = commit_tree(repo, tree, parents=[tip], message=message)
            return bring_in(dataset, repo, commit, FILES)

    with locked(dataset):
        commit = add_to_branch(dataset, current_branch(dataset), make)
        git(dataset, "update-ref", "-d", FILES)
    return commit
