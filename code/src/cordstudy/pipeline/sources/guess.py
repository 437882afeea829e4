"""Which images and masks a BIDS source has, told by the names of its files alone.

Owns: the rules that fit a source that nobody has described yet, and which others would fit.
Does not own: what rules find (`finding`), or participants and their columns (`guess_people`).

A mask lies below a folder of its own (`derivatives/labels`), where its image lies below the source.
It is called like the image with something after it, or like the subject with something after that.
No step imports this.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.names import ending_of, is_hidden, stem_of, subject_of
from cordstudy.pipeline.sources.rules import STEM, SUBJECT

NOT_SEARCHED = {"sourcedata", "code", "stimuli"}
"""Folders of BIDS that hold nothing a study reads."""
OF_ITS_OWN = {"space", "res", "label", "desc", "seg"}
"""Entities that a mask has and its image lacks."""
CORD = re.compile(r"label-(sc|cord|spinalcord)|spinal-?cord|cordmask")
MASK = re.compile(r"(seg|mask)(-manual)?$|seg-|mask-")
MAY_BE = re.compile(r"seg|mask|label")
OTHER = re.compile(
    "dlabel|disc|vert|rootlet|lesion|soft|prob|centerline|canal|level|tumou?r|label-(gm|wm|csf)|"
    "gmseg|wmseg|csfseg|warp"
)
"""What is masked, or how, that is not a cord with two values."""
USUAL = re.compile(r"[A-Za-z0-9_-]*[A-Za-z0-9]")
"""The name of an image that rules can have."""
FOLDER = re.compile(r"[A-Za-z0-9_+.-]+")
"""That of a folder."""
SHOWN = 5
"""Names that a message shows at most."""


class Scan(NamedTuple):
    """Where an image lies: whose it is, in which session (None for no folder of one), and the
    folder of its datatype."""

    participant: str
    session: str | None
    datatype: str

    @property
    def subject(self) -> str:
        """How the names of its files begin."""
        return subject_of(self.participant, self.session)


class Image(NamedTuple):
    """An image or mask: the folder that its tree lies in (empty for the source itself)."""

    tree: str
    scan: Scan
    stem: str


@dataclass(frozen=True)
class Masks:
    """Masks that are called and lie alike, and the images that they are of."""

    labels: str
    """Their folder, relative to the source."""
    mask: str
    """Their name without ending, of `{stem}` or `{subject}`."""
    session: str | None
    images: Mapping[str, int]
    """How many masks there are for each image, as rules have it, the most first."""

    @property
    def count(self) -> int:
        """Masks in all."""
        return sum(self.images.values())

    @property
    def rank(self) -> tuple[int, int, bool, str]:
        """Where they stand in a line: masks of a cord, then masks, then what may be one; of those
        the most."""
        name = self.mask.casefold()
        if OTHER.search(name) or OTHER.search(self.labels.casefold()):
            kind = 3
        elif CORD.search(name) and MASK.search(name):
            kind = 0
        elif MASK.search(name) or CORD.search(name):
            kind = 1
        else:
            kind = 2
        return kind, -self.count, "manual" not in name, f"{self.labels}/{self.mask}"


@dataclass(frozen=True)
class Guess:
    """What fits a source best, what else would, and the images that have no mask of it."""

    best: Masks
    others: Sequence[Masks]
    without: Mapping[str, int]


def guess(source: Path) -> Guess:
    """The masks of a source, and their images.

    Raises StudyError where there are no images, or no masks to them, with what there is.
    """
    images: dict[Scan, list[str]] = defaultdict(list)
    candidates = []
    for image in images_in(source):
        if image.tree:
            candidates.append(image)
        else:
            images[image.scan].append(image.stem)
    if not images:
        raise _without_images(source, candidates)
    found = _groups(images, candidates)
    if not found:
        raise _without_masks(source, images, candidates)
    best, *others = sorted(found, key=lambda masks: masks.rank)
    counts: Counter[str] = Counter()
    for scan, stems in images.items():
        if scan.session == best.session:
            counts.update(_rule(scan, stem) for stem in stems)
    without = {rule: count for rule, count in counts.most_common() if rule not in best.images}
    return Guess(best, others, without)


def images_in(source: Path) -> Iterator[Image]:
    """Every NIfTI file of a source that lies in a folder `sub-…[/ses-…]/<datatype>`, sorted."""
    for folder, folders, files in os.walk(source):
        inside = Path(folder).relative_to(source).parts
        folders[:] = sorted(name for name in folders if not _is_passed_over(name, inside))
        starts = [index for index, name in enumerate(inside) if name.startswith("sub-")]
        if not starts:
            continue
        tree, rest = inside[: starts[0]], inside[starts[0] :]
        if len(rest) == 3 and not rest[1].startswith("ses-"):
            continue
        if len(rest) not in (2, 3) or rest[-1].startswith("ses-"):
            continue
        if not all(map(FOLDER.fullmatch, inside)):
            continue
        scan = Scan(rest[0], rest[1] if len(rest) == 3 else None, rest[-1])
        for name in sorted(files):
            if ending_of(name) and not is_hidden(name) and USUAL.fullmatch(stem_of(name)):
                yield Image("/".join(tree), scan, stem_of(name))


def _is_passed_over(name: str, inside: Sequence[str]) -> bool:
    """Whether a folder is not looked into."""
    return is_hidden(name) or (not inside and name in NOT_SEARCHED)


def _groups(images: Mapping[Scan, Sequence[str]], candidates: Iterable[Image]) -> list[Masks]:
    """The candidates that may be masks of images, those that are called alike together."""
    counts: dict[tuple[str, str, str | None], Counter[str]] = defaultdict(Counter)
    for candidate in candidates:
        scan = candidate.scan
        name, of = _mask_of(candidate, images.get(scan, ()))
        if MAY_BE.search(f"{candidate.tree}/{name}".casefold()):
            counts[candidate.tree, name, scan.session].update(_rule(scan, stem) for stem in of)
    groups = []
    for (labels, mask, session), by_rule in counts.items():
        kept = dict(by_rule.most_common()) if STEM in mask else _one_a_datatype(by_rule)
        if kept:
            groups.append(Masks(labels, mask, session, kept))
    return groups


def _mask_of(candidate: Image, stems: Sequence[str]) -> tuple[str, list[str]]:
    """How a mask is called, and of which of the images that lie where it does it may be."""
    of = [stem for stem in stems if candidate.stem == stem or candidate.stem.startswith(f"{stem}_")]
    if of:
        longest = max(of, key=len)
        return STEM + candidate.stem.removeprefix(longest), [longest]
    subject = candidate.scan.subject
    if not candidate.stem.startswith(f"{subject}_"):
        return "", []
    rest = candidate.stem.removeprefix(subject)
    named = _entities(rest)
    return SUBJECT + rest, [stem for stem in stems if named <= _entities(stem)]


def _entities(name: str) -> set[str]:
    """The entities of a name that a mask has of its image."""
    pairs = {part for part in name.split("_") if "-" in part}
    return {pair for pair in pairs if pair.partition("-")[0] not in {*OF_ITS_OWN, "sub", "ses"}}


def _one_a_datatype(counts: Mapping[str, int]) -> dict[str, int]:
    """The images that masks are of which do not name them: one of each datatype, the most; of as
    many the one of the longest name, which a program made of another."""
    chosen: dict[str, str] = {}
    for rule in sorted(counts, key=lambda rule: (-counts[rule], -len(rule), rule)):
        chosen.setdefault(rule.partition("/")[0], rule)
    return {rule: counts[rule] for rule in chosen.values()}


def _rule(scan: Scan, stem: str) -> str:
    """An image as rules have it."""
    return f"{scan.datatype}/{stem.removeprefix(f'{scan.subject}_')}"


def _without_images(source: Path, candidates: Sequence[Image]) -> StudyError:
    if candidates:
        return StudyError(
            f"{source}: no images, and {len(candidates)} files such as {_shown(candidates)}: "
            "it holds derivatives alone",
            hint="a source has images and their masks: bring both into one folder, the masks below "
            "derivatives/labels",
        )
    return StudyError(
        f"{source}: no images: looked for sub-*/[ses-*/]<datatype>/*.nii.gz",
        hint="is it a BIDS dataset? bids.neuroimaging.io",
    )


def _without_masks(
    source: Path, images: Mapping[Scan, Sequence[str]], candidates: Sequence[Image]
) -> StudyError:
    """What to tell where no file is called like a mask of an image."""
    beside = []
    for scan, stems in images.items():
        beside += [Image("", scan, stem) for stem in stems if MASK.search(stem.casefold())]
    if beside:
        return StudyError(
            f"{source}: masks lie beside their images, such as {_shown(beside)}",
            hint="move them below derivatives/labels, to the same folders: BIDS has no masks among "
            "raw images",
        )
    seen = f"; seen: {_shown(candidates)}" if candidates else ""
    first = next(iter(images))
    return StudyError(
        f"{source}: {sum(map(len, images.values()))} images and no masks: looked in every folder "
        f"but {', '.join(sorted(NOT_SEARCHED))} for names with seg, mask or label{seen}",
        hint=f"a mask lies in a folder such as derivatives/labels/{first.participant}/"
        f"{first.datatype}, and is called like its image, with _seg after that",
    )


def _shown(images: Sequence[Image]) -> str:
    """The paths of the first images."""
    paths = []
    for image in images[:SHOWN]:
        scan = image.scan
        parts = (image.tree, scan.participant, scan.session or "", scan.datatype, image.stem)
        paths.append("/".join(part for part in parts if part))
    return ", ".join(paths)
