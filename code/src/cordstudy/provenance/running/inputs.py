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
from cordstudy.provenance.running.recipes import Recipe, make
from cordstudy.provenance.running.subdatasets import (
    PinNotHad,
    Subdataset,
    check_out,
    install,
    is_installed,
    pinned,
)

Had = Literal["got", "made", "pinned"]
"""How a source came here; `pinned`: it was made, came out other than was pinned, and is pinned as
it is now."""


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


def get_source(dataset: Path, source: Source, *, machine: Machine) -> Had:
    """Have one source here at its pin, or made.

    Raises StudyError where the dataset pins none, or it cannot be reached.
    """
    pin = pinned(dataset, source)
    if is_installed(dataset, source):
        _go_to_pin(dataset, source, pin)
        return "got"
    if source.recipe:
        moved = make(dataset, source, source.recipe, machine=machine)
        return "pinned" if moved and pin else "made"
    install(dataset, source, pin)
    return "got"


def _go_to_pin(dataset: Path, source: Source, pin: str) -> None:
    try:
        check_out(dataset, source, pin)
    except PinNotHad as error:
        if not source.recipe:
            raise
        hint = f"move {source.path} away, then get it again: it is made anew"
        raise StudyError(str(error), hint=hint) from error


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
