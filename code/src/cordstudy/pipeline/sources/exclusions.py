"""What a study leaves out of a source: its own list, and the source's.

Owns: which participant or image is out, why, and who says so.
Does not own: reading the source's list (`exclude_list`), whether a named image is there, images
without a mask, or with one of an unwanted origin (`finding`).

Only names are compared: `split` reads this where no image is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING
from cordstudy.base.texts import did_you_mean
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.exclude_list import ONE_A_LINE, read_entries
from cordstudy.pipeline.sources.names import (
    place_of,
    stem_of,
    without_ending,
)
from cordstudy.pipeline.sources.participants import Participant
from cordstudy.pipeline.sources.rules import ExcludeFile, Rules

ByParticipant = dict[tuple[str, str], "Reason"]
"""Reasons by the participant's id and the image of the rules."""


@dataclass(frozen=True)
class Reason:
    """Why something is left out, and who says so."""

    reason: str
    source: str


@dataclass(frozen=True)
class ListedImage:
    """An image that the source's own list names, of the rules or not, there or not."""

    where: str
    """The list and its key."""
    name: str
    """As it stands there: with folders, which are then all below the source, or without."""

    @property
    def place(self) -> str:
        """The name without its ending."""
        return without_ending(posixpath.normpath(self.name))

    @property
    def stem(self) -> str:
        """The name without folders and ending."""
        return stem_of(self.name)

    @property
    def participant(self) -> str:
        """Whose image it is; empty for the name of no image."""
        return self.stem.rpartition("_")[0].partition("_")[0]

    @property
    def is_in_its_folder(self) -> bool:
        """Whether folders that are named are of the participant whose image it is."""
        return "/" not in self.place or self.place.startswith(f"{self.participant}/")

    def fault(self, rules: Rules, known: Collection[str]) -> StudyError:
        """What to say where the source has nothing of this name, but what is `known`."""
        name = self.stem or self.name
        own = [other for other in known if other.startswith(f"{self.participant}_")]
        return StudyError(
            f"{self.where}: {self.name!r} is no participant, site or image of {rules.path}",
            hint=f"{did_you_mean(name, own) or did_you_mean(name, known)}{ONE_A_LINE}",
        )


@dataclass(frozen=True)
class Exclusions:
    """The reasons by participant and image of the rules, and by name of an image's file; the
    images that the source's list names."""

    by_participant: Mapping[tuple[str, str], Reason]
    by_image: Mapping[str, Reason]
    listed: tuple[ListedImage, ...] = ()

    def reason(self, participant: str, image: str, stem: str) -> Reason | None:
        """Why an image is left out; None where it is not. `stem` is its name without ending."""
        return self.by_image.get(stem) or self.by_participant.get((participant, image))

    def leaves_out(self, participant: str, rules: Rules) -> bool:
        """Whether every image that the rules ask for of a participant is left out."""
        for image in rules.images:
            stem = stem_of(place_of(rules, participant, image))
            if not self.reason(participant, image, stem):
                return False
        return True


def read_exclusions(
    root: Path, rules: Rules, participants: Mapping[str, Participant]
) -> Exclusions:
    """All that the study and the source's own list leave out; where both do, the study's reason.

    Raises StudyError for a participant that the source does not have, for an entry of the list
    that is none of its participants, sites and images, and for a list that is absent, malformed,
    outside the source, or without a key that the study follows.
    """
    by_participant: ByParticipant = {}
    by_image: dict[str, Reason] = {}
    listed: list[ListedImage] = []
    if rules.exclude_file:
        by_participant, listed = _by_list(root, rules, rules.exclude_file, participants)
    for exclusion in rules.exclude:
        _check_known(exclusion.participants, participants, rules)
        reason = Reason(exclusion.reason, exclusion.source)
        for name in exclusion.participants:
            for image in rules.images:
                by_participant[name, image] = reason
        for stem in exclusion.images:
            by_image[stem] = reason
    return Exclusions(by_participant, by_image, tuple(listed))


def _check_known(
    names: Iterable[str], participants: Mapping[str, Participant], rules: Rules
) -> None:
    unknown = sorted(set(names) - set(participants))
    if unknown:
        raise StudyError(
            f"datasets.{rules.name}.exclude: {unknown[0]} is not in {rules.path}/participants.tsv",
            hint=f"{did_you_mean(unknown[0], participants)}"
            "correct the participant's id in the study's TOML",
        )


def _by_list(
    root: Path, rules: Rules, listed: ExcludeFile, participants: Mapping[str, Participant]
) -> tuple[ByParticipant, list[ListedImage]]:
    """What the source's own list leaves out, and the images that it names; where it names someone
    twice, the first reason."""
    source = tree(root, rules.path)
    path = source.check(source.path / listed.path)
    hint = f"correct datasets.{rules.name}.exclude_file"
    reasons: ByParticipant = {}
    images: list[ListedImage] = []
    for entry in read_entries(path, listed.keys, hint=hint):
        reason = Reason(entry.comment or entry.key, f"{listed.path}, {entry.key}: {entry.name}")
        followed = listed.keys[entry.key]
        about = rules.images if followed == "all" else followed
        people = _people(entry.name, participants)
        meant = [(name, rule) for name in people for rule in about]
        if not people:
            image = ListedImage(f"{path}: {entry.key}", entry.name)
            if image.participant not in participants or not image.is_in_its_folder:
                raise image.fault(rules, _names(rules, participants))
            of_rules = [rule for rule in rules.images if _is_of(image, rule, rules)]
            _check_about(image, of_rules, about)
            meant = [(image.participant, rule) for rule in of_rules]
            images.append(image)
        for pair in meant:
            reasons.setdefault(pair, reason)
    return reasons, images


def _check_about(image: ListedImage, of_rules: Sequence[str], about: Sequence[str]) -> None:
    """Raise StudyError for an image of the rules under a key that is not about such images: left
    out or not, one of the two would be wrong."""
    for rule in of_rules:
        if rule not in about:
            raise StudyError(
                f"{image.where}: {image.name!r} is an image {rule}, and the study follows this key "
                f"for {', '.join(about)}",
                hint="move the entry to a key about such images, or add them to exclude_file.keys",
            )


def _people(name: str, participants: Mapping[str, Participant]) -> list[str]:
    """The participants whom a name in a list stands for: it is the id, or the site.

    A participant is of a site by the column of participants.tsv, or by an id that is the site's
    name and a number. By the id, a name that ends in a digit is no site (`1` or `a1` of `sub-a12`),
    nor is an id without its `sub-`.
    """
    if name == MISSING:
        return []
    by_id = not name[-1:].isdecimal() and f"sub-{name}" not in participants
    people = []
    for participant in participants.values():
        number = participant.name.removeprefix(f"sub-{name}")
        if name in (participant.name, participant.site) or (by_id and number.isdecimal()):
            people.append(participant.name)
    return people


def _is_of(image: ListedImage, rule: str, rules: Rules) -> bool:
    """Whether a named image is the one that a rule asks for of its participant."""
    place = place_of(rules, image.participant, rule)
    return image.place in (place, stem_of(place))


def _names(rules: Rules, participants: Mapping[str, Participant]) -> set[str]:
    """What an entry may be: ids, sites, and images of the rules."""
    names = set()
    for participant in participants.values():
        names |= {participant.name, participant.site} - {MISSING}
        for rule in rules.images:
            names.add(stem_of(place_of(rules, participant.name, rule)))
    return names
