"""The store: a bare annex that jobs clone and land in, and from which records come home.

Owns: making one, bringing a study's branch and content to it, and the branch back.
Does not own: landing in it (`running.landing`), or what else a study is cloned from.

It is nobody's annex but its own: neither its id nor that of a job's clone enters the branch that
git-annex shares (`annex.private`), so that a study's history says nothing of where it was computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import annex_keys, check_names
from cordstudy.provenance.calling.gitannex import (
    annex,
    git,
    git_ok,
    head,
    settle_identity,
    transfer,
)
from cordstudy.provenance.running.advancing import add_to_branch, current_branch, locked
from cordstudy.provenance.running.trees import FETCH

REMOTE = "store"
"""What the store is called in a study's clone."""
HOME = "study"
"""What that clone is called in the store."""
FETCHED = "refs/remotes/store"
SETTINGS = {
    "annex.private": "true",
    "annex.thin": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "receive.autogc": "false",
    "receive.denyNonFastForwards": "true",
    "receive.denyDeletes": "true",
    "core.filesRefLockTimeout": "10000",
    "core.packedRefsTimeout": "10000",
}
"""Nothing in it is rewritten, or packed while a job reads it; who moves a ref waits for others."""
PACKS = 20
"""How many packs may be without an index of all."""


def make_store(dataset: Path, place: Path) -> None:
    """Make an empty store of a dataset and have the dataset know it. Safe to repeat.

    Raises StudyError for a folder that holds something else.
    """
    branch = current_branch(dataset)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and any(place.iterdir()):
        check_is_store(dataset, place)
    else:
        kind = git(dataset, "rev-parse", "--show-object-format").strip()
        name = branch.removeprefix("refs/heads/")
        git(
            place.parent,
            "init",
            "-q",
            "--bare",
            f"--object-format={kind}",
            f"--initial-branch={name}",
            str(place),
        )
        settle_identity(place, like=dataset)
        for key, value in SETTINGS.items():
            git(place, "config", key, value)
        git(place, "annex", "init", "-q", "store of jobs")
    _know(place, HOME, dataset)
    _know(dataset, REMOTE, place)


def _know(repo: Path, name: str, place: Path) -> None:
    """Have a repository know another, in settings of its own alone."""
    url = str(place.resolve())
    if ":" in url:  # which git-annex takes for another host, but for two slashes
        url = f"/{url}"
    settings = {
        "url": url,
        "fetch": "+refs/heads/no-branch:refs/no-branch",  # git-annex's is nobody else's
        "annex-private": "true",
        "annex-speculate-present": "true",
    }
    for key, value in settings.items():
        git(repo, "config", f"remote.{name}.{key}", value)


def store_of(dataset: Path) -> Path:
    """The store that a dataset knows. Raises StudyError where it knows none, or it is not there."""
    if not git_ok(dataset, "config", f"remote.{REMOTE}.url"):
        raise StudyError("this clone has no store", hint="code/study store init PATH")
    url = git(dataset, "config", f"remote.{REMOTE}.url").removesuffix("\n")
    place = Path(f"/{url.lstrip('/')}")
    check_is_store(dataset, place)
    return place


def check_is_store(dataset: Path, place: Path) -> None:
    """Raise StudyError unless a folder is a store of this dataset."""
    if not git_ok_in(place, "config", "--get", "annex.uuid"):
        raise StudyError(
            f"{place} is no store, or out of reach", hint="code/study store init PATH makes one"
        )
    home = git(place, "config", "--default", "", f"remote.{HOME}.url").strip()
    if home and Path(home) != dataset.resolve() and Path(home).exists():
        raise StudyError(
            f"{place} is the store of {home}", hint="make another: code/study store init PATH"
        )


def git_ok_in(place: Path, *args: str) -> bool:
    """Whether a git command succeeds in a folder that may not be there."""
    return place.is_dir() and git_ok(place, *args)


def push(dataset: Path, store: Path) -> str:
    """Bring the dataset's branch to the store, which then holds it; the commit that it is at.

    The store's own may be further on. Raises StudyError where each has what the other has not
    (`pull` says what to do).
    """
    branch = current_branch(dataset)
    here = head(dataset, branch)
    with locked(store):  # no job lands between looking and pushing
        if git_ok(store, "merge-base", "--is-ancestor", here, branch):
            return here  # jobs may have landed since
        _check_holds(dataset, store, branch, here)
        git(dataset, "push", "-q", "--no-verify", str(store), f"{here}:{branch}")
    return here


def _check_holds(dataset: Path, store: Path, branch: str, here: str) -> None:
    """Raise StudyError where a store's branch has what a commit of the dataset has not."""
    if not git_ok(store, "rev-parse", "-q", "--verify", branch):
        return
    there = head(store, branch)
    known = git_ok(dataset, "cat-file", "-e", there)
    if not known or not git_ok(dataset, "merge-base", "--is-ancestor", there, here):
        raise StudyError(
            f"{store} has what is not here: jobs landed in it",
            hint="code/study store pull brings it here",
        )


def pull(dataset: Path, store: Path) -> int:
    """Bring what landed in the store to the dataset's branch; how many records and merges came.

    Raises StudyError where both have gone on from where they were.
    """
    branch = current_branch(dataset)
    git(dataset, *FETCH, str(store), f"{branch}:{FETCHED}")
    theirs = head(dataset, FETCHED)

    def make(tip: str) -> str:
        if git_ok(dataset, "merge-base", "--is-ancestor", theirs, tip):
            return tip
        if not git_ok(dataset, "merge-base", "--is-ancestor", tip, theirs):
            raise StudyError(
                f"{branch.removeprefix('refs/heads/')} has commits that the store has not, and the "
                "store has records that are not here",
                hint=f"git merge {FETCHED} joins them; then code/study run --on slurm",
            )
        return theirs

    before = head(dataset, branch)
    with locked(dataset):
        after = add_to_branch(dataset, branch, make)
    return int(git(dataset, "rev-list", "--count", f"{before}..{after}"))


def index_packs(store: Path) -> None:
    """Have git find what the store holds by one index of its packs, of which each landing adds one:
    git looks into each that the index has not, and a job calls it a hundred times.

    Nothing is rewritten or removed; where it fails, all is as it was.
    """
    packs = store / "objects/pack"
    index = packs / "multi-pack-index"
    with suppress(StudyError, OSError), locked(store):
        since = index.stat().st_mtime if index.exists() else 0.0
        if sum(pack.stat().st_mtime > since for pack in packs.glob("*.pack")) >= PACKS:
            git(store, "multi-pack-index", "write")


def give(dataset: Path, store: Path, paths: Sequence[str]) -> None:
    """Have the store hold the content of a dataset's files that is here.

    Raises StudyError for what is neither here nor there.
    """
    keys = annex_keys(dataset, paths, "--anything")
    lacking = keys_lacking(store, list(keys.values()))
    wanted = [path for path, key in keys.items() if key in lacking]
    check_names(wanted)
    asked = "".join(f"{path}\0" for path in wanted)
    argv = ("copy", "-q", f"--to={REMOTE}", "--batch", "-z")
    with suppress(StudyError):  # what the store then has tells
        for _ in transfer(dataset, *argv, stdin=asked):
            pass
    still = keys_lacking(store, [keys[path] for path in wanted])
    absent = keys_lacking(dataset, sorted(still))
    for path in wanted:
        if keys[path] in absent:
            raise StudyError(
                f"the content of {path} is neither here nor in the store",
                hint=f"datalad get {path}",
            )
        if keys[path] in still:
            raise StudyError(
                f"the content of {path} could not be copied to {store}",
                hint=f"is there room? git annex copy --to={REMOTE} {path} says why",
            )


def keys_in(store: Path) -> frozenset[str]:
    """The keys whose content a store has."""
    return frozenset(annex(store, "findkeys", "--in=here").split())


def keys_lacking(store: Path, keys: Sequence[str]) -> set[str]:
    """Those keys whose content a store does not have."""
    if not keys:
        return set()
    asked = "".join(f"{key}\n" for key in keys)
    answer = annex(store, "contentlocation", "--batch", stdin=asked).split("\n")
    return {key for key, place in zip(keys, answer) if not place}
