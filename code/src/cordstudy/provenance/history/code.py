"""What Python code says, whatever its layout, its comments and its docstrings.

Owns: whether two versions of a file say the same.
Does not own: which files are asked about (`since`), or what a record ran on: that is its bytes.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.history.gitlog import read_objects

LARGEST = 2**20
"""Bytes of a file of code; a larger one is data."""
BLOCKS = ("body", "orelse", "finalbody")
"""Where a node of code has statements."""


def says_the_same(one: bytes, other: bytes) -> bool:
    """Whether two versions of a Python file say the same.

    Where lines break, comments, and strings that stand for themselves (docstrings) do not count;
    in a module that speaks of `__doc__`, docstrings do. What this Python cannot parse is compared
    as it is, and so is a first line that tells a system what runs the file.

    Not seen is code that looks at itself from elsewhere: a module that reads another's docstrings,
    or that prints the number of a line.
    """
    if one == other:
        return True
    meaning = _meaning(one)
    return meaning is not None and meaning == _meaning(other)


def _meaning(content: bytes) -> tuple[bytes, str] | None:
    """The program that a file asks for, and its code in a form of its own; None for no code."""
    if len(content) > LARGEST:
        return None
    first = content.partition(b"\n")[0]
    program = first if first.startswith(b"#!") else b""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in strings: not our code
            module = ast.parse(content)
        code = ast.dump(module)
        if "__doc__" not in code:
            _drop_bare_strings(module)
            code = ast.dump(module)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return program, code


def _drop_bare_strings(module: ast.Module) -> None:
    """Take out every statement that is but a string."""
    for node in ast.walk(module):
        for block in BLOCKS:
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                statements[:] = [line for line in statements if not _is_bare_string(line)]


def _is_bare_string(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


class Sources:
    """Files of code in a repository by their objects; each is read once, and each pair compared
    once."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        self._contents: dict[str, bytes] = {}
        self._verdicts: dict[tuple[str, str], bool] = {}

    def alike(self, pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the pairs of objects that say the same; none whose content is not here."""
        asked = set(pairs)
        unknown = asked - self._verdicts.keys()
        objects: set[str] = set()
        for pair in unknown:
            objects.update(pair)
        self._read(sorted(objects - self._contents.keys()))
        for one, other in unknown:
            are_here = one in self._contents and other in self._contents
            self._verdicts[one, other] = are_here and says_the_same(
                self._contents[one], self._contents[other]
            )
        return {pair for pair in asked if self._verdicts[pair]}

    def _read(self, objects: Sequence[str]) -> None:
        """Read objects at once; one by one where some are not here."""
        if not objects:
            return
        try:
            self._contents |= zip(objects, read_objects(self.repo, objects), strict=True)
        except StudyError:
            if len(objects) > 1:
                for name in objects:
                    self._read([name])
