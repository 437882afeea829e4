"""Finding the image-mask cases of a BIDS source by a study's rules.

Owns: which image goes with which mask, what is known of each case, and what is left out and why.
Does not own: how a source's images are named and scanned (`images`), reading them (`convert`), or
the division into parts (`split`).

Only names, links and small text are read: no content is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING
from cordstudy.base.within import Tree, check_kind, tree
from cordstudy.pipeline.sources.cases import Case, LeftOut
from cordstudy.pipeline.sources.exclusions import Exclusions, Reason, read_exclusions
from cordstudy.pipeline.sources.images import (
    ENDING,
    FilePair,
    contrast_of,
    pair_of,
    scan,
    stem_of,
    subject_of,
)
from cordstudy.pipeline.sources.keys import content_key
from cordstudy.pipeline.sources.label_origin import label_origin
from cordstudy.pipeline.sources.participants import Participant, read_participants
from cordstudy.pipeline.sources.rules import Rules

Images = Mapping[tuple[str, str], str]
"""Paths of images by the participant's id and the image of the rules."""


@dataclass(frozen=True)
class Search:
    """What every image of a source is judged by."""

    root: Path
    """The study's root."""
    source: Tree
    rules: Rules
    exclusions: Exclusions


def find_cases(root: Path, rules: Rules) -> tuple[list[Case], list[LeftOut]]:
    """All cases of a source, and all images of the rules that are left out, both by participant.

    `root` is the study's root. Raises StudyError for a mask without its image, a participant
    with a folder and no row in participants.tsv, two images for one rule, a rule that
    nothing in the source matches, an excluded image that is not there, and a file that
    lies outside the source (`within`).
    """
    source = tree(root, rules.path)
    participants = read_participants(root, rules)
    exclusions = read_exclusions(root, rules, participants)
    images = _images_by_rule(root, rules, participants)
    _check_all_matched(rules, images, exclusions)
    search = Search(root, source, rules, exclusions)
    cases: list[Case] = []
    left_out: list[LeftOut] = []
    for participant in participants.values():
        for rule in rules.images:
            image = images.get((participant.name, rule))
            judged = _judge(participant, rule, image, search)
            if isinstance(judged, Case):
                cases.append(judged)
            else:
                left_out.append(judged)
    return cases, left_out


def unnamed_images(root: Path, rules: Rules) -> list[LeftOut]:
    """The images, in the rules' datatypes and session, that no rule names."""
    reason = Reason("no rule names it", f"datasets.{rules.name}.images")
    unnamed = []
    for image in scan(root, rules):
        if image.rule is None:
            subject = subject_of(rules, image.participant)
            contrast = stem_of(image.path).removeprefix(f"{subject}_")
            unnamed.append(_left_out(rules, image.participant, contrast, image.path, reason))
    return unnamed


def model_made(cases: Sequence[Case]) -> str:
    """What to warn of: reference masks that a model made. Empty where there is none."""
    count = sum(case.label_origin == "model" for case in cases)
    if not count:
        return ""
    return (
        f"{count} of {len(cases)} reference masks of {cases[0].dataset} are a model's predictions; "
        'label_origins = ["manual", "corrected"] leaves them out'
    )


def _images_by_rule(root: Path, rules: Rules, participants: Iterable[str]) -> Images:
    """The image of each participant that each rule names, where there is one."""
    known = set(participants)
    images: dict[tuple[str, str], str] = {}
    for image in scan(root, rules):
        if image.participant not in known:
            raise StudyError(
                f"{rules.path}/participants.tsv: no row for {image.participant}, which has images",
                hint="add the row, or remove the folder from the source",
            )
        if image.rule is None:
            continue
        key = (image.participant, image.rule)
        if key in images:
            raise StudyError(
                f"{image.path}: the rule {image.rule} matches {images[key]} too",
                hint="remove one of the two from the source",
            )
        if not stem_of(image.path).endswith(f"_{contrast_of(image.rule)}"):
            raise StudyError(
                f"{image.path}: its entities are in another order "
                f"than those of the rule {image.rule}",
                hint="write the rule as the files are named",
            )
        images[key] = image.path
    return images


def _check_all_matched(rules: Rules, images: Images, exclusions: Exclusions) -> None:
    """Raise StudyError for a rule without any image, and an excluded image that is not there."""
    matched = {rule for _, rule in images}
    for rule in rules.images:
        if rule not in matched:
            where = f" in {rules.session}" if rules.session else ""
            raise StudyError(
                f"{rules.path}: no participant has an image {rule}{ENDING}{where}",
                hint=f"correct datasets.{rules.name}.images (or session) in the study's TOML",
            )
    stems = {stem_of(path) for path in images.values()}
    unknown = sorted(set(exclusions.by_image) - stems)
    if unknown:
        raise StudyError(
            f"datasets.{rules.name}.exclude: there is no image {unknown[0]} in {rules.path}",
            hint="name it as its file, without extension, in the study's TOML",
        )


def _judge(
    participant: Participant, rule: str, image: str | None, search: Search
) -> Case | LeftOut:
    """One participant's image of one rule: a case, or left out and why."""
    rules = search.rules
    pair = pair_of(rules, participant.name, rule, image)
    reason = _why_not_there(pair, search, has_image=image is not None)
    if reason is None:
        reason = search.exclusions.reason(participant.name, rule, pair.stem)
    if reason:
        return _left_out(rules, participant.name, pair.contrast, pair.image, reason)
    _check_files(pair, search)
    origin = label_origin(search.root / pair.sidecar, broken=rules.broken_sidecars)
    if origin not in rules.label_origins:
        reason = Reason(f"label origin {origin}", f"datasets.{rules.name}.label_origins")
        return _left_out(rules, participant.name, pair.contrast, pair.image, reason)
    return Case(
        case_id=f"{rules.name}_{pair.stem}",
        dataset=rules.name,
        participant_id=participant.name,
        session=rules.session or MISSING,
        contrast=pair.contrast,
        vendor=participant.vendor,
        pathology=participant.pathology,
        sex=participant.sex,
        age=participant.age,
        label_origin=origin,
        image=pair.image,
        mask=pair.mask,
        image_key=content_key(search.root / pair.image, ending=ENDING),
        mask_key=content_key(search.root / pair.mask, ending=ENDING),
        person=participant.person,
    )


def _why_not_there(pair: FilePair, search: Search, *, has_image: bool) -> Reason | None:
    """Why a pair is not whole; None where it is. Raises StudyError for a mask without its image."""
    has_mask = os.path.lexists(search.root / pair.mask)
    if has_mask and not has_image:
        raise StudyError(
            f"{pair.mask}: this mask has no image {pair.image}",
            hint="restore the image, or remove the mask from the source",
        )
    if not has_image:
        return Reason("no image", "the tree")
    if not has_mask:
        return Reason("no mask", "the tree")
    return None


def _check_files(pair: FilePair, search: Search) -> None:
    """Raise StudyError for a file of a pair that lies outside the source, or is none."""
    for path in (pair.image, pair.mask, pair.sidecar):
        search.source.check(search.root / path)
    for path in (pair.image, pair.mask):
        check_kind(search.root / path)


def _left_out(rules: Rules, participant: str, contrast: str, image: str, reason: Reason) -> LeftOut:
    return LeftOut(
        dataset=rules.name,
        participant_id=participant,
        session=rules.session or MISSING,
        contrast=contrast,
        image=image,
        reason=reason.reason,
        source=reason.source,
    )
