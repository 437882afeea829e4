"""A throw-away clone from which a study goes out, so that nothing else of it does.

Owns: the clone, which holds the present branch, and has content from the study; taking content in,
and pushing branches.
Does not own: where to (`ria`, `host`), or what (`going`).

A study's own git-annex branch tells where its clones are, on which machines, and who has what. It
stays at home: what goes out is a git-annex branch that was made here, of what is published alone,
on top of what was published before. The clone is private (`annex.private`): it leaves no trace.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import (
    annex,
    git,
    git_ok,
    head,
    settle_identity,
    transfer,
    without_passwords,
)
from cordstudy.provenance.publishing.going import Going
from cordstudy.provenance.running.advancing import current_branch
from cordstudy.provenance.running.marks import remove_tree

HOME = "study"
"""What the study is called in the clone."""
GIT_ANNEX = "git-annex"
OUTSIDE = ("--no-follow-tags", "--no-verify", "--recurse-submodules=no")
"""A push takes along no tag, no subdataset's commits, and asks no hook."""
NO_BRANCH = "+refs/heads/no-branch:refs/no-branch"
"""Git-annex merges what is fetched of others' git-annex branches: nothing is."""


@dataclass(frozen=True)
class Outbox:
    """The clone, and the name of its branch."""

    path: Path
    branch: str


@contextmanager
def outbox(dataset: Path, scratch: Path) -> Iterator[Outbox]:
    """Clone the present branch of a study, without files but `.datalad`; remove the clone at the
    end, and what one that was killed left. It is no annex yet.

    Raises StudyError where another is at work.
    """
    branch = current_branch(dataset).removeprefix("refs/heads/")
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "clone"
    with Path(f"{scratch}.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(
                f"another process publishes {dataset}", hint="wait for it, or stop it"
            ) from error
        remove_tree(path)
        try:
            options = ("-q", "--shared", "--no-checkout", "--no-tags", "--single-branch")
            git(dataset, "clone", *options, "-b", branch, str(dataset.resolve()), str(path))
            git(path, "remote", "remove", "origin")
            git(path, "sparse-checkout", "set", "--no-cone", "/.datalad/config")
            git(path, "checkout", "-q", branch)
            settle_identity(path, like=dataset)
            for key in ("annex.private", "annex.hardlink"):
                git(path, "config", key, "true")
            yield Outbox(path, branch)
        finally:
            remove_tree(path)


def know_study(repo: Path, dataset: Path) -> None:
    """Have a repository get content from the study, and nothing else of it."""
    place = str(dataset.resolve())
    settings = {
        "url": f"/{place}" if ":" in place else place,  # which git-annex takes for another host
        "fetch": NO_BRANCH,
        "annex-private": "true",
        "annex-readonly": "true",
        "annex-speculate-present": "true",
    }
    for key, value in settings.items():
        git(repo, "config", f"remote.{HOME}.{key}", value)


def take_in(repo: Path, files: Sequence[Going]) -> None:
    """Have a repository hold the content of files, from the study. Raises StudyError where it
    cannot."""
    _each_key(repo, ("get", f"--from={HOME}"), files, "could not be read from this study")


def send(repo: Path, files: Sequence[Going], remote: str) -> None:
    """Have a remote hold the content of files. Raises StudyError where it cannot."""
    _each_key(repo, ("copy", f"--to={remote}"), files, "could not be copied")


def _each_key(repo: Path, argv: Sequence[str], files: Sequence[Going], fault: str) -> None:
    """Call git-annex for the key of each file; it says of each whether it succeeded."""
    paths = {file.key: file.path for file in files}
    asked = "".join(f"{key}\n" for key in paths)
    done, said = set(), ""
    try:
        for line in transfer(repo, *argv, "--json", "--batch-keys", stdin=asked):
            answer = json.loads(line) if line.strip() else None  # nothing to do: it is there
            if answer and answer["success"]:
                done.add(answer["key"])
    except StudyError as error:
        said = f": {error}"
    for key, path in paths.items():
        if key not in done and not _is_there(repo, argv, key):
            raise StudyError(
                f"the content of {path} {fault}{said}", hint="is there room, and access?"
            )


def _is_there(repo: Path, argv: Sequence[str], key: str) -> bool:
    """Whether a key is where a command was to bring it."""
    if argv[0] == "get":
        return git_ok(repo, "annex", "contentlocation", key)
    return git_ok(repo, "annex", "checkpresentkey", key, argv[1].removeprefix("--to="))


def has_branch(repo: Path, url: str, branch: str) -> bool:
    """Whether a repository elsewhere has a branch. Raises StudyError where it cannot be asked."""
    return bool(git(repo, "ls-remote", url, f"refs/heads/{branch}").strip())


def check_moves_on(repo: Path, url: str, branch: str) -> None:
    """Raise StudyError where the branch elsewhere has what is not here."""
    if not has_branch(repo, url, branch):
        return
    there = git(repo, "ls-remote", url, f"refs/heads/{branch}").split()[0]
    known = git_ok(repo, "cat-file", "-e", f"{there}^{{commit}}")
    if not known or not git_ok(repo, "merge-base", "--is-ancestor", there, head(repo)):
        raise StudyError(
            f"{without_passwords(url)} has commits on {branch} that are not here",
            hint=f"git pull {without_passwords(url)} {branch}, then publish again",
        )


def bring_published(repo: Path, url: str) -> None:
    """Make a clone an annex on top of what a place has of a git-annex branch."""
    if has_branch(repo, url, GIT_ANNEX):
        git(repo, "fetch", "-q", "--no-tags", url, f"{GIT_ANNEX}:{GIT_ANNEX}")
    annex(repo, "init", "-q")


def push(repo: Path, url: str, branch: str) -> None:
    """Push one branch, and nothing with it."""
    ref = f"refs/heads/{branch}"
    git(repo, "push", "-q", *OUTSIDE, url, f"{ref}:{ref}")
