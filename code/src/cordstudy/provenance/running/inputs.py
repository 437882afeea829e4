"""The inputs of a dataset as subdatasets: having them here, and what of them is.

Owns: which way each is had (by its URL, or made by its recipe), the content of their files.
Does not own: installing and pinning (`subdatasets`), making (`recipes`), or which files are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import annexed, get, listed
from cordstudy.provenance.calling.gitannex import (
    annex,
    head,
    install_annex,
    is_annex,
    settle_filter,
    settle_identity,
)
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.recipes import Recipe, bring_into, install_made, made
from cordstudy.provenance.running.subdatasets import (
    PinNotHad,
    Subdataset,
    check_nothing_is_lost,
    check_out,
    install,
    is_installed,
    pin_clone,
    pinned,
)

Had = Literal["got", "made"]
"""How a source came here."""


@dataclass(frozen=True)
class Source(Subdataset):
    """A subdataset that is an input."""

    recipe: Recipe | None = None
    """How it is made, if it is not had from elsewhere."""


@dataclass(frozen=True)
class SourceState:
    """What is known of a source without asking anybody: the pin, and what is here.

    `files` counts annexed files, `present` those whose content is here.
    """

    pin: str
    installed: str
    files: int
    present: int


def source_state(dataset: Path, source: Source) -> SourceState:
    """Look at one source."""
    pin = pinned(dataset, source)
    if not is_installed(dataset, source):
        return SourceState(pin, "", 0, 0)
    place = dataset / source.path
    files = annex(place, "find", "--anything", "--format=x").count("x")
    present = annex(place, "find", "--in=here", "--format=x").count("x")
    return SourceState(pin, head(place), files, present)


class MadeOtherwise(StudyError):
    """A source that was made here came out other than is pinned; it is here all the same."""


def get_source(dataset: Path, source: Source, *, machine: Machine) -> Had:
    """Have one source here at its pin. One that is made and has no pin gets one; none that is there
    is moved.

    Raises MadeOtherwise, and StudyError where the dataset pins none, or it cannot be reached.
    """
    pin = pinned(dataset, source)
    if is_installed(dataset, source):
        try:
            check_out(dataset, source, pin)
            return "got"
        except PinNotHad:
            if not source.recipe:
                raise
    if not source.recipe:
        install(dataset, source, pin)
        return "got"
    _make(dataset, source, source.recipe, machine=machine)
    if pin:
        _check_is_pinned(dataset, source, pin)
    return "made"


def _make(dataset: Path, source: Source, recipe: Recipe, *, machine: Machine) -> None:
    """Make a source and put it in its place, or its commit into the one that is there.

    A first pin is committed before: one that is killed between them leaves a dataset that is as
    clean as before.
    """
    place = dataset / source.path
    with made(dataset, source, recipe, machine=machine) as clone:
        if not pinned(dataset, source):
            pin_clone(dataset, source, clone, f"chore(inputs): pin {source.name} as made here")
        if is_installed(dataset, source):
            commit = head(clone)
            bring_into(clone, place)
            check_out(dataset, source, commit)
        else:
            install_made(dataset, clone, place)


def _check_is_pinned(dataset: Path, source: Source, pin: str) -> None:
    here = head(dataset / source.path)
    if here != pin:
        raise MadeOtherwise(
            f"{source.path} as made here is {here[:12]}, and {pin[:12]} is pinned: this kind of "
            "machine, or code that changed, makes other bytes",
            hint="steps that read it cannot run on what was recorded; "
            f"code/study inputs pin {source.name} moves the pin to what is here, on purpose",
        )


def pin_source(dataset: Path, source: Source) -> tuple[str, str]:
    """Commit the commit of a source that was made here as its pin; the pin before and now.

    Raises StudyError for one that is not made, is not here, or was changed since.
    """
    place, before = dataset / source.path, pinned(dataset, source)
    if not source.recipe:
        raise StudyError(
            f"{source.path} is not made here: a person chooses its pin",
            hint=f"check out the commit in it, then git add {source.path}; git commit",
        )
    if not is_installed(dataset, source):
        raise StudyError(f"{source.path} is not here", hint="code/study inputs get")
    now = head(place)
    check_nothing_is_lost(dataset, source, now)
    pin_clone(dataset, source, place, f"chore(inputs): pin {source.name} as made here")
    return before, now


def get_files(dataset: Path, source: Source, *, text: Sequence[str], files: Sequence[str]) -> int:
    """Have the content of a source's files here; how many were fetched.

    `text` are globs, `files` are names; both start with the source's path. Raises StudyError
    for content that is not to be had.
    """
    place, start = dataset / source.path, len(source.path) + 1
    wanted = listed(place, [spec[start:] for spec in text])
    wanted += [path[start:] for path in files]
    before = annexed(place, wanted, "--not", "--in=here")
    absent = get(place, before)
    if absent:
        ask = f"; it is private: ask {source.ask}" if source.ask else ""
        raise StudyError(
            f"the content of {len(absent)} files of {source.path} is not to be had, "
            f"the first {absent[0]}",
            hint=f"look where it may be: git -C {source.path} annex whereis {absent[0]}{ask}",
        )
    return len(before)


def prepare_dataset(dataset: Path) -> None:
    """Make a plain clone a dataset that can hold content, and in which plain git works in any
    shell."""
    settle_identity(dataset)
    if not is_annex(dataset):
        install_annex(dataset, private=False)
    settle_filter(dataset)
