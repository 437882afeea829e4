"""Pins of another time: having a commit of a subdataset here that only an old record names.

Owns: making such a commit anew with the code of the record's commit, and that it then is in the
installed subdataset, whose checkout stays as it is.
Does not own: having a subdataset at its present pin (`inputs`), how one is made (`recipes`), or
asking code how (`own_code`).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cordstudy.provenance.calling.gitannex import git, git_ok, gitlinks, head
from cordstudy.provenance.calling.sandbox import check_sandbox
from cordstudy.provenance.profile import NAME, Profile
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.own_code import printed_by
from cordstudy.provenance.running.recipes import (
    Recipe,
    Run,
    bring_into,
    install_made,
    made,
    plainly,
)
from cordstudy.provenance.running.subdatasets import (
    PinNotHad,
    Subdataset,
    check_out,
    fetch_commit,
    has_commit,
    hold,
    install,
    is_installed,
)


def have_pin(
    dataset: Path,
    link: str,
    pin: str,
    *,
    commit: str,
    machine: Machine,
    profile: Profile,
    run: Run = plainly,
) -> None:
    """Have the commit `pin` of the subdataset at `link` here, with its content if it is made.

    It is what a record at `commit` read. A subdataset that is installed stays at its own commit;
    one that is not is installed. Making it runs the code of that commit, as `run` does; else with
    the rights of whoever asks. Raises StudyError with why it cannot
    be had.
    """
    subdataset = Subdataset(Path(link).name, link)
    if is_installed(dataset, subdataset) and has_commit(dataset, subdataset, pin):
        return
    with _one_at_a_time(dataset):
        if _is_had_from_elsewhere(dataset, subdataset, pin):
            return
        if not is_installed(dataset, subdataset):
            _install_present(dataset, subdataset, pin, machine=machine, profile=profile, run=run)
        if not (is_installed(dataset, subdataset) and has_commit(dataset, subdataset, pin)):
            _make_anew(
                dataset,
                subdataset,
                pin,
                commit=commit,
                machine=machine,
                profile=profile,
                run=run,
            )


@contextmanager
def _one_at_a_time(dataset: Path) -> Iterator[None]:
    """Of several records that need one pin, the first makes it."""
    folder = git(dataset, "rev-parse", "--git-common-dir").strip()
    with (dataset / folder / f"{NAME}-pins.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_had_from_elsewhere(dataset: Path, subdataset: Subdataset, pin: str) -> bool:
    """Try to have a pin from where the subdataset is cloned from, or another has just put it; False
    where it is to be made."""
    is_made = _is_made(dataset, subdataset)
    if not is_installed(dataset, subdataset):
        if is_made:
            return False
        install(dataset, subdataset, gitlinks(dataset, "HEAD").get(subdataset.path, ""))
    if not has_commit(dataset, subdataset, pin):
        try:
            fetch_commit(dataset, subdataset, pin)
        except PinNotHad:
            if is_made:
                return False
            raise
    hold(dataset / subdataset.path, pin)
    return True


def _is_made(dataset: Path, subdataset: Subdataset) -> bool:
    """Whether the URL of a subdataset is its own place, so that nobody else has it."""
    if not git_ok(dataset, "cat-file", "-e", "HEAD:.gitmodules"):
        return True
    asked = ("config", "--blob", "HEAD:.gitmodules", f"submodule.{subdataset.path}.url")
    if not git_ok(dataset, *asked):  # it is not in the present dataset any more
        return True
    return git(dataset, *asked).strip() == f"./{subdataset.path}"


def _install_present(
    dataset: Path,
    subdataset: Subdataset,
    pin: str,
    *,
    machine: Machine,
    profile: Profile,
    run: Run,
) -> None:
    """Install a subdataset that is made at its present pin, where that is another, so that the
    dataset stays clean; it may be that only the old one can be made."""
    present = gitlinks(dataset, "HEAD").get(subdataset.path, "")
    if present in ("", pin):
        return
    with suppress(PinNotHad):
        _make_anew(
            dataset,
            subdataset,
            present,
            commit="HEAD",
            machine=machine,
            profile=profile,
            run=run,
        )


def _make_anew(
    dataset: Path,
    subdataset: Subdataset,
    pin: str,
    *,
    commit: str,
    machine: Machine,
    profile: Profile,
    run: Run,
) -> None:
    """Make a subdataset with the code of a commit until it comes out as pinned."""
    came_out = []
    for recipe in _recipes(dataset, subdataset, commit=commit, profile=profile):
        place = made(dataset, subdataset, recipe, machine=machine, commit=commit, run=run)
        with place as clone:
            if head(clone) == pin:
                _put(dataset, subdataset, clone, pin)
                return
            came_out.append(head(clone)[:12])
    name = f"{subdataset.path} at {pin[:12]}, which {commit[:8]} pins,"
    if came_out:
        raise PinNotHad(
            f"{name} comes out as {', '.join(came_out)} here, by the code of that commit",
            hint="this kind of machine makes other bytes; what builds on it cannot be made here",
        )
    raise PinNotHad(
        f"{name} is not here, and no code says how it is made",
        hint=f"git -C {subdataset.path} fetch, from wherever it is",
    )


def _put(dataset: Path, subdataset: Subdataset, clone: Path, pin: str) -> None:
    place = dataset / subdataset.path
    if is_installed(dataset, subdataset):
        bring_into(clone, place)
        return
    install_made(dataset, clone, place)
    check_out(dataset, subdataset, pin)


def _recipes(
    dataset: Path, subdataset: Subdataset, *, commit: str, profile: Profile
) -> Iterator[Recipe]:
    """How the code of a commit says that a subdataset is made; where it does not say so, as code
    before this did not, how the present commit's code does, for that code to be run with."""
    if not profile.launcher:
        return
    check_sandbox()
    for asked in (commit, "HEAD"):
        tree = git(dataset, "rev-parse", "--verify", f"{asked}:{profile.code}").strip()
        told = printed_by(dataset, tree, profile)
        found: list[Recipe] = []
        for study in told.studies.values():
            for source in study.sources:
                if source.path == subdataset.path and source.recipe not in found:
                    found.append(source.recipe)
        yield from found
        if found:
            return
