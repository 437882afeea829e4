"""Moving a branch on, with the tree that has it checked out, while others use both.

Owns: which branch is the present one, the dataset's landing lock, adding a commit to a branch whose
tip may move meanwhile, and that a move which fails leaves all as before.
Does not own: making the commit (`trees`), or what for (`landing`).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import git, git_index, git_ok, head, tree_entries
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.running.trees import changed_paths

MERGE = (
    "merge",
    "-q",
    "--ff-only",
    "--no-squash",
    "--no-autostash",
    "--no-verify-signatures",
    "--no-overwrite-ignore",
)
"""To the commit and nothing else, whatever `merge.*` and `branch.*.mergeOptions` say, and over
nobody's file."""
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
ATTEMPTS = 100
"""How often the tip may move while one commit is added."""
REBASES = ("rebase-merge", "rebase-apply")
"""The folders of git in which a rebase keeps its state."""


def current_branch(dataset: Path) -> str:
    """The branch that records land on. Raises StudyError for a detached HEAD."""
    if not git_ok(dataset, "symbolic-ref", "-q", "HEAD"):
        raise StudyError(
            f"{dataset}: HEAD is detached: records would land on no branch",
            hint="git switch BRANCH, or git switch -c NEW_BRANCH",
        )
    return git(dataset, "symbolic-ref", "HEAD").strip()


@contextmanager
def locked(dataset: Path) -> Iterator[None]:
    """Hold the dataset's landing lock; other processes and threads wait."""
    folder = git(dataset, "rev-parse", "--git-common-dir").strip()
    path = dataset / folder / f"{NAME}.lock"
    with path.open("w") as handle:
        hold(handle)
        yield


def hold(handle: IO[str], *, wait: bool = True) -> bool:
    """Hold the lock of an open file. Raises BlockingIOError where another has it, without `wait`.

    False where the file system has no locks, as some of clusters': what they are for is then done
    by compare-and-swap alone.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def add_to_branch(dataset: Path, branch: str, make: Callable[[str], str]) -> str:
    """Add to a branch the commit that `make` gives for its tip, again where the tip moves
    meanwhile; the commit.

    Raises StudyError where git refuses to move the branch, with all as before.
    """
    for _ in range(ATTEMPTS):
        if not git_ok(dataset, "rev-parse", "--verify", "-q", branch):
            raise StudyError(f"there is no {branch} any more")
        tip = head(dataset, branch)
        commit = make(tip)
        if _advance(dataset, branch, tip, commit):
            return commit
    raise StudyError(f"{branch} kept moving")


def _advance(dataset: Path, branch: str, tip: str, commit: str) -> bool:
    """Move a branch, and the tree that has it checked out, from its tip on; False where the tip
    moved."""
    tree = _checked_out(dataset, branch)
    if tree is None and _is_rebased(dataset, branch):
        raise StudyError(f"a rebase of {branch} is under way")
    theirs = _files_of_others(tree, tip, commit) if tree else set()
    try:
        if tree:
            git_index(tree, *MERGE, commit)
        else:
            git(dataset, "update-ref", branch, commit, tip)
    except StudyError:
        if head(dataset, branch) != tip:
            return False
        if tree:
            _undo(tree, tip, commit, theirs=theirs)
        raise
    return git_ok(dataset, "merge-base", "--is-ancestor", commit, branch)


def _checked_out(dataset: Path, branch: str) -> Path | None:
    """The tree, of all that the repository has, where a branch is checked out."""
    listed = git(dataset, "worktree", "list", "--porcelain", "-z")
    for entry in listed.split("\0\0"):
        fields = {}
        for line in entry.split("\0"):
            key, _, value = line.partition(" ")
            fields[key] = value
        if fields.get("branch") == branch:
            return Path(fields["worktree"])
    return None


def _is_rebased(dataset: Path, branch: str) -> bool:
    """Whether a rebase of a branch is under way, which would lose what is added to it."""
    for folder in REBASES:
        path = git(dataset, "rev-parse", "--git-path", f"{folder}/head-name").strip()
        file = dataset / path
        if file.is_file() and file.read_text().strip() == branch:
            return True
    return False


def _files_of_others(tree: Path, tip: str, commit: str) -> set[str]:
    """The files of a tree that somebody has changed, or put where landing would write: git then
    refuses."""
    edited = git(tree, "diff-files", "--name-only", "-z", "--ignore-submodules=all")
    files = set(edited.split("\0"))
    known = tree_entries(tree, tip)
    for path in changed_paths(tree, tip, commit):
        if path not in known and os.path.lexists(tree / path):
            files.add(path)
    return files


def _undo(tree: Path, tip: str, commit: str, *, theirs: set[str]) -> None:
    """Bring index and tree back to the tip, but for files of others.

    A hook that refuses to move a branch does so after git has moved the tree, and a disk that fills
    up leaves a part of it.
    """
    git_ok(tree, "read-tree", "-m", "-u", commit, tip)
    known = tree_entries(tree, tip)
    torn = [path for path in changed_paths(tree, tip, commit) if path not in theirs]
    for path in torn:
        if path not in known and os.path.lexists(tree / path):
            (tree / path).unlink()
    back = "".join(f"{path}\0" for path in torn if path in known)
    git_ok(tree, "checkout-index", "-q", "-f", "-z", "--stdin", stdin=back)
