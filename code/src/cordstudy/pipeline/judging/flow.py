"""From a source's participants to the cases that a study uses: how many remain at each stage.

Owns: the stages, counted in persons, participants and images, and the table of them.
Does not own: why something is left out (`sources.finding`), or who those are that remain
(`cohort`).

Reasons that differ only in which files were seen in place of an image are one. A person is left
out as a whole only where none of their images is used: that is a stage of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.rows import grouped_by
from cordstudy.pipeline.raw.layout import RawCase
from cordstudy.pipeline.sources.cases import LeftOut

LISTED, LEFT, NOTHING, USED = "listed", "left out", "nothing used", "used"
TRAINED, JUDGED = "to train on", "to judge by"


@dataclass(frozen=True)
class Stage:
    """How many of a source are at one stage. Images are those that are there; a person may be at
    several stages, with several images."""

    dataset: str
    stage: str
    """`listed` in participants.tsv; `left out`, a row a reason; `nothing used`: persons of whom
    every image is left out; `used`, of which `to train on` and `to judge by`."""
    reason: str
    source: str
    """Who gives the reason: the tree, the rules, the study or the source's list."""
    persons: int
    participants: int
    images: int


Item = RawCase | LeftOut


def flow_of(dataset: str, cases: Sequence[RawCase], left_out: Sequence[LeftOut]) -> list[Stage]:
    """The stages of one source, in order."""
    used = {case.person for case in cases}
    unused = [item for item in left_out if item.person not in used]
    stages = [_stage(dataset, LISTED, [*cases, *left_out])]
    stages += _reasons(dataset, left_out)
    stages.append(_stage(dataset, NOTHING, unused))
    stages.append(_stage(dataset, USED, cases))
    stages.append(_stage(dataset, TRAINED, [case for case in cases if case.is_to_train]))
    stages.append(_stage(dataset, JUDGED, [case for case in cases if case.is_to_test]))
    return stages


def _reasons(dataset: str, left_out: Sequence[LeftOut]) -> Iterator[Stage]:
    """A row a reason, that of the most images or participants first."""
    groups = grouped_by(left_out, lambda item: (item.kind_of_reason, item.source))
    for reason, source in sorted(groups, key=lambda key: (-len(groups[key]), key)):
        yield _stage(dataset, LEFT, groups[reason, source], reason=reason, source=source)


def _stage(
    dataset: str, stage: str, items: Iterable[Item], *, reason: str = MISSING, source: str = MISSING
) -> Stage:
    items = list(items)
    return Stage(
        dataset=dataset,
        stage=stage,
        reason=reason,
        source=source,
        persons=len({item.person for item in items}),
        participants=len({item.participant_id for item in items}),
        images=sum(_is_there(item) for item in items),
    )


def _is_there(item: Item) -> bool:
    return isinstance(item, RawCase) or item.has_image
