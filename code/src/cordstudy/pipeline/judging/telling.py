"""The sentences about one comparison, for readers who know no statistics.

Owns: how a difference, the people behind it and what it rests on are put into words.
Does not own: what a comparison shows (`answer`), or any number (`comparisons`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cordstudy.pipeline.judging.comparisons import (
    PRIMARY,
    SECONDARY,
    Comparison,
    fewest_subjects,
    of_role,
)
from cordstudy.pipeline.judging.flips import HIGHEST
from cordstudy.pipeline.judging.statistics import ALPHA

LEAST_P, MOST_P = 0.001, 0.99
"""A p beyond these is told as beyond them."""


def number(value: float, form: str = "+.3f") -> str:
    """A number with a true minus sign."""
    return format(value, form).replace("-", "−")


def p_value(value: float) -> str:
    """A p, never as 0 or 1; none where there is none."""
    if math.isnan(value):
        return ""
    if value < LEAST_P:
        return f"< {LEAST_P}"
    return f"> {MOST_P}" if value > MOST_P else f"{value:.3f}"


def percent(level: float) -> str:
    """A level in percent, with no more digits than it takes."""
    return f"{100 * level:.4g} %"


def brief(row: Comparison) -> str:
    """Difference and number of subjects."""
    return f"{number(row.difference)}, n = {row.subjects}"


def numbered(row: Comparison) -> str:
    """Difference, number of subjects, and both intervals where the test has one."""
    words = brief(row)
    if math.isnan(row.low_seen):
        return words
    return (
        f"{words}; {percent(row.level)} interval {number(row.low_seen)} to "
        f"{number(row.high_seen)} in people like those seen, {number(row.low)} to "
        f"{number(row.high)} allowing for failures not seen"
    )


def in_people(row: Comparison) -> str:
    """In how many people which model did better, by how much, and which failed."""
    parts = []
    if row.better:
        parts.append(f"better in {row.better} (typically by {number(row.median_better, '.3f')})")
    if row.worse:
        parts.append(f"worse in {row.worse} (typically by {number(-row.median_worse, '.3f')})")
    same = row.subjects - row.better - row.worse
    if same:
        parts.append(f"the same in {same}")
    failed = row.failed_model_only + row.failed_both, row.failed_specific_only + row.failed_both
    people = f"Of {row.subjects} participants {row.model} is {', '.join(parts)}."
    if not any(failed):
        return f"{people} Neither failed in anyone."
    return f"{people} It failed in {failed[0]}, {row.specific} in {failed[1]}."


def reasons(row: Comparison, verdict: str) -> list[str]:
    """Why a verdict is no plain one, and what it rests on."""
    said = {
        "depends": _depends(row),
        "within retraining": _within(row),
        "better as seen": _missed(row),
        "worse as seen": _missed(row),
        "equivalent as seen": _missed(row),
    }
    sentences = [said[verdict]] if verdict in said else []
    if not verdict:
        sentences.append(
            "That is no proof that they are alike: the mean difference may be any within the "
            "intervals."
        )
    if verdict.startswith("worse"):
        sentences.append(
            "The specific model was picked as the best by its result here: the difference from it "
            "is likely smaller than it looks, for which the test allows."
        )
    if verdict.startswith(("better", "worse")):
        sentences += _rests_on_sites(row)
    return [*sentences, *_rests_on_one(row)]


def _depends(row: Comparison) -> str:
    """What the mean says, and what the ranks or most participants do."""
    mean = f"The mean difference is {number(row.difference)}"
    most_disagree = _most_disagree(row)
    if row.rank_effect * row.difference > 0 and not most_disagree:
        return (
            f"{mean}; a test of the mean and one of the ranks agree on its direction, and not on "
            f"whether it is shown (p {p_value(row.p)} and {p_value(row.p_wilcoxon)}, unadjusted)."
        )
    if not row.p_adjusted < ALPHA:
        mean += " and not shown to be other than 0"
    better = f"{row.better} of {row.subjects} are better, by {number(row.median_better, '.3f')}"
    worse = f"{row.worse} of {row.subjects} are worse, by {number(-row.median_worse, '.3f')}"
    if most_disagree:
        most = better if row.better > row.worse else worse
        return f"{mean}, but {most} typically: few large differences stand against many small ones."
    direction = "in no direction" if row.rank_effect == 0 else "in the other direction"
    both = " and ".join(part for part, count in ((better, row.better), (worse, row.worse)) if count)
    return f"{mean}, but the ranks lie {direction}: {both} typically."


def _most_disagree(row: Comparison) -> bool:
    """Whether more participants are on one side than on the other, and that is not the mean's."""
    if row.better == row.worse:
        return False
    side = 1 if row.better > row.worse else -1
    return side * row.difference <= 0


def _within(row: Comparison) -> str:
    trained = "both models" if row.retrained == "both" else row.retrained
    return (
        f"Training {trained} again with other seeds gave differences from "
        f"{number(row.trainings_low)} to {number(row.trainings_high)}; "
        f"over all trainings the mean difference is {number(row.difference_trainings)}."
    )


def _missed(row: Comparison) -> str:
    """What failures too rare to be seen would do."""
    most = 1 - ALPHA ** (1 / row.subjects)
    return (
        f"Failures that happen to fewer than {percent(round(most, 2 if most >= 0.01 else 3))} of "
        f"people may well not occur in {row.subjects}: they could undo or turn what was seen."
    )


def _rests_on_one(row: Comparison) -> list[str]:
    """Said where one participant turns the difference, or makes more than half of it."""
    if math.isnan(row.without_influential):
        return []
    turned = row.without_influential * row.difference < 0
    if not turned and abs(row.without_influential) >= abs(row.difference) / 2:
        return []
    return [
        f"It rests on one participant: without {row.influential} the mean difference is "
        f"{number(row.without_influential)}."
    ]


def _rests_on_sites(row: Comparison) -> list[str]:
    """What is left of a claim where sites, not participants, vary by chance."""
    if not row.sites:
        return []
    if math.isnan(row.low_sites):
        count = "one site" if row.sites == 1 else f"{row.sites} sites"
        return [f"All participants are from {count}: what others would give is not known."]
    if not row.low_sites <= 0 <= row.high_sites:
        return []
    return [
        f"If sites ({row.sites} here), not participants, are what varies by chance, the mean "
        f"difference may be {_range(row.low_sites, row.high_sites)}: the claim is of these sites "
        "alone."
    ]


def _range(low: float, high: float) -> str:
    """An interval, of which an end that is as far as can be sets no limit."""
    if high >= HIGHEST:
        return "anything" if low <= -HIGHEST else f"{number(low)} or any more"
    return f"{number(high)} or any less" if low <= -HIGHEST else f"{number(low)} to {number(high)}"


def caveats(rows: Sequence[Comparison], *, opened: bool, margin: float) -> list[str]:
    """What keeps the findings from saying more, a sentence each; where n is too small, that
    first. `margin` is that of equivalence, in Dice."""
    sentences = [*_too_few(rows, PRIMARY), *_too_few(rows, SECONDARY)]
    primary = of_role(rows, PRIMARY)
    sentences += [_resolved(row) for row in primary if _resolves(row)]
    sentences += [_is_small(row, margin) for row in primary if _is_shown(row, margin)]
    home = of_role(rows, SECONDARY)
    if home and not primary:
        sentences.append(
            "There is no unseen test set: equivalence on own ground is all that is tested."
        )
    if [row for row in home if not math.isnan(row.p_equivalence)] and not opened:
        sentences.append(
            "Equivalence on own ground is claimed only once every primary comparison is shown."
        )
    sentences += _beside_zero([row for row in home if row.high_seen < 0], "below", "loss")
    sentences += _beside_zero([row for row in home if row.low_seen > 0], "above", "gain")
    return [*sentences, *_seeds(rows)]


def _is_shown(row: Comparison, margin: float) -> bool:
    """Whether a difference is shown that the study would call none in size."""
    return row.p_adjusted < ALPHA and abs(row.difference) < margin


def _is_small(row: Comparison, margin: float) -> str:
    return (
        f"On {row.testset} the difference is small: {number(row.difference)} lies within "
        f"±{margin:g}, which this study calls equivalent elsewhere."
    )


def _beside_zero(rows: Sequence[Comparison], side: str, what: str) -> list[str]:
    """Said where an interval lies to one side of 0, on own ground."""
    if not rows:
        return []
    places = ", ".join(row.testset for row in rows)
    return [
        f"On {places} all of the interval lies {side} 0: a {what} on own ground is likely, though "
        "no test was declared for it."
    ]


def _too_few(rows: Sequence[Comparison], role: str) -> list[str]:
    """The test sets whose participants can show nothing, whatever they are like."""
    rows = of_role(rows, role)
    least = fewest_subjects(role, rows[0].together) if rows else 0
    few = [row for row in rows if row.subjects < least]
    if not few:
        return []
    places = ", ".join(f"{row.testset} ({row.subjects})" for row in few)
    what = "a difference" if role == PRIMARY else "equivalence"
    return [f"Too few participants on {places}: no test can show {what} in fewer than {least}."]


def _resolves(row: Comparison) -> bool:
    """Whether to tell what would be missed: where nothing is shown."""
    return row.p_adjusted >= ALPHA and not math.isnan(row.detectable)


def _resolved(row: Comparison) -> str:
    """What would be missed; of the direction alone that could be shown at all."""
    people = f"With {row.subjects} participants like those of {row.testset}"
    missed = f"below {number(row.detectable, '.3f')} would be missed in one study of five"
    if row.high_seen >= HIGHEST:
        return (
            f"{people} no test can show that {row.model} is worse than the best of several models, "
            "by whatever difference; that it is better, failures not seen left aside, by a mean "
            f"difference {missed}, or more often."
        )
    return f"{people}, failures not seen left aside, a mean difference {missed}, or more often."


def _seeds(rows: Sequence[Comparison]) -> list[str]:
    """What is known of training again."""
    primary = of_role(rows, PRIMARY) or rows
    once = {row.testset: row for row in primary if row.retrained == "neither"}
    if primary and len(once) == len(primary):
        return [
            "Each model was trained once: how much training it again would change is not known, "
            "and no interval here contains it."
        ]
    partly = [row for row in primary if row.retrained not in ("neither", "both")]
    sentences = [
        f"On {row.testset} only {row.retrained} was trained more than once: how much training the "
        "other again would change is not known."
        for row in partly
    ]
    if once:
        sentences.append(f"On {', '.join(once)} both models were trained once.")
    return sentences
