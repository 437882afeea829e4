"""A source's own list of what to leave out, such as `exclude.yml` of Spine Generic.

Owns: reading it: a list by key, whose entries are names; the comment at an entry is its reason.
Does not own: what an entry stands for, and which images a key is about (`exclusions`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from cordstudy.base.errors import StudyError, inline
from cordstudy.base.texts import read_text

LARGEST = 128 * 2**10
"""The bytes of a list: it names people, and a YAML reader in Python takes seconds for so many."""
DEEPEST = 5
TEXT = "tag:yaml.org,2002:str"
ONE_A_LINE = "one participant, site or image a line"
NOBODY = ("", "~", "null", "Null", "NULL")
"""What YAML has for a key without anything."""
NO_YAML = (
    YAMLError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    RecursionError,
)
"""What ruamel.yaml raises for tags and directives that do not fit what they are at."""


@dataclass(frozen=True)
class ListEntry:
    """One entry of a list: its key, the participant, site or image that it names, and the
    comment."""

    key: str
    name: str
    comment: str


class Verbatim(VersionedResolver):
    """Every plain word is text: `01` is no 1, and no date or truth value but what stands there."""

    def resolve(self, kind: type[Node], value: object, implicit: tuple[bool, bool]) -> Tag:
        """The tag of a node that has none of its own."""
        if kind is ScalarNode and implicit[0]:
            return Tag(suffix=TEXT)
        tag: Tag = super().resolve(kind, value, implicit)
        return tag


def read_entries(path: Path, keys: Iterable[str], *, hint: str) -> Iterator[ListEntry]:
    """The entries of a list under these keys, in its order; none where it, or a key, is empty.
    Blanks around a name are not of it.

    `hint` says what to do where a key is not there. Raises StudyError where the list is absent or
    malformed, for a key without a list, and for an entry that is no name.
    """
    content = _read_list(path)
    if content is None:
        return
    for key in keys:
        if content.get(key) in NOBODY:
            continue
        entries = content.get(key)
        if not isinstance(entries, CommentedSeq):
            known = ", ".join(str(other) for other in content)
            raise StudyError(
                f"{path}: no list under the key {key!r}", hint=f"it has {known}: {hint}"
            )
        for index, value in enumerate(entries):
            name = value.strip() if isinstance(value, str) else ""
            if not name:
                raise StudyError(f"{path}: {key}: entry {index + 1} is no name", hint=ONE_A_LINE)
            yield ListEntry(key, name, _comment(entries, index))


def _read_list(path: Path) -> CommentedMap | None:
    if not os.path.lexists(path):
        raise StudyError(f"there is no {path}", hint="correct exclude_file in the study's TOML")
    text = read_text(path, largest=LARGEST)
    try:
        _check_events(text)
        reader = YAML(typ="rt")  # makes no object of a class that a tag names
        reader.Resolver = Verbatim
        content = reader.load(text)
    except NO_YAML as error:
        raise StudyError(
            f"{path}: not YAML that is read here: {_told(error)}", hint="correct it in the source"
        ) from error
    if content is not None and not isinstance(content, CommentedMap):
        raise StudyError(
            f"{path}: not a table of lists", hint="correct exclude_file in the study's TOML"
        )
    return content


def _told(error: Exception) -> str:
    """What a reader of YAML says, in one line."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {inline(error.problem)}"
    return inline(str(error).partition("\n")[0]) or type(error).__name__


def _check_events(text: str) -> None:
    """Raise ValueError for YAML that is small and stands for much: it is looked at piece by piece,
    before any of it is put together."""
    depth = 0
    for event in YAML(typ="rt").parse(text):
        if isinstance(event, AliasEvent):
            raise ValueError("it has an alias (*name)")
        if isinstance(event, CollectionStartEvent):
            depth += 1
        if isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise ValueError("lists in lists in lists")


def _comment(entries: CommentedSeq, index: int) -> str:
    """The comment at the end of a list entry's line; empty where there is none."""
    tokens = entries.ca.items.get(index)
    if not tokens or not tokens[0]:
        return ""
    first_line: str = tokens[0].value.splitlines()[0]
    return first_line.lstrip("# ").strip()
