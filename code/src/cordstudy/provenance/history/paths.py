"""Declared paths: which files of a tree a record's inputs and outputs stand for.

Owns: the meaning of a path, a folder and a glob in a record.
Does not own: trees (`history`), or git's own pathspecs (`workspace`).

As DataLad has it: no wildcard matches a `/`, a name that is `**` stands for any folders, within a name
all is as in `fnmatch`; a folder stands for all below it, and a glob that matches nothing for itself.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from functools import cache

from sortedcontainers import SortedDict

WILD = re.compile(r"[*?\[]")
ANY_FOLDERS = "**"
Name = str | re.Pattern[str] | None
"""One name of a glob: itself, a pattern, or None for any."""


class Declared:
    """Paths as a record declares them, to be asked many times."""

    def __init__(self, specs: Iterable[str]) -> None:
        self.literal = frozenset(specs)
        self.globs: dict[str, list[tuple[Name, ...]]] = {}
        for spec in self.literal:
            if wild := WILD.search(spec):
                self.globs.setdefault(spec[: wild.start()].rpartition("/")[0], []).append(
                    _names(spec)
                )

    def covers(self, path: str) -> bool:
        """Whether a path is one that they stand for."""
        names = path.split("/")
        above = ["", *("/".join(names[:n]) for n in range(1, len(names)))]
        if not self.literal.isdisjoint((".", path, *above)):
            return True
        return any(_fits(globs, names) for folder in above for globs in self.globs.get(folder, ()))


def covers(specs: Sequence[str], path: str) -> bool:
    """Whether a path is one that specs stand for."""
    return Declared(specs).covers(path)


def matches(tree: SortedDict, spec: str) -> list[str]:
    """The paths of a sorted tree that a spec stands for, sorted; `.` is all of them."""
    if spec in (".", ""):
        return list(tree)
    wild = WILD.search(spec)
    if wild:
        start, globs = spec[: wild.start()], _names(spec)
        found = [
            path
            for path in tree.irange(start, start + "\U0010ffff")
            if _fits(globs, path.split("/"))
        ]
        if found:
            return found
    return [spec] if spec in tree else below(tree, spec)


def below(tree: SortedDict, folder: str) -> list[str]:
    """The paths of a sorted tree below a folder."""
    return list(tree.irange(f"{folder}/", f"{folder}0", inclusive=(True, False)))  # 0 comes after /


@cache
def _names(spec: str) -> tuple[Name, ...]:
    """The names of a glob; `**` at the end stands for at least one name."""
    names = spec.split("/")
    if names[-1] == ANY_FOLDERS:
        names[-1] = "*"
    return tuple(
        name if name == ANY_FOLDERS or not WILD.search(name) else _pattern(name) for name in names
    )


@cache
def _pattern(name: str) -> re.Pattern[str] | None:
    return None if name == "*" else re.compile(fnmatch.translate(name))


def _fits(globs: tuple[Name, ...], names: Sequence[str]) -> bool:
    """Whether a path, or a folder that it is in, is one that a glob stands for."""
    if ANY_FOLDERS in globs:
        return _fits_deep(globs, names)
    return len(names) >= len(globs) and all(map(_is, globs, names))


def _is(glob: Name, name: str) -> bool:
    return glob is None or (glob == name if isinstance(glob, str) else glob.match(name) is not None)


def _fits_deep(globs: tuple[Name, ...], names: Sequence[str]) -> bool:
    """The same with `**`: follows all ways through the glob at once, so that none can take long."""
    at = _skipping(globs, {0})
    for name in names:
        stay = {n for n in at if globs[n] == ANY_FOLDERS}
        at = _skipping(globs, stay | {n + 1 for n in at - stay if _is(globs[n], name)})
        if len(globs) in at:
            return True
    return False


def _skipping(globs: tuple[Name, ...], at: set[int]) -> set[int]:
    """The places, and those that no folder in place of `**` leads to."""
    found = set(at)
    for n in at:
        while n < len(globs) and globs[n] == ANY_FOLDERS:
            n += 1
            found.add(n)
    return found
