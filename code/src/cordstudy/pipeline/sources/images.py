"""The images of a BIDS source: which of them a study's rules are about.

Owns: going through a source's folders, telling images of the rules from others, and the image and
mask that are there for a rule.
Does not own: what files are called (`names`), or what becomes of them (`finding`).

Entities are parsed by bids2table, which takes 0.3 s for the 21,308 files of Spine Generic
where pybids takes 64 s. An image is one of the rules' if it has exactly their entities, in
whatever order.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bids2table import parse_bids_entities

from cordstudy.base.errors import StudyError
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.names import (
    ENDING,
    contrast_of,
    datatype_of,
    ending_of,
    folder_of,
    is_hidden,
    place_of,
    stem_of,
    subject_of,
    without_ending,
)
from cordstudy.pipeline.sources.rules import Rules

DEEPEST = 3
"""How many folders lie above a tree of masks at most."""
WHOSE = ("sub", "ses")
"""Entities that say whose an image is and when it was made, not what it is."""


@dataclass(frozen=True)
class ScannedImage:
    """An image that is there. Its path is relative to the study's root."""

    participant: str
    session: str | None
    """The folder of the session that it lies in."""
    rule: str | None
    """The image of the rules that it is, in whatever session; None where no rule names it."""
    path: str

    @property
    def stem(self) -> str:
        """Its name without ending."""
        return stem_of(self.path)

    @property
    def contrast(self) -> str:
        """What its name says but whose it is."""
        return self.stem.removeprefix(f"{subject_of(self.participant, self.session)}_")


@dataclass(frozen=True)
class FilePair:
    """The image that a rule asks for of a participant and its mask, there or not: what they are
    called. Paths are relative to the study's root."""

    rule: str
    stem: str
    """The name of the image's file, without ending."""
    image: str
    mask: str

    @property
    def contrast(self) -> str:
        """What the rule says of the image but its datatype: entities and suffix."""
        return contrast_of(self.rule)

    @property
    def image_sidecar(self) -> str:
        """What tells of the image."""
        return f"{without_ending(self.image)}.json"

    @property
    def sidecar(self) -> str:
        """What tells of the mask."""
        return f"{without_ending(self.mask)}.json"


def scan(root: Path, rules: Rules) -> list[ScannedImage]:
    """The images of a source in the rules' datatypes and in any session, by participant.

    `root` is the study's root. Raises StudyError for a folder that lies outside the source, and
    for an image of the rules whose name says another participant or session than its folder.
    """
    rule_by_entities = {}
    for rule in rules.images:
        rule_by_entities[_entities(f"sub-x_{contrast_of(rule)}", datatype_of(rule))] = rule
    images = []
    for participant, session, datatype in _folders(root, rules):
        folder = f"{rules.path}/{folder_of(subject_of(participant, session), datatype)}"
        for name in _images_in(root / folder):
            rule_of_it = rule_by_entities.get(_entities(stem_of(name), datatype))
            image = ScannedImage(participant, session, rule_of_it, f"{folder}/{name}")
            if rule_of_it:
                _check_whose(image)
            images.append(image)
    return images


def _folders(root: Path, rules: Rules) -> Iterator[tuple[str, str | None, str]]:
    """The folders of the rules' datatypes: participant, session, datatype; not all are there."""
    source = tree(root, rules.path)
    datatypes = sorted({datatype_of(rule) for rule in rules.images})
    for participant in sorted(source.path.glob("sub-*")):
        for session in _sessions(participant):
            for datatype in datatypes:
                subject = subject_of(participant.name, session)
                source.check(source.path / folder_of(subject, datatype))
                yield participant.name, session, datatype


def pair_of(root: Path, rules: Rules, participant: str, rule: str, image: str | None) -> FilePair:
    """The names of a participant's image and mask; of what is not there, those that it would have
    by the rule. Raises StudyError for a mask that is there twice."""
    place = place_of(rules, participant, rule)
    stem = stem_of(place)
    subject = subject_of(participant, rules.session)
    mask = rules.mask.format(stem=stem, subject=subject)
    folder = f"{rules.path}/{rules.labels}/{folder_of(subject, datatype_of(rule))}"
    return FilePair(
        rule=rule,
        stem=stem,
        image=image or f"{rules.path}/{place}{ENDING}",
        mask=f"{folder}/{_mask_in(root / folder, mask) or mask + ENDING}",
    )


def masks_like(source: Path, mask: str, participant: str, *, most: int) -> list[str]:
    """The images of a participant that lie in other trees than the source's own and are called
    most like a mask that is not there; all paths relative to the source."""
    found = []
    for depth in range(1, DEEPEST + 1):
        for folder in sorted(source.glob("*/" * depth + participant)):
            found += [path for path in folder.rglob("*") if ending_of(path.name)]
    names = [path.relative_to(source).as_posix() for path in found if not is_hidden(path.name)]
    return difflib.get_close_matches(mask, sorted(names), n=most, cutoff=0)


def _mask_in(folder: Path, stem: str) -> str:
    """The name of the mask in a folder; empty where there is none."""
    names = [name for name in _images_in(folder) if stem_of(name) == stem]
    if len(names) > 1:
        raise StudyError(
            f"{folder / names[0]}: there is {names[1]} too", hint="remove one of the two masks"
        )
    return names[0] if names else ""


def _sessions(folder: Path) -> list[str | None]:
    """A participant's sessions by their folders; None stands for what lies in no such folder."""
    if not folder.is_dir():
        return []
    return [None, *sorted(name for name in os.listdir(folder) if name.startswith("ses-"))]


def _images_in(folder: Path) -> list[str]:
    """The names of the images in a folder, sorted; none where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(name for name in os.listdir(folder) if ending_of(name) and not is_hidden(name))


def _check_whose(image: ScannedImage) -> None:
    """Raise StudyError where the name of an image says another participant or session than its
    folder."""
    named = parse_bids_entities(f"{image.stem}{ENDING}")
    for entity, folder, what in (
        ("sub", image.participant, "participant"),
        ("ses", image.session, "session"),
    ):
        name = f"{entity}-{named[entity]}" if entity in named else None
        if name == folder:
            continue
        names = f"names {name!r}" if name else f"names no {what}"
        lies = f"lies in the folder of {folder!r}" if folder else f"lies in no folder of a {what}"
        raise StudyError(
            f"{image.path}: it {names} and {lies}",
            hint=f"give it the {what} of its folder, or put it where its name says",
        )


def _entities(stem: str, datatype: str) -> frozenset[tuple[str, str]]:
    """What an image's name says of it, but whose it is: entities, suffix, datatype, and parts that
    are none of these."""
    entities = parse_bids_entities(f"{stem}{ENDING}")
    said = {(key, value) for key, value in entities.items() if key not in WHOSE}
    said.add(("datatype", datatype))
    said |= {("", part) for part in stem.split("_")[:-1] if "-" not in part}
    return frozenset(said)
