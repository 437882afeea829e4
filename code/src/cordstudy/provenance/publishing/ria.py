"""Publishing to a RIA store: DataLad's own layout, branches and content in one place.

Owns: making the dataset in the store, or going on with the one that is there.
Does not own: the layout, and reaching the store, which are DataLad's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import annex, git, git_ok, run
from cordstudy.provenance.history.gitlog import dataset_id
from cordstudy.provenance.publishing.going import Going
from cordstudy.provenance.publishing.outbox import (
    GIT_ANNEX,
    bring_published,
    check_moves_on,
    know_study,
    outbox,
    push,
    send,
    take_in,
)

NAME = "published"
STORAGE = f"{NAME}-storage"
"""What DataLad calls the special remote of a sibling."""


def store_url(place: str) -> str:
    """The URL of a store, which may be told as a folder. Raises StudyError for one that cannot be
    written to."""
    if not place.startswith("ria+"):
        return f"ria+file://{Path(place).expanduser().resolve()}"
    if not place.startswith(("ria+file:///", "ria+ssh://")) or "#" in place:
        raise StudyError(
            f"{place} is no store that can be written to",
            hint="a folder, ria+file:///FOLDER, or ria+ssh://HOST/FOLDER",
        )
    return place


def dataset_url(dataset: Path, store: str) -> str:
    """What a consumer clones."""
    return f"{store}#{dataset_id(dataset)}"


def publish(dataset: Path, store: str, files: Sequence[Going], *, scratch: Path) -> None:
    """Have a store hold the present branch, and the content of files. May be repeated.

    Raises StudyError where the store has commits that are not here, or cannot be reached.
    """
    if not dataset_id(dataset):
        raise StudyError(f"{dataset} is no DataLad dataset: it has no id", hint="datalad create")
    with outbox(dataset, scratch) as box:
        url = _git_url(dataset_url(dataset, store))
        known = git_ok(box.path, "ls-remote", url)
        if known:
            check_moves_on(box.path, url, box.branch)
            bring_published(box.path, url)
        else:
            annex(box.path, "init", "-q")
        know_study(box.path, dataset)
        take_in(box.path, files)
        _make_sibling(box.path, store, branch=box.branch, known=known)
        send(box.path, files, STORAGE)
        push(box.path, NAME, box.branch)
        push(box.path, NAME, GIT_ANNEX)


def _make_sibling(repo: Path, store: str, *, branch: str, known: bool) -> None:
    """Make the dataset in a store, or have the clone know it, by DataLad.

    Its git shows the branch to who clones it, and tells a plain web server what it has.
    """
    argv = ["datalad", "-l", "critical", "create-sibling-ria", "-s", NAME, "--new-store-ok"]
    argv += ["--post-update-hook", "--existing", "reconfigure" if known else "error", store]
    first = f"{int(os.environ.get('GIT_CONFIG_COUNT', '0'))}"
    setting = {
        "GIT_CONFIG_COUNT": f"{int(first) + 1}",
        f"GIT_CONFIG_KEY_{first}": "init.defaultBranch",
        f"GIT_CONFIG_VALUE_{first}": branch,
    }
    run(argv, cwd=repo, env=setting)
    if known:  # it may have moved: others find its content by what is told of it
        annex(repo, "enableremote", "-q", STORAGE, f"url={store}")
        # git-annex asks whether a place that another clone told of is meant: it was just named
        git(repo, "config", f"remote.{STORAGE}.annex-verified", "verified")


def _git_url(url: str) -> str:
    """The URL of a dataset's git repository in a store, as DataLad lays it out."""
    from datalad.core.distributed.clone import decode_source_spec

    return str(decode_source_spec(url)["giturl"])
