"""Commits made beside a dataset's tree and index: trees of entries, and what differs between two.

Owns: a repository that borrows the dataset's objects, the trees and commits that are made in it,
bringing them home as a pack, and which paths two commits have otherwise.
Does not own: what is committed (`kept`, `landing`), or moving a branch to it (`advancing`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cordstudy.provenance.calling.gitannex import ANY_BYTES, ZERO, git, head, settle_identity

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
EVERYTHING = (".",)


def changed_paths(
    dataset: Path, base: str, tip: str, specs: Sequence[str] = EVERYTHING
) -> list[str]:
    """The paths that differ between two trees, of those that git's pathspecs stand for."""
    if not specs:  # to git, no path is every path
        return []
    names = git(dataset, *DIFF, "--name-only", base, tip, "--", *specs)
    return [path for path in names.split("\0") if path]


def paths_of(dataset: Path, commit: str, specs: Sequence[str]) -> list[str]:
    """The files of a commit that git's pathspecs stand for."""
    empty = git(dataset, "hash-object", "-t", "tree", os.devnull).strip()
    return changed_paths(dataset, empty, commit, specs)


def changed_entries(dataset: Path, base: str, commit: str) -> dict[str, str]:
    """Git's mode and object of what a commit changed, by path; all zero for what is gone."""
    fields = git(dataset, *DIFF, "--raw", base, commit).split("\0")
    entries = {}
    for change, path in zip(fields[0::2], fields[1::2]):
        _, mode, _, blob, _ = change.split()
        entries[path] = f"{mode} {blob}"
    return entries


@contextmanager
def borrowing(dataset: Path) -> Iterator[Path]:
    """A bare repository that borrows the dataset's objects, in which new ones are made."""
    path = git(dataset, "rev-parse", "--git-path", "objects").strip()
    objects = (dataset / path).resolve()
    kind = git(dataset, "rev-parse", "--show-object-format").strip()
    with tempfile.TemporaryDirectory() as name:
        repo = Path(name)
        git(repo, "init", "-q", "--bare", f"--object-format={kind}", private=True)
        (repo / "objects/info/alternates").write_text(f"{objects}\n")
        settle_identity(repo, like=dataset)
        yield repo


def commit_tree(
    repo: Path, tree: str, *, parents: Sequence[str], message: str, date: str = ""
) -> str:
    """A commit of a tree, made in a borrowing repository; `date` is its author's, else now."""
    arguments = []
    for parent in parents:
        arguments += ["-p", parent]
    env = {"GIT_AUTHOR_DATE": date} if date else {}
    words = ("commit-tree", tree, *arguments, "-F", "-")
    return git(repo, *words, stdin=message, env=env, private=True).strip()


def tree_with(repo: Path, tip: str, entries: Mapping[str, str], gone: Sequence[str] = ()) -> str:
    """A tip's tree with some entries replaced and some taken out."""
    lines = [f"{entry}\t{path}\0" for path, entry in entries.items()]
    lines += [f"0 {ZERO}\t{path}\0" for path in gone]
    git(repo, "read-tree", tip, private=True)
    git(repo, "update-index", "-z", "--index-info", stdin="".join(lines), private=True)
    return git(repo, "write-tree", private=True).strip()


def entry_of(repo: Path, content: str | bytes | Path) -> str:
    """Git's mode and object of a file, or of a subdataset: a clone that is at its commit."""
    if isinstance(content, Path):
        return f"160000 {head(content)}"
    if isinstance(content, bytes):
        content = content.decode(errors=ANY_BYTES)  # without loss
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=content, private=True).strip()
    return f"100644 {blob}"


def bring_in(dataset: Path, repo: Path, commit: str, ref: str) -> str:
    """Bring a commit that was made beside the dataset into it, under a ref."""
    git(repo, "update-ref", "refs/heads/made", commit, private=True)
    git(dataset, *FETCH, str(repo), f"refs/heads/made:{ref}", private=True)
    return commit
