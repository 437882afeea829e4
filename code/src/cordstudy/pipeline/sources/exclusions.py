"""What a study leaves out of a source: its own list, and the source's.

Owns: which participant or image is out, why, and who says so.
Does not own: images without a mask, or with one of an unwanted origin (`bids`).

A source's list (`exclude.yml` of Spine Generic) has a list by key, whose entries are
participants (`sub-…`) or sites; the comment at an entry is its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_text
from cordstudy.base.within import Tree, tree
from cordstudy.pipeline.sources.participants import Participant
from cordstudy.pipeline.sources.rules import ExcludeFile, Rules

LARGEST = 128 * 2**10
"""The bytes of a list: it names people, and a YAML reader in Python takes seconds for so many."""
DEEPEST = 5


@dataclass(frozen=True)
class Reason:
    """Why something is left out, and who says so."""

    reason: str
    source: str


@dataclass(frozen=True)
class Exclusions:
    """The reasons by (participant, image of the rules), and by name of an image's file."""

    by_participant: Mapping[tuple[str, str], Reason]
    by_image: Mapping[str, Reason]

    def reason(self, participant: str, image: str, stem: str) -> Reason | None:
        """Why an image is left out; None where it is not. `stem` is its name without extension."""
        return self.by_image.get(stem) or self.by_participant.get((participant, image))


def read_exclusions(
    root: Path, rules: Rules, participants: Mapping[str, Participant]
) -> Exclusions:
    """All that the study and the source's own list leave out; where both do, the study's reason.

    Raises StudyError for a participant that the source does not have, and for a list that is
    absent, malformed, outside the source, or without a key that the study follows.
    """
    by_participant: dict[tuple[str, str], Reason] = {}
    by_image: dict[str, Reason] = {}
    if rules.exclude_file:
        by_participant |= _from_list(
            tree(root, rules.path), rules.exclude_file, rules, participants
        )
    for entry in rules.exclude:
        if unknown := sorted(set(entry.participants) - set(participants)):
            raise StudyError(
                f"datasets.{rules.name}.exclude: {unknown[0]} is not in {rules.path}/participants.tsv",
                hint="correct the participant's id in the study's TOML",
            )
        told = Reason(entry.reason, entry.source)
        by_participant |= {
            (name, image): told for name in entry.participants for image in rules.images
        }
        by_image |= dict.fromkeys(entry.images, told)
    return Exclusions(by_participant, by_image)


def _from_list(
    source: Tree, listed: ExcludeFile, rules: Rules, participants: Mapping[str, Participant]
) -> dict[tuple[str, str], Reason]:
    found: dict[tuple[str, str], Reason] = {}
    path = source.check(source.path / listed.path)
    content = _read_list(path)
    if content is None:  # an empty file leaves nothing out
        return found
    for key, images in listed.keys.items():
        if not isinstance(content.get(key), list):
            raise StudyError(
                f"{path}: no list under the key {key!r}",
                hint=f"it has {', '.join(map(str, content))}: correct datasets.{rules.name}.exclude_file",
            )
        for number, entry in enumerate(content[key]):
            if not isinstance(entry, str | int | float | date | None):
                raise StudyError(
                    f"{path}: {key}: entry {number + 1} is no name",
                    hint="one participant or site a line",
                )
            told = Reason(_comment(content[key], number) or key, f"{listed.path}, {key}: {entry}")
            for name in _who(str(entry), participants.values()):
                for image in rules.images if images == "all" else images:
                    found.setdefault((name, image), told)
    return found


def _read_list(path: Path) -> CommentedMap | None:
    if not path.is_file():
        raise StudyError(
            f"there is no {path}", hint="correct exclude_file in the study's TOML, or remove it"
        )
    text = read_text(path, largest=LARGEST)
    try:
        _check_events(text)
        content = YAML(typ="rt").load(text)  # makes no object of a class that a tag names
    except (YAMLError, ValueError, RecursionError) as error:
        raise StudyError(
            f"{path}: not YAML that is read here: {error}", hint="correct it in the source"
        ) from error
    if content is not None and not isinstance(content, CommentedMap):
        raise StudyError(
            f"{path}: not a table of lists", hint="correct exclude_file in the study's TOML"
        )
    return content


def _check_events(text: str) -> None:
    """Raise ValueError for YAML that is small and stands for much: it is looked at piece by piece, before any
    of it is put together."""
    depth = 0
    for event in YAML(typ="rt").parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if isinstance(event, AliasEvent):
            raise ValueError("it has an alias (*name)")
        if depth > DEEPEST:
            raise ValueError("lists in lists in lists")


def _comment(entries: CommentedSeq, number: int) -> str:
    """The comment at the end of a list entry's line."""
    token = (entries.ca.items.get(number) or [None])[0]
    return token.value.splitlines()[0].lstrip("# ").strip() if token else ""


def _who(entry: str, participants: Iterable[Participant]) -> list[str]:
    """The participants that an entry stands for: one, or all of a site; none where it names nobody.

    A participant is of a site by the column of participants.tsv, or by an id that is the
    site's name and a number.
    """
    return [
        one.name
        for one in participants
        if entry in (one.name, one.site) or one.name.removeprefix(f"sub-{entry}").isdigit()
    ]
