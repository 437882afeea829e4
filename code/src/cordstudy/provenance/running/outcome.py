"""What a step in a workspace made, against what a commit holds.

Owns: which outputs are not the same.
Does not own: how alike they are (`audit.differences`), or what follows (`remaking.again`).
"""

from __future__ import annotations

from collections.abc import Mapping

from cordstudy.provenance.calling.content import pathspecs
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.history.gitlog import read_tree
from cordstudy.provenance.history.since import same
from cordstudy.provenance.running.workspace import Workspace


def changed_outputs(ws: Workspace, commit: str) -> Mapping[str, str]:
    """How git says that the outputs differ from those in a commit (A, D, M …), by path; not where
    the same content is kept in another way: unlocked, executable."""
    options = ("--name-status", "-z", "--no-renames")
    printed = git(
        ws.path, "diff", *options, commit, "HEAD", "--", *pathspecs(ws.outputs), private=True
    )
    words = printed.split("\0")
    changes = dict(zip(words[1::2], words[0::2]))
    if not changes:
        return {}
    then, now = read_tree(ws.path, commit), read_tree(ws.path, "HEAD")
    for path in list(changes):
        if same(then.get(path), now.get(path)):
            del changes[path]
    return changes
