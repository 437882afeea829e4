"""What a study leaves out of a source: its own list, and the source's.

Owns: which participant or image is out, why, and who says so.
Does not own: reading the source's list (`exclude_list`), or images without a mask, or with one of
an unwanted origin (`finding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.within import tree
from cordstudy.pipeline.sources.exclude_list import read_entries
from cordstudy.pipeline.sources.participants import Participant
from cordstudy.pipeline.sources.rules import ExcludeFile, Rules


@dataclass(frozen=True)
class Reason:
    """Why something is left out, and who says so."""

    reason: str
    source: str


ByParticipant = Mapping[tuple[str, str], Reason]
"""Reasons by the participant's id and the image of the rules."""


@dataclass(frozen=True)
class Exclusions:
    """The reasons by participant and image of the rules, and by name of an image's file."""

    by_participant: ByParticipant
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
        by_participant |= _by_list(root, rules, rules.exclude_file, participants)
    for exclusion in rules.exclude:
        _check_known(exclusion.participants, participants, rules)
        reason = Reason(exclusion.reason, exclusion.source)
        for name in exclusion.participants:
            for image in rules.images:
                by_participant[name, image] = reason
        for stem in exclusion.images:
            by_image[stem] = reason
    return Exclusions(by_participant, by_image)


def _check_known(
    names: Iterable[str], participants: Mapping[str, Participant], rules: Rules
) -> None:
    unknown = sorted(set(names) - set(participants))
    if unknown:
        raise StudyError(
            f"datasets.{rules.name}.exclude: {unknown[0]} is not in {rules.path}/participants.tsv",
            hint="correct the participant's id in the study's TOML",
        )


def _by_list(
    root: Path, rules: Rules, listed: ExcludeFile, participants: Mapping[str, Participant]
) -> ByParticipant:
    """What the source's own list leaves out; where it names someone twice, the first reason."""
    source = tree(root, rules.path)
    path = source.check(source.path / listed.path)
    hint = f"correct datasets.{rules.name}.exclude_file"
    reasons: dict[tuple[str, str], Reason] = {}
    for entry in read_entries(path, listed.keys, hint=hint):
        reason = Reason(entry.comment or entry.key, f"{listed.path}, {entry.key}: {entry.name}")
        followed = listed.keys[entry.key]
        images = rules.images if followed == "all" else followed
        for participant in participants.values():
            if not _is_meant(participant, entry.name):
                continue
            for image in images:
                reasons.setdefault((participant.name, image), reason)
    return reasons


def _is_meant(participant: Participant, name: str) -> bool:
    """Whether a name in a list stands for a participant: it is the id, or the site.

    A participant is of a site by the column of participants.tsv, or by an id that is the
    site's name and a number.
    """
    if name in (participant.name, participant.site):
        return True
    number = participant.name.removeprefix(f"sub-{name}")
    return number.isdigit()
