"""Finding the image-mask cases of a BIDS source by a study's rules.

Owns: which image goes with which mask, what is known of each case, and what is left out and why.
Does not own: how a source's images are named and scanned (`images`), reading them (`convert`), or
the division into parts (`split`).

Only names, links and small text are read: no content is needed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import MISSING
from cordstudy.base.texts import did_you_mean
from cordstudy.base.within import OBJECTS, Tree, check_kind, tree
from cordstudy.pipeline.sources.cases import NO_IMAGE, SEEN, Case, LeftOut
from cordstudy.pipeline.sources.exclusions import Exclusions, Reason, read_exclusions
from cordstudy.pipeline.sources.field_strength import of_sidecars
from cordstudy.pipeline.sources.images import (
    FilePair,
    ScannedImage,
    masks_like,
    pair_of,
    scan,
)
from cordstudy.pipeline.sources.keys import content_key
from cordstudy.pipeline.sources.kinds import is_known
from cordstudy.pipeline.sources.label_origin import read_label
from cordstudy.pipeline.sources.names import (
    ENDING,
    contrast_of,
    ending_of,
    place_of,
    stem_of,
    suffix_of,
    without_ending,
)
from cordstudy.pipeline.sources.participants import Participant, read_participants
from cordstudy.pipeline.sources.rules import Rules

NO_MASK = "no mask"
"""The reason where an image has none."""
SHOWN = 3
"""Names of images that a message shows at most."""


@dataclass(frozen=True)
class Images:
    """The images of a source of the kinds that the rules ask for: in their datatypes, with their
    suffixes."""

    used: Mapping[tuple[str, str], str]
    """Paths by the participant's id and the image of the rules, in the rules' session."""
    others: Sequence[ScannedImage]
    """Those that no rule names, and those of other sessions."""

    def seen(self, rule: str, participant: str | None = None) -> str:
        """What there is of the kind that a rule asks for, of one participant or all, and is not
        used, as the end of a sentence; empty where there is nothing."""
        names = []
        for image in self.others:
            if participant in (None, image.participant) and _is_like(image, rule):
                names.append(image.path.rpartition("/")[2])
        if not names:
            return ""
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return f"{SEEN}{', '.join(names[:SHOWN])}{more}"


@dataclass(frozen=True)
class Search:
    """What every image of a source is judged by."""

    root: Path
    """The study's root."""
    source: Tree
    rules: Rules
    participants: Mapping[str, Participant]
    exclusions: Exclusions
    images: Images


class Place(NamedTuple):
    """Whose image it is or would be, and its path."""

    participant: str
    session: str | None
    contrast: str
    image: str


def find_cases(root: Path, rules: Rules) -> tuple[list[Case], list[LeftOut]]:
    """All cases of a source, and all images that are left out: those of the rules by participant,
    then those of the same kinds that no rule names or that are of another session.

    `root` is the study's root. Raises StudyError for a mask without its image, a participant
    with a folder and no row in participants.tsv, two images for one rule, an image in the folder
    of another participant or session, a rule that nothing in the source matches, an excluded
    image that is not there, a file that lies outside the source (`within`), and where no case is
    left.
    """
    source = tree(root, rules.path)
    participants = read_participants(root, rules)
    exclusions = read_exclusions(root, rules, participants)
    scanned = scan(root, rules)
    images = _images(rules, scanned, participants)
    _check_all_matched(rules, images)
    _check_excluded(rules, images, exclusions)
    _check_listed(rules, scanned, exclusions)
    search = Search(root, source, rules, participants, exclusions, images)
    cases: list[Case] = []
    left_out: list[LeftOut] = []
    for participant in participants.values():
        for rule in rules.images:
            judged = _judge(participant, rule, search)
            if isinstance(judged, Case):
                cases.append(judged)
            else:
                left_out.append(judged)
    for image in images.others:
        left_out.append(_not_used(image, search))
    _check_any(search, cases, left_out)
    return cases, left_out


def model_made(cases: Sequence[Case]) -> str:
    """What to warn of: reference masks that a model made. Empty where there is none."""
    count = sum(case.label_origin == "model" for case in cases)
    if not count:
        return ""
    return (
        f"{count} of {len(cases)} reference masks of {cases[0].dataset} are a model's predictions; "
        'label_origins = ["manual", "corrected"] leaves them out'
    )


def _images(rules: Rules, scanned: Iterable[ScannedImage], participants: Iterable[str]) -> Images:
    """Divide images into those of the rules and others."""
    known = set(participants)
    used: dict[tuple[str, str], str] = {}
    others = []
    for image in scanned:
        if image.participant not in known:
            raise StudyError(
                f"{rules.path}/participants.tsv: no row for {image.participant}, which has images",
                hint="add the row, or remove the folder from the source",
            )
        if image.rule is None or image.session != rules.session:
            if any(_is_like(image, rule) for rule in rules.images):
                others.append(image)
            continue
        key = (image.participant, image.rule)
        if key in used:
            raise StudyError(
                f"{image.path}: the rule {image.rule} matches {used[key]} too",
                hint="remove one of the two from the source",
            )
        if image.stem != stem_of(place_of(rules, image.participant, image.rule)):
            raise StudyError(
                f"{image.path}: its entities are in another order "
                f"than those of the rule {image.rule}",
                hint="write the rule as the files are named",
            )
        used[key] = image.path
    return Images(used, others)


def _is_like(image: ScannedImage, rule: str) -> bool:
    """Whether an image is of the kind that a rule asks for: its suffix, in whatever case."""
    return suffix_of(image.stem).strip().casefold() == suffix_of(contrast_of(rule)).casefold()


def _check_all_matched(rules: Rules, images: Images) -> None:
    """Raise StudyError for a rule without any image."""
    matched = {rule for _, rule in images.used}
    for rule in rules.images:
        if rule not in matched:
            where = f" in {rules.session}" if rules.session else ""
            raise StudyError(
                f"{rules.path}: no participant has an image {rule}{ENDING}{where}"
                f"{images.seen(rule)}",
                hint=f"correct datasets.{rules.name}.images (or session) in the study's TOML",
            )


def _check_any(search: Search, cases: Sequence[Case], left_out: Sequence[LeftOut]) -> None:
    """Raise StudyError where every image is left out, with the files that are called most like a
    mask where there is none."""
    if cases:
        return
    rules = search.rules
    counts = Counter(item.reason for item in left_out)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in counts.most_common(SHOWN))
    raise StudyError(
        f"{rules.path}: no case is left: {reasons}{_masks_seen(search, left_out)}",
        hint=f"a mask is {rules.labels}/…/{rules.mask}{ENDING}: correct datasets.{rules.name} "
        "in the study's TOML",
    )


def _masks_seen(search: Search, left_out: Sequence[LeftOut]) -> str:
    """What is called most like the first mask that is not there, as the end of a sentence."""
    lacking = next((image for image in left_out if image.reason == NO_MASK), None)
    if lacking is None:
        return ""
    rules, name = search.rules, lacking.participant_id
    rule = next(rule for rule in rules.images if contrast_of(rule) == lacking.contrast)
    mask = pair_of(search.root, rules, name, rule, lacking.image).mask
    asked = mask.removeprefix(f"{rules.path}/")
    near = masks_like(search.source.path, asked, name, most=SHOWN)
    return f"; nearest to {asked}: {', '.join(near)}" if near else ""


def _check_excluded(rules: Rules, images: Images, exclusions: Exclusions) -> None:
    """Raise StudyError for an image that the study leaves out and that is not there."""
    stems = {stem_of(path) for path in images.used.values()}
    unknown = sorted(set(exclusions.by_image) - stems)
    if unknown:
        raise StudyError(
            f"datasets.{rules.name}.exclude: there is no image {unknown[0]} in {rules.path}",
            hint=f"{did_you_mean(unknown[0], stems)}"
            "name it as its file, without extension, in the study's TOML",
        )


def _check_listed(rules: Rules, scanned: Iterable[ScannedImage], exclusions: Exclusions) -> None:
    """Raise StudyError for an image that the source's list names and that is not there.

    What BIDS knows and no rule asks for is not looked for: a step does not have it.
    """
    places = {without_ending(image.path).removeprefix(f"{rules.path}/") for image in scanned}
    stems = {stem_of(place) for place in places}
    asked = {suffix_of(rule) for rule in rules.images}
    for image in exclusions.listed:
        if image.place in places or image.place in stems:
            continue
        if not _is_of_another_kind(image.stem, asked):
            raise image.fault(rules, stems)


def _is_of_another_kind(stem: str, asked: Iterable[str]) -> bool:
    """Whether an image's name is of a kind that BIDS knows and no rule asks for; not where it may
    be a slip for one that is asked for (`T2star` of `T2starw`), or has two suffixes."""
    suffix = suffix_of(stem)
    if any(suffix.startswith(other) or other.startswith(suffix) for other in asked):
        return False
    parts = stem.split("_")[:-1]
    return is_known(suffix) and all("-" in part for part in parts)


def _not_used(image: ScannedImage, search: Search) -> LeftOut:
    """An image that the rules are not about, and why they are not."""
    rules = search.rules
    reason = Reason("no rule names it", f"datasets.{rules.name}.images")
    if image.rule:
        is_of = f"its session is {image.session}" if image.session else "it has no session"
        asked = rules.session or "none"
        reason = Reason(f"{is_of}, the rules have {asked}", f"datasets.{rules.name}.session")
    place = Place(image.participant, image.session, image.contrast, image.path)
    return _left_out(place, reason, search)


def _judge(participant: Participant, rule: str, search: Search) -> Case | LeftOut:
    """One participant's image of one rule: a case, or left out and why."""
    rules = search.rules
    image = search.images.used.get((participant.name, rule))
    pair = pair_of(search.root, rules, participant.name, rule, image)
    seen = "" if image else search.images.seen(rule, participant.name)
    place = Place(participant.name, rules.session, pair.contrast, pair.image)
    reason = _why_not_there(pair, search, has_image=image is not None, seen=seen)
    if reason is None:
        reason = search.exclusions.reason(participant.name, rule, pair.stem)
    if reason:
        return _left_out(place, reason, search)
    _check_files(pair, search)
    label = read_label(search.root / pair.sidecar, broken=rules.broken_sidecars)
    if label.origin not in rules.label_origins:
        reason = Reason(label.told, f"datasets.{rules.name}.label_origins")
        return _left_out(place, reason, search)
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
        label_origin=label.origin,
        image=pair.image,
        mask=pair.mask,
        image_key=content_key(search.root / pair.image, ending=ending_of(pair.image)),
        mask_key=content_key(search.root / pair.mask, ending=ending_of(pair.mask)),
        person=participant.person,
        label_made_by=label.made_by,
        site=participant.site,
        field_strength=_field_strength(participant, pair, search),
    )


def _field_strength(participant: Participant, pair: FilePair, search: Search) -> str:
    """At how many tesla an image was made: by participants.tsv, else by the image's sidecars."""
    if participant.field_strength != MISSING:
        return participant.field_strength
    return of_sidecars(search.root / pair.image_sidecar, search.source)


def _why_not_there(pair: FilePair, search: Search, *, has_image: bool, seen: str) -> Reason | None:
    """Why a pair is not whole; None where it is. Raises StudyError for a mask without its image.
    `seen` says what there is in place of an image."""
    has_mask = os.path.lexists(search.root / pair.mask)
    if has_mask and not has_image:
        raise StudyError(
            f"{pair.mask}: this mask has no image {pair.image}{seen}",
            hint="restore the image, or remove the mask from the source",
        )
    if not has_image:
        return Reason(f"{NO_IMAGE}{seen}", "the tree")
    if not has_mask:
        return Reason(NO_MASK, "the tree")
    return None


def _check_files(pair: FilePair, search: Search) -> None:
    """Raise StudyError for a file of a pair that lies outside the source, or is none."""
    for name in (pair.image, pair.mask, pair.sidecar):
        search.source.check(search.root / name)
    for name in (pair.image, pair.mask):
        path = search.root / name
        check_kind(path)
        real = os.path.realpath(path)
        named = os.path.basename(real)
        if OBJECTS not in real and _is_of_another(named, pair):
            raise StudyError(
                f"{path}: a link to {real}, the file of another participant or session",
                hint="have the source hold the file itself, or exclude the image, with a reason",
            )
        if not path.exists() and OBJECTS not in real:
            raise StudyError(
                f"{path}: a link to {os.readlink(path)}, which is not there",
                hint="have the source hold the file itself, or exclude the image, with a reason",
            )


def _is_of_another(name: str, pair: FilePair) -> bool:
    """Whether a file is named as of another participant or session than a pair."""
    whose = pair.stem.removesuffix(f"_{pair.contrast}")
    return name.startswith("sub-") and not name.startswith(f"{whose}_")


def _left_out(place: Place, reason: Reason, search: Search) -> LeftOut:
    return LeftOut(
        dataset=search.rules.name,
        participant_id=place.participant,
        session=place.session or MISSING,
        contrast=place.contrast,
        image=place.image,
        reason=reason.reason,
        source=reason.source,
        person=search.participants[place.participant].person,
    )
