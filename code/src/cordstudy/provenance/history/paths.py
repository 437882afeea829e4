"""Declared paths: which files of a tree a record's inputs and outputs stand for.

Owns: the meaning of a path, a folder and a glob in a record, for all who ask about one.
Does not own: trees (`gitlog`), or how git and git-annex are asked for files (`calling.content`).

As DataLad has it, whose records they are: no wildcard matches a `/`, a name that is `**` stands for
any folders, within a name all is as in `fnmatch`; a folder stands for all below it, and a glob that
matches nothing for itself. But for one thing: DataLad's globs pass over names that start with a
dot. Here they do not, as they do not where git is asked: a file that a command could read or write
there is rather counted than overlooked.

Git's `:(glob)` pathspecs, with which workspaces are filled, mean the same but for names with a
backslash (which escapes, in git), `[^a]` (not `a`, in git; `^` or `a`, here), `[[:alpha:]]` (a
class, in git), a `[` without its `]` (nothing, in git; itself, here) and `***` (`**`, in git).

The globs are our own, as no library has these: `wcmatch` and `pathspec` make one regular expression
of a path, in which a hostile `**/*/**/*` takes for ever, know nothing of folders that stand for all
below them, and cannot look into a sorted tree, which makes 5,000 records of 50,000 files a matter
of seconds.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, takewhile
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
WILD = re.compile(r"[*?\[]")
LAST_WILD = re.compile(r".*[*?\[\]]", re.DOTALL)
ANY_NAMES = re.compile(r"\*(?:/\*)*")
"""The end of a glob at which every name fits."""
ANY_FOLDERS = "**"
WHOLE = (".", "")
"""Declared paths that stand for the whole dataset."""
Name = str | re.Pattern[str] | None
"""One name of a glob: itself, a pattern, or None for any."""


class SortedPaths(Protocol):
    """Paths, sorted: what is asked here of a `SortedDict`, whatever it holds."""

    def __contains__(self, path: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def irange(
        self,
        minimum: str | None = None,
        maximum: str | None = None,
        inclusive: tuple[bool, bool] = (True, True),
    ) -> Iterator[str]: ...


class Declared:
    """Paths as a record declares them, to be asked many times."""

    def __init__(self, specs: Iterable[str]) -> None:
        self.literal = frozenset(specs)
        self.globs: dict[str, list[tuple[Name, ...]]] = {}
        """Globs by the folder in which their first wildcard stands."""
        for spec in self.literal:
            wild = WILD.search(spec)
            if wild:
                folder = spec[: wild.start()].rpartition("/")[0]
                self.globs.setdefault(folder, []).append(_names(spec))

    def covers(self, path: str) -> bool:
        """Whether a path is one that they stand for."""
        names = path.split("/")
        folders = [""]
        for n in range(1, len(names)):
            folders.append("/".join(names[:n]))
        if not self.literal.isdisjoint((".", path, *folders)):
            return True
        for folder in folders:
            for glob in self.globs.get(folder, ()):
                if _fits(glob, names):
                    return True
        return False


def covers(specs: Sequence[str], path: str) -> bool:
    """Whether a path is one that specs stand for."""
    return Declared(specs).covers(path)


def matches(tree: SortedPaths, spec: str) -> list[str]:
    """The paths of a sorted tree that a spec stands for, sorted; `.` is all of them."""
    if spec in WHOLE:
        return list(tree)
    wild = WILD.search(spec)
    if wild:
        start, rest = spec[: wild.start()], spec[wild.start() :]
        candidates = takewhile(lambda path: path.startswith(start), tree.irange(start))
        if start[-1:] in ("", "/") and ANY_NAMES.fullmatch(rest):  # most are such: far faster
            depth = rest.count("/")
            found = [path for path in candidates if path.count("/", len(start)) >= depth]
        else:
            glob = _names(spec)
            found = [path for path in candidates if _fits(glob, path.split("/"))]
        if found:
            return found
    return [spec] if spec in tree else below(tree, spec)


def below(tree: SortedPaths, folder: str) -> list[str]:
    """The paths of a sorted tree below a folder."""
    return list(tree.irange(f"{folder}/", f"{folder}0", inclusive=(True, False)))  # 0 comes after /


def meet(spec: str, other: str) -> bool:
    """Whether two declared paths can stand for one and the same file.

    True too where two patterns of one name could only meet by their ends, and do not: `a*b` and
    `a?b?b`, say. What does not depend on such a pair is decided exactly.
    """
    if spec in WHOLE or other in WHOLE:
        return True
    one_start, other_start = _fixed_start(spec), _fixed_start(other)
    if not (one_start.startswith(other_start) or other_start.startswith(one_start)):
        return False
    return _can_meet(_split(spec), _split(other))


class Meetings(Generic[T]):
    """Declared paths, each with what declares it, to be asked which of them can meet another: of
    many, few are looked at."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, ...], list[tuple[str, T]]] = {}
        """By the names before the first wildcard."""
        self._below: dict[tuple[str, ...], list[tuple[str, T]]] = {}
        """By each folder above these."""

    def add(self, spec: str, declarer: T) -> None:
        """Hold a path and what declares it."""
        names = _fixed_names(spec)
        self._at.setdefault(names, []).append((spec, declarer))
        for n in range(len(names)):
            self._below.setdefault(names[:n], []).append((spec, declarer))

    def met_by(self, spec: str) -> Iterator[T]:
        """What declares a path that can stand for a file that this one can stand for."""
        names = _fixed_names(spec)
        candidates = [self._at.get(names[:n], ()) for n in range(len(names) + 1)]
        for other, declarer in chain(*candidates, self._below.get(names, ())):
            if meet(spec, other):
                yield declarer


@cache
def _fixed_names(spec: str) -> tuple[str, ...]:
    """The names before the first that has a wildcard: where two paths meet, one begins with those
    of the other."""
    if spec in WHOLE:
        return ()
    return tuple(takewhile(lambda name: not WILD.search(name), spec.split("/")))


@cache
def _fixed_start(spec: str) -> str:
    """What comes before the first wildcard of a path."""
    return WILD.split(spec, maxsplit=1)[0]


@cache
def _split(spec: str) -> tuple[str, ...]:
    """The names of a glob as they are written; `**` at the end stands for at least one name."""
    names = spec.split("/")
    if names[-1] == ANY_FOLDERS:
        names[-1] = "*"
    return tuple(names)


def _can_meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Follow two globs name by name, all ways through them; where one ends, it stands for all that
    the other can still name."""
    todo, seen = [(0, 0)], set()
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        n, m = here
        if n == len(one) or m == len(other):
            return True
        if ANY_FOLDERS in (one[n], other[m]):
            todo += [(n + 1, m), (n, m + 1)]
        elif _names_meet(one[n], other[m]):
            todo.append((n + 1, m + 1))
    return False


@cache
def _names_meet(one: str, other: str) -> bool:
    """Whether one name can fit two patterns; of two with wildcards only the ends are compared."""
    if not WILD.search(one):
        return _fits_name(other, one)
    if not WILD.search(other):
        return _fits_name(one, other)
    starts = sorted((_fixed_start(one), _fixed_start(other)), key=len)
    ends = sorted((_fixed_end(one), _fixed_end(other)), key=len)
    return starts[1].startswith(starts[0]) and ends[1].endswith(ends[0])


def _fixed_end(name: str) -> str:
    """What comes after the last wildcard of a name."""
    return LAST_WILD.sub("", name, count=1)


def _fits_name(pattern: str, name: str) -> bool:
    return _is(_pattern(pattern) if WILD.search(pattern) else pattern, name)


@cache
def _names(spec: str) -> tuple[Name, ...]:
    """The names of a glob, to be compared with a path's."""
    compiled: list[Name] = []
    for name in _split(spec):
        is_pattern = name != ANY_FOLDERS and WILD.search(name)
        compiled.append(_pattern(name) if is_pattern else name)
    return tuple(compiled)


@cache
def _pattern(name: str) -> re.Pattern[str] | None:
    return None if name == "*" else re.compile(fnmatch.translate(name))


def _fits(glob: tuple[Name, ...], names: Sequence[str]) -> bool:
    """Whether a path, or a folder that it is in, is one that a glob stands for."""
    if ANY_FOLDERS in glob:
        return _fits_deep(glob, names)
    return len(names) >= len(glob) and all(map(_is, glob, names))


def _is(pattern: Name, name: str) -> bool:
    if pattern is None:
        return True
    if isinstance(pattern, str):
        return pattern == name
    return pattern.match(name) is not None


def _fits_deep(glob: tuple[Name, ...], names: Sequence[str]) -> bool:
    """The same with `**`: follows all ways through the glob at once, so that none can take long."""
    places = _skipping(glob, {0})
    for name in names:
        reached = set()
        for n in places:
            if glob[n] == ANY_FOLDERS:
                reached.add(n)
            elif _is(glob[n], name):
                reached.add(n + 1)
        places = _skipping(glob, reached)
        if len(glob) in places:
            return True
    return False


def _skipping(glob: tuple[Name, ...], places: set[int]) -> set[int]:
    """The places, and those that no folder in place of `**` leads to."""
    found = set(places)
    for n in places:
        while n < len(glob) and glob[n] == ANY_FOLDERS:
            n += 1
            found.add(n)
    return found
