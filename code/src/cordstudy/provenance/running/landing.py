"""How a finished step joins the study's branch, and how commits of ours do.

Owns: bringing a step's commit and content home under a ref of its own, adding it to the branch so that
its parent holds exactly what ran, the study's landing lock, and commits of files that no step makes.
Does not own: running steps (`run`), the clone that they run in (`workspace`).

A finished step may be days of work. It is kept under a ref until it has landed, whatever happens to the
branch meanwhile: a tip that moves, an index that another process holds, a full disk, a hook that refuses.
New objects reach the study by `git fetch` as a pack, which git keeps from pruning until the ref is there.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import annexed, pathspecs
from cordstudy.provenance.calling.gitannex import (
    annex,
    git,
    git_index,
    git_ok,
    gitlinks,
    head,
    settle_identity,
    tree_entries,
)
from cordstudy.provenance.history.gitlog import raw_commit
from cordstudy.provenance.history.records import RunRecord, record_of
from cordstudy.provenance.profile import REFS
from cordstudy.provenance.running.machine import file_name
from cordstudy.provenance.running.workspace import (
    ALWAYS,
    Workspace,
    by_dataset,
    finish,
    finished_step,
    let_go,
)

FINISHED = f"{REFS}/finished"
LANDING = f"{REFS}/landing"
FETCH = (
    "-c",
    "fetch.unpackLimit=1",
    "-c",
    "protocol.allow=always",
    "-c",
    "protocol.file.allow=always",
    "fetch",
    "-q",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-prune",
    "--no-recurse-submodules",
    "--force",
)
"""As a pack, which git keeps from pruning until the ref is there."""
DIFF = ("diff-tree", "-r", "-z", "--no-renames", "--ignore-submodules=none")
MERGE = (
    "merge",
    "-q",
    "--ff-only",
    "--no-squash",
    "--no-autostash",
    "--no-verify-signatures",
    "--no-overwrite-ignore",
)
"""To the commit and nothing else, whatever `merge.*` and `branch.*.mergeOptions` say, and over nobody's file."""
ATTEMPTS = 100
"""How often the tip may move while one step lands."""


class NotLanded(StudyError):
    """A finished step that is kept, but not on the branch."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(
            f"step {step} is finished, but could not land: {why}",
            hint="nothing of it is lost: `code/study run` lands it",
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


def current_branch(study: Path) -> str:
    """The branch that records land on. Raises StudyError for a detached HEAD."""
    if not git_ok(study, "symbolic-ref", "-q", "HEAD"):
        raise StudyError(
            f"{study}: HEAD is detached: records would land on no branch",
            hint="git switch BRANCH, or git switch -c NEW_BRANCH",
        )
    return git(study, "symbolic-ref", "HEAD").strip()


@contextmanager
def locked(study: Path) -> Iterator[None]:
    """Hold the study's landing lock; other processes and threads wait."""
    place = Path(git(study, "rev-parse", "--git-common-dir").strip())
    with (study / place / "cordstudy.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def keep(ws: Workspace) -> Kept:
    """Bring a workspace's one commit and its content home, under a ref of the study.

    Until that is done the workspace stays, whatever happens. Raises StudyError where the commit is
    not the record of what was run, such as where a hook rewrote its message, and NotLanded.
    """
    record = _record(ws.path, head(ws.path))
    if (record.from_root(record.inputs), record.from_root(record.outputs)) != (
        ws.inputs,
        ws.outputs,
    ):
        raise StudyError(
            "the record does not say what was run: its message was changed",
            hint="look for a hook that does so",
        )
    finish(ws.folder)
    return bring_home(ws.study, ws.folder)


def bring_home(study: Path, folder: Path) -> Kept:
    """Take a finished step out of its workspace, which then is no longer needed."""
    step, clone = finished_step(folder), folder / "study"
    ref = f"{FINISHED}/{file_name(step)}"
    try:
        with locked(study):
            git(study, *FETCH, str(clone), f"HEAD:{ref}", private=True)
        _copy_home(clone)
    except StudyError as error:
        raise NotLanded(step, f"{error}\nit stays in {folder}") from error
    let_go(folder)
    return _kept(study, ref)


def _copy_home(clone: Path) -> None:
    """Have the study hold the annexed content of a workspace's commit. Raises StudyError where it does not."""
    changed = ("diff", "--name-only", "-z", "--no-renames", "--diff-filter=AMT", "HEAD^", "HEAD")
    written = git(clone, *changed, private=True)
    annex(clone, "copy", "-q", "--to=origin", "--batch", "-z", stdin=written, private=True)
    if absent := annexed(clone, written.split("\0")[:-1], "--not", "--in=origin", private=True):
        raise StudyError(
            f"the content of {len(absent)} outputs could not be copied, the first {absent[0]}"
        )


def _record(repo: Path, commit: str) -> RunRecord:
    """The record in a commit. Raises StudyError where it has none that can be read."""
    found, why = record_of(raw_commit(repo, commit), repo)
    if not found:
        raise StudyError(
            f"{commit[:8]} holds no run record that can be read{f' ({why})' if why else ''}: its message was changed",
            hint="look for a hook that does so",
        )
    return found


def finished(study: Path) -> list[Kept]:
    """The finished steps that have not landed yet."""
    return [
        _kept(study, ref)
        for ref in git(study, "for-each-ref", "--format=%(refname)", FINISHED).split()
    ]


def _kept(study: Path, ref: str) -> Kept:
    commit = head(study, ref)
    return Kept(ref, commit, head(study, f"{commit}^"), _record(study, commit))


def land(study: Path, kept: Kept, *, branch: str, overwrite: bool = False) -> str:
    """Add a finished step to a branch; the commit that landed. Raises NotLanded, with all as before.

    Where the tip has what the step read, the record is made again on the tip. Where it has other
    inputs, the record stays on its own base and is merged: it is true, and stale. An output that
    changed on the tip is only replaced with `overwrite`: the step would write it anew anyway.
    """
    with locked(study):
        try:
            commit = _added(
                study, branch, lambda tip: _joined(study, kept, tip, overwrite=overwrite)
            )
            _record(
                study,
                kept.commit
                if git_ok(study, "rev-parse", "-q", "--verify", f"{commit}^2")
                else commit,
            )
        except StudyError as error:
            raise NotLanded(kept.step, str(error)) from error
        forget(study, kept)
    return commit


def _added(study: Path, branch: str, make: Callable[[str], str]) -> str:
    """Add to a branch the commit that `make` gives for its tip, again where the tip moves meanwhile."""
    for _ in range(ATTEMPTS):
        if not git_ok(study, "rev-parse", "--verify", "-q", branch):
            raise StudyError(f"there is no {branch} any more")
        tip = head(study, branch)
        commit = make(tip)
        if _advance(study, branch, tip, commit):
            return commit
    raise StudyError(f"{branch} kept moving")


def forget(study: Path, kept: Kept) -> None:
    """Keep a finished step no longer: its record, or a newer one, is on the branch."""
    for ref in (kept.ref, f"{LANDING}/{kept.step}"):
        git(study, "update-ref", "-d", ref)


def _advance(study: Path, branch: str, tip: str, commit: str) -> bool:
    """Move a branch, and the tree that has it checked out, from its tip on; False where the tip moved."""
    place = _checked_out(study, branch)
    if not place and _rebasing(study, branch):
        raise StudyError(f"a rebase of {branch} is under way")
    others = _others(place, tip, commit) if place else set()
    try:
        if place:
            git_index(place, *MERGE, commit)
        else:
            git(study, "update-ref", branch, commit, tip)
    except StudyError:
        if head(study, branch) != tip:
            return False
        if place:
            _undo(place, tip, commit, others=others)
        raise
    return git_ok(study, "merge-base", "--is-ancestor", commit, branch)


def _others(place: Path, tip: str, commit: str) -> set[str]:
    """The files of a tree that somebody has changed, or put where landing would write: git then refuses."""
    edited = git(place, "diff-files", "--name-only", "-z", "--ignore-submodules=all").split("\0")
    known = tree_entries(place, tip)
    new = (path for path in _changed(place, tip, commit) if path not in known)
    return {*edited, *(path for path in new if os.path.lexists(place / path))}


def _undo(place: Path, tip: str, commit: str, *, others: set[str]) -> None:
    """Bring index and tree back to the tip, but for files of others: a hook that refuses to move a branch
    does so after git has moved the tree, and a disk that fills up leaves a part of it."""
    git_ok(place, "read-tree", "-m", "-u", commit, tip)
    known = tree_entries(place, tip)
    torn = [path for path in _changed(place, tip, commit) if path not in others]
    for path in torn:
        if path not in known and os.path.lexists(place / path):
            (place / path).unlink()
    back = "".join(f"{path}\0" for path in torn if path in known)
    git_ok(place, "checkout-index", "-q", "-f", "-z", "--stdin", stdin=back)


def _checked_out(study: Path, branch: str) -> Path | None:
    """The tree, of all that the repository has, where a branch is checked out."""
    for entry in git(study, "worktree", "list", "--porcelain", "-z").split("\0\0"):
        fields = dict(line.partition(" ")[::2] for line in entry.split("\0"))
        if fields.get("branch") == branch:
            return Path(fields["worktree"])
    return None


def _rebasing(study: Path, branch: str) -> bool:
    """Whether a rebase of a branch is under way, which would lose what is added to it."""
    places = (
        git(study, "rev-parse", "--git-path", f"{name}/head-name")
        for name in ("rebase-merge", "rebase-apply")
    )
    files = (study / place.strip() for place in places)
    return any(file.is_file() and file.read_text().strip() == branch for file in files)


def _joined(study: Path, kept: Kept, tip: str, *, overwrite: bool) -> str:
    """The commit that adds a finished step to a tip: its own where the tip is its base."""
    if tip == kept.base:
        return kept.commit
    outputs = pathspecs(kept.record.from_root(kept.record.outputs))
    theirs = _changed(study, kept.base, tip, outputs)
    if theirs and not overwrite:
        raise StudyError(f"{theirs[0]} changed in the study while the step ran")
    if moved := _moved_inputs(study, kept, tip):
        if theirs or not git_ok(study, "merge-base", "--is-ancestor", kept.base, tip):
            raise StudyError(f"its input {moved[0]} is another in {tip[:8]}, and so is its history")
        message = f"chore(run): join {kept.record.subject!r}, run at {kept.base[:8]}\n\n{moved[0]} changed while it ran.\n"
        parents = [tip, kept.commit]
    else:
        message, parents = _message(study, kept.commit), [tip]
    entries = _outputs_of(study, kept)
    if above := _in_place_of_folders(study, tip, entries):
        raise StudyError(f"{above} is no folder in {tip[:8]}, and an output of the step lies in it")
    gone = [path for path in _listed(study, tip, outputs) if path not in entries] if theirs else []
    with _plumbing(study) as repo:
        tree = _tree(repo, tip, entries, gone)
        arguments = [word for parent in parents for word in ("-p", parent)]
        date = {
            "GIT_AUTHOR_DATE": git(
                study, "log", "-1", "--no-show-signature", "--format=%aI", kept.commit
            ).strip()
        }
        made = git(
            repo, "commit-tree", tree, *arguments, "-F", "-", stdin=message, env=date, private=True
        ).strip()
        return _fetched(study, repo, made, f"{LANDING}/{kept.step}")


def _in_place_of_folders(study: Path, tip: str, paths: Iterable[str]) -> str:
    """What a tip has where one of the paths needs a folder; empty for nothing."""
    known = tree_entries(study, tip)
    above = (str(folder) for path in paths for folder in PurePosixPath(path).parents[:-1])
    return next((folder for folder in above if folder in known), "")


def _moved_inputs(study: Path, kept: Kept, tip: str) -> list[str]:
    """The declared inputs of a finished step that the tip has otherwise than its base, as paths; a
    subdataset's pin counts as a whole."""
    links = gitlinks(study, kept.base)
    per_link, own = by_dataset(
        kept.record.from_root((*kept.record.inputs, *kept.record.extra_inputs)), links
    )
    found = _changed(study, kept.base, tip, pathspecs([*ALWAYS, *own]))
    now = gitlinks(study, tip)
    return found + [link for link in per_link if now.get(link) != links[link]]


def _changed(study: Path, base: str, tip: str, specs: Sequence[str] = (".",)) -> list[str]:
    """The paths that differ between two trees, of those that specs stand for; of all."""
    if not specs:  # to git, no path is every path
        return []
    told = git(study, *DIFF, "--name-only", base, tip, "--", *specs)
    return [path for path in told.split("\0") if path]


def _message(study: Path, commit: str) -> str:
    return raw_commit(study, commit).message


def _outputs_of(study: Path, kept: Kept) -> dict[str, str]:
    """What a finished step changed: git's mode and object by path; all zero for what is gone."""
    raw = git(study, *DIFF, "--raw", kept.base, kept.commit).split("\0")
    fields = ((meta.split(), path) for meta, path in zip(raw[0::2], raw[1::2]))
    return {path: f"{mode} {blob}" for (_, mode, _, blob, _), path in fields}


def _listed(study: Path, commit: str, specs: Sequence[str]) -> list[str]:
    """The files of a commit that specs stand for."""
    empty = git(study, "hash-object", "-t", "tree", os.devnull).strip()
    return _changed(study, empty, commit, specs)


@contextmanager
def _plumbing(study: Path) -> Iterator[Path]:
    """A bare repository that borrows the study's objects, in which new ones are made."""
    objects = (study / git(study, "rev-parse", "--git-path", "objects").strip()).resolve()
    kind = git(study, "rev-parse", "--show-object-format").strip()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        git(folder, "init", "-q", "--bare", f"--object-format={kind}", private=True)
        (folder / "objects/info/alternates").write_text(f"{objects}\n")
        settle_identity(folder, like=study)
        yield folder


def _tree(repo: Path, tip: str, entries: Mapping[str, str], gone: Sequence[str]) -> str:
    """A tip's tree with some entries replaced and some taken out."""
    lines = [f"{held}\t{path}\0" for path, held in entries.items()]
    lines += [f"0 {'0' * 40}\t{path}\0" for path in gone]
    git(repo, "read-tree", tip, private=True)
    git(repo, "update-index", "-z", "--index-info", stdin="".join(lines), private=True)
    return git(repo, "write-tree", private=True).strip()


def _fetched(study: Path, repo: Path, commit: str, ref: str) -> str:
    """Bring a commit that was made beside the study into it, under a ref."""
    git(repo, "update-ref", "refs/heads/made", commit, private=True)
    git(study, *FETCH, str(repo), f"refs/heads/made:{ref}", private=True)
    return commit


def commit_files(
    study: Path, entries: Callable[[str], Mapping[str, str | Path]], message: str
) -> str:
    """Commit files of ours on the study's branch; the commit. No step makes them: parameters, pins, attestations.

    `entries` gives them for a tip, by content (of a subdataset, a clone that is at its commit): others may
    have changed the same file meanwhile.
    """

    def made(tip: str) -> str:
        with _plumbing(study) as repo:
            held = {path: _entry(repo, content) for path, content in entries(tip).items()}
            tree = _tree(repo, tip, held, [])
            commit = git(
                repo, "commit-tree", tree, "-p", tip, "-F", "-", stdin=message, private=True
            ).strip()
            return _fetched(study, repo, commit, f"{LANDING}/files")

    with locked(study):
        commit = _added(study, current_branch(study), made)
        git(study, "update-ref", "-d", f"{LANDING}/files")
    return commit


def _entry(repo: Path, content: str | Path) -> str:
    if isinstance(content, Path):
        return f"160000 {head(content)}"
    return (
        f"100644 {git(repo, 'hash-object', '-w', '--stdin', stdin=content, private=True).strip()}"
    )
