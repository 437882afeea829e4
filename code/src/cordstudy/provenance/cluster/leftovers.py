"""What other tries of steps left, on a node and in the store; and that one is at work on a node.

Owns: which refs and folders are those of tries, the lock of a step on a node, clearing.
Does not own: what a workspace is (`running.workspace`, `running.marks`), or landing (`job`).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cordstudy.provenance.calling.content import pathspecs
from cordstudy.provenance.calling.gitannex import git, tree_entries
from cordstudy.provenance.cluster.store import keys_lacking
from cordstudy.provenance.history.gitlog import annex_keys
from cordstudy.provenance.profile import REFS
from cordstudy.provenance.running.advancing import hold
from cordstudy.provenance.running.kept import Kept
from cordstudy.provenance.running.machine import file_name
from cordstudy.provenance.running.marks import (
    finished_step,
    left_behind,
    remove_tree,
    steps_left_behind,
)
from cordstudy.provenance.running.trees import paths_of

TRY = re.compile(r"-\d[\d_]*\.\d+(\.\w+)?")
"""How a ref's name goes on behind the step's: `@<job>.<starts>`, and a workspace's own part."""


@contextmanager
def alone(scratch: Path, step: str) -> Iterator[None]:
    """Wait until no other try of a step is at work on this node."""
    path = _lock(scratch, step)
    handle = _take(path, wait=True)
    assert handle is not None
    with handle:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is held: who waits for it looks again


def clear_node(study: Path, scratch: Path, *, over: Callable[[str], bool]) -> None:
    """Remove what tries of a study's steps left on this node that are not at work.

    A finished step stays, but where it is `over`: where it has landed from elsewhere. Other nodes
    may have their workspaces in the same folder, and locks that are not seen here.
    """
    host = socket.gethostname()
    for step in steps_left_behind(study, scratch, host=host):
        path = _lock(scratch, step)
        handle = _take(path, wait=False)
        if handle is None:
            continue
        with handle:
            for folder in left_behind(study, scratch, step=step, host=host):
                if not finished_step(folder) or over(step):
                    remove_tree(folder)
            path.unlink(missing_ok=True)


def refs_of_tries(store: Path, step: str) -> list[str]:
    """The refs by which a store keeps something of the tries of a step."""
    start = file_name(step)
    found = []
    for ref in git(store, "for-each-ref", "--format=%(refname)", REFS).split():
        name = ref.rpartition("/")[2]
        if name.startswith(start) and TRY.fullmatch(name, len(start)):
            found.append(ref)
    return found


def content_is_there(store: Path, kept: Kept) -> bool:
    """Whether a store has the content of all outputs of a finished step, and not its commit
    alone."""
    outputs = pathspecs(kept.record.from_root(kept.record.outputs))
    entries = tree_entries(store, kept.commit)
    held = [entries[path] for path in paths_of(store, kept.commit, outputs)]
    return not keys_lacking(store, list(annex_keys(store, held).values()))


def _lock(scratch: Path, step: str) -> Path:
    return scratch / f"{file_name(step)}.lock"


def _take(path: Path, *, wait: bool) -> IO[str] | None:
    """Hold a file's lock, of the file that is there then; None where another holds it, or may as
    there are no locks, without `wait`."""
    while True:
        handle = path.open("a")
        try:
            if not hold(handle, wait=wait) and not wait:
                handle.close()
                return None
            if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle
        except BlockingIOError:
            handle.close()
            return None
        except FileNotFoundError:  # removed between two looks
            pass
        except BaseException:
            handle.close()
            raise
        handle.close()
