"""Subdatasets at the commits that their dataset pins.

Owns: what is pinned and installed, installing one at its pin, bringing an installed one there, and
pinning a new one.
Does not own: what is in a subdataset, making one (`recipes`), or which way one is had (`inputs`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import (
    git,
    git_ok,
    gitlinks,
    head,
    install_annex,
    is_annex,
    run,
    settle_filter,
)
from cordstudy.provenance.history.gitlog import dataset_id
from cordstudy.provenance.running.landing import commit_files

REFUSALS = ("fatal:", "ssh:", "ERROR:", "Permission denied")
"""How lines start in which git, or the ssh that it calls, says why it could not clone."""


@dataclass(frozen=True)
class Subdataset:
    """A subdataset as its dataset declares it."""

    name: str
    """What people call it."""
    path: str
    ask: str = ""
    """Whom to ask for access, if it is private."""


class PinNotHad(StudyError):
    """The commit that is pinned of an installed subdataset is not to be had."""


def pinned(dataset: Path, subdataset: Subdataset) -> str:
    """The commit that is pinned of a subdataset; empty where none is."""
    return gitlinks(dataset, "HEAD").get(subdataset.path, "")


def is_installed(dataset: Path, subdataset: Subdataset) -> bool:
    """Whether a subdataset is there, at whatever commit."""
    return (dataset / subdataset.path / ".git").exists()


def is_at_pin(dataset: Path, subdataset: Subdataset) -> bool:
    """Whether a subdataset is installed at the commit that is pinned."""
    if not is_installed(dataset, subdataset):
        return False
    return head(dataset / subdataset.path) == pinned(dataset, subdataset)


def install(dataset: Path, subdataset: Subdataset, pin: str) -> None:
    """Install a subdataset from its URL, by `datalad get -n`.

    Raises StudyError where the dataset pins none, or it cannot be reached.
    """
    if not pin:
        raise StudyError(
            f"the dataset has no subdataset {subdataset.path}",
            hint="git submodule add, or correct its path",
        )
    try:
        run(
            ("datalad", "-l", "critical", "get", "-n", "-d", ".", subdataset.path),
            cwd=dataset,
            env={"GIT_TERMINAL_PROMPT": "0"},
        )
    except StudyError as error:
        raise _not_installed(dataset, subdataset, pin, error) from error
    place = dataset / subdataset.path
    if not is_annex(place):  # cloned from where there is no git-annex branch
        install_annex(place, private=True)
    settle_filter(place)


def _not_installed(
    dataset: Path, subdataset: Subdataset, pin: str, error: StudyError
) -> StudyError:
    asked = ("config", "-f", ".gitmodules", f"submodule.{subdataset.path}.url")
    url = git(dataset, *asked).strip()
    hint = "is the network there?"
    if subdataset.ask:
        hint = f"it is private: ask {subdataset.ask}"
    return StudyError(
        f"cannot be installed at {pin[:8]} from {url}: {_refusal(str(error))}", hint=hint
    )


def _refusal(text: str) -> str:
    """What git said of a refused clone, without what DataLad says about it."""
    lines = [line.strip() for line in text.splitlines()]
    refusals = [line for line in lines if line.startswith(REFUSALS)]
    last = refusals[-1] if refusals else lines[-1]
    return last.rstrip("']")


def check_out(dataset: Path, subdataset: Subdataset, pin: str) -> None:
    """Bring an installed subdataset to its pin.

    Raises StudyError where that would lose what was done in it, and PinNotHad.
    """
    if not pin:
        raise StudyError(
            f"{subdataset.path} is here, and the dataset pins no commit of it",
            hint=f"git add {subdataset.path}",
        )
    check_nothing_is_lost(dataset, subdataset, pin)
    if not has_commit(dataset, subdataset, pin):
        fetch_commit(dataset, subdataset, pin)
    git(dataset / subdataset.path, "checkout", "-q", "--detach", pin)


def check_nothing_is_lost(dataset: Path, subdataset: Subdataset, pin: str) -> None:
    """Raise StudyError where an installed subdataset has what it would lose at another commit."""
    place = dataset / subdataset.path
    if git(place, "status", "--porcelain").strip():
        raise StudyError(
            f"{subdataset.path} has uncommitted changes",
            hint=f"an input is never edited: git -C {subdataset.path} status",
        )
    holding = git(place, "for-each-ref", "--contains", "HEAD", "--count=1").strip()
    if not holding and not git_ok(place, "merge-base", "--is-ancestor", "HEAD", pin):
        raise StudyError(
            f"{subdataset.path} is at {head(place)[:8]}, a commit that no branch holds: "
            "to leave it would lose it",
            hint=f"git -C {subdataset.path} branch NAME",
        )


def has_commit(dataset: Path, subdataset: Subdataset, commit: str) -> bool:
    """Whether an installed subdataset has a commit."""
    return git_ok(dataset / subdataset.path, "cat-file", "-e", f"{commit}^{{commit}}")


def branch_of(commit: str) -> str:
    """The branch that holds a commit of a subdataset which its own branches may not: git would
    prune it, and clones of the subdataset would lack it."""
    return f"refs/heads/pins/{commit[:12]}"


def hold(place: Path, commit: str) -> None:
    """Have a branch of a subdataset hold a commit that it has."""
    git(place, "update-ref", branch_of(commit), commit)


def fetch_commit(dataset: Path, subdataset: Subdataset, pin: str) -> None:
    """Fetch a commit into an installed subdataset from where it came. Raises PinNotHad."""
    place = dataset / subdataset.path
    try:
        git(place, "fetch", "-q", "origin", pin)
    except StudyError as error:
        raise PinNotHad(
            f"{subdataset.path} is at {head(place)[:8]}; the commit that the dataset pins, "
            f"{pin[:8]}, is not to be had",
            hint=f"git -C {subdataset.path} fetch",
        ) from error


def pin_clone(dataset: Path, subdataset: Subdataset, clone: Path, message: str) -> bool:
    """Commit the commit of a clone as a subdataset's pin; False where it is pinned already."""
    if pinned(dataset, subdataset) == head(clone):
        return False

    def entries(tip: str) -> Mapping[str, str | Path]:
        modules = _modules(dataset, subdataset, clone, tip)
        return {".gitmodules": modules, subdataset.path: clone}

    commit_files(dataset, entries, message)
    return True


def _modules(dataset: Path, subdataset: Subdataset, clone: Path, tip: str) -> str:
    """The text of a tip's .gitmodules with a subdataset in it."""
    fields = {
        "path": subdataset.path,
        "url": f"./{subdataset.path}",
        "datalad-id": dataset_id(clone),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "modules"
        file.write_text(git(dataset, "cat-file", "blob", f"{tip}:.gitmodules"))
        for key, value in fields.items():
            name = f"submodule.{subdataset.path}.{key}"
            git(dataset, "config", "-f", str(file), name, value)
        return file.read_text()
