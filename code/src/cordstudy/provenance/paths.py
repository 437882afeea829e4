"""Declared paths: which files of a tree a record's inputs and outputs stand for.

Owns: the meaning of a path, a folder and a glob in a record.
Does not own: trees (`history`), or git's own pathspecs (`workspace`).

As DataLad has it: `*` and `?` stop at `/`, `**` does not, a folder stands for all below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from sortedcontainers import SortedDict

WILD = re.compile(r"[*?\[]")


def matches(tree: SortedDict, spec: str) -> list[str]:
    """The paths of a sorted tree that a spec stands for, sorted; `.` is all of them."""
    if spec in (".", ""):
        return list(tree)
    wild = WILD.search(spec)
    if not wild:
        return [spec] if spec in tree else below(tree, spec)
    start = spec[: wild.start()]
    pattern = translated(spec)
    return [path for path in tree.irange(start, start + "\U0010ffff") if pattern.match(path)]


def below(tree: SortedDict, folder: str) -> list[str]:
    """The paths of a sorted tree below a folder."""
    return list(tree.irange(f"{folder}/", f"{folder}0", inclusive=(True, False)))  # 0 comes after /


def covers(specs: Sequence[str], path: str) -> bool:
    """Whether a path is one that specs stand for."""
    return any(
        spec in (".", "", path) or path.startswith(f"{spec}/") or (WILD.search(spec) and translated(spec).match(path))
        for spec in specs
    )


@cache
def translated(spec: str) -> re.Pattern[str]:
    """A glob as a regular expression of whole paths; a match that is a folder stands for all below."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", spec)
    text = "".join(words.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts)
    return re.compile(f"(?s:{text})(?:/.*)?\\Z")
