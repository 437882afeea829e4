"""What a record needs, and what of it is here.

Owns: keys that are missing, places of subdatasets that are the dataset's own, the environment.
Does not own: having it here (`remake`), or whether all of it is (`vouching`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from cordstudy.provenance.calling.content import locations
from cordstudy.provenance.calling.surroundings import user_cache
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import Tree
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import matches
from cordstudy.provenance.profile import NAME, Profile


def missing(repo: Path, keys: Sequence[str]) -> list[str]:
    """Those keys whose content is not in a clone."""
    here = locations(repo, keys)
    return [key for key in keys if key not in here]


def keys_of(tree: Tree, spec: str) -> list[str]:
    """The keys of the annexed files that a declared path stands for in a tree."""
    return [tree[path].key for path in matches(tree, spec) if tree[path].key]


def own_links(dataset: Path, links: Iterable[str]) -> list[str]:
    """Those places of subdatasets that no link of the present tree has lie elsewhere."""
    root = os.path.realpath(dataset)
    return [x for x in links if os.path.realpath(dataset / x) == os.path.join(root, x)]


def missing_environment(history: History, commit: RecordedCommit, profile: Profile) -> str:
    """What to do where the environment of a record is not made here; empty where it is, or where it
    names none."""
    if not profile.lock or commit.record.cmd.split()[:1] != [profile.launcher]:
        return ""
    lock = history.entry_before(commit.id, profile.lock)
    if lock is None or (user_cache() / NAME / "steps" / lock.object / "complete").exists():
        return ""
    return (
        f"the environment of its {profile.lock} ({lock.object[:8]}) is not made here: "
        f"git worktree add --detach FOLDER {commit.first_parent[:12]}; "
        f"make -C FOLDER/{profile.code} env"
    )
