"""The answer to the study's question, in words, from the table of comparisons.

Owns: when a difference counts as shown, and the short answer from that.
Does not own: any number (`comparisons`), or the sentences that tell of one finding (`telling`).

The plan is that of code/docs/judging.md. A verdict agrees with its test, with the interval of that
test, with the ranks and with other trainings, or is another verdict that says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cordstudy.pipeline.judging.comparisons import (
    PRIMARY,
    SECONDARY,
    Comparison,
    fewest_subjects,
    of_role,
)
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.statistics import ALPHA, bonferroni
from cordstudy.pipeline.judging.telling import brief, caveats, in_people, numbered, reasons

WORDS = {
    "better": "better than",
    "better as seen": "better, in the people seen, than",
    "worse": "worse than",
    "worse as seen": "worse, in the people seen, than",
    "depends": "shown to differ by one way of looking and not by another from",
    "within retraining": "not shown to differ, beyond what training again changes, from",
    "equivalent": "equivalent to",
    "equivalent as seen": "equivalent, in the people seen, to",
    "not equivalent": "not shown to be equivalent to",
    "not asked": "not claimed to be equivalent to",
    "too few": "judged on too few participants to be told from",
    "": "not shown to differ from",
}
"""Every verdict, in the order in which they are told."""
BETTER = ("better", "better as seen")
WORSE = ("worse", "worse as seen")


@dataclass(frozen=True)
class Finding:
    """What one comparison shows: one of `WORDS`."""

    comparison: Comparison
    verdict: str

    @property
    def testset(self) -> str:
        """Where it is shown."""
        return self.comparison.testset

    @property
    def specific(self) -> str:
        """The model that the general one is compared with."""
        return self.comparison.specific

    @property
    def subjects(self) -> int:
        """Of how many it is shown."""
        return self.comparison.subjects

    @property
    def brief(self) -> str:
        """Difference and number of subjects, where `numbers` stand elsewhere."""
        return brief(self.comparison)

    @property
    def numbers(self) -> str:
        """Difference, both intervals, and number of subjects."""
        return numbered(self.comparison)

    @property
    def in_people(self) -> str:
        """In how many people which model did better and which failed: a sentence or two."""
        return in_people(self.comparison)

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is no plain one, and what it rests on: sentences."""
        return reasons(self.comparison, self.verdict)


@dataclass(frozen=True)
class Answer:
    """The short answer, and what it rests on: where no model has seen the test set, the primary
    comparisons; elsewhere the secondary ones."""

    short: str
    unseen: Sequence[Finding]
    home: Sequence[Finding]
    caveats: Sequence[str]


def answer(comparisons: Sequence[Comparison], settings: Settings) -> Answer:
    """The answer for the general model. Without unseen data or specific models: that there is
    none; equivalence is then the only question, and asked."""
    unseen = [Finding(row, verdict(row)) for row in of_role(comparisons, PRIMARY)]
    opened = all(finding.verdict in (*BETTER, *WORSE) for finding in unseen)
    home = []
    for row in of_role(comparisons, SECONDARY):
        home.append(Finding(row, verdict_at_home(row, settings.margin, opened=opened)))
    rows = [finding.comparison for finding in (*unseen, *home)]
    alone = "" if settings.specifics else "No answer: one model, and none to compare it with"
    if settings.release:
        alone = "One model, compared with none"
    return Answer(
        alone or _short(unseen), unseen, home, caveats(rows, opened=opened, margin=settings.margin)
    )


def deciding(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons that the answer rests on, the primary ones first."""
    return [*of_role(comparisons, PRIMARY), *of_role(comparisons, SECONDARY)]


def grouped(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings of one verdict together: the verdict in words, those that have it."""
    groups = []
    for name, words in WORDS.items():
        alike = [finding for finding in findings if finding.verdict == name]
        if alike:
            groups.append((words, alike))
    return groups


def verdict(row: Comparison) -> str:
    """What a primary comparison shows."""
    if row.subjects < fewest_subjects(PRIMARY, row.together):
        return "too few"
    if ranks_contradict(row):
        return "depends"
    if not row.p_adjusted < ALPHA:
        return ""
    if within_retraining(row):
        return "within retraining"
    word = "better" if row.difference > 0 else "worse"
    return f"{word} as seen" if row.low <= 0 <= row.high else word


def verdict_at_home(row: Comparison, margin: float, *, opened: bool) -> str:
    """What a secondary comparison shows, which is asked where all primary ones are shown."""
    if row.subjects < fewest_subjects(SECONDARY, row.together):
        return "too few"
    if not opened:
        return "not asked"
    if not row.p_equivalence_adjusted < ALPHA or leaves_margin(row, margin):
        return "not equivalent"
    return "equivalent" if -margin <= row.low and row.high <= margin else "equivalent as seen"


def ranks_contradict(row: Comparison) -> bool:
    """Whether the signed-rank test does not find what the test of the mean does, at 5 % and to the
    same side; or finds what that does not, after the same adjustment."""
    if row.p_adjusted < ALPHA:
        same_side = row.rank_effect * row.difference > 0
        return not (row.p_wilcoxon < ALPHA and same_side)
    return bonferroni(row.p_wilcoxon, row.together) < ALPHA


def within_retraining(row: Comparison) -> bool:
    """Whether training again could take the difference away: it is smaller than the standard
    deviation over trainings, or some pair of trainings has none or one of the other sign. Not where
    that is unknown."""
    if math.isnan(row.retraining_sd):
        return False
    turned = row.trainings_low <= 0 <= row.trainings_high
    return turned or abs(row.difference) < row.retraining_sd


def leaves_margin(row: Comparison, margin: float) -> bool:
    """Whether some pair of trainings differs by more than the margin. Not where there is one."""
    return row.trainings_low < -margin or row.trainings_high > margin


def _short(unseen: Sequence[Finding]) -> str:
    """A few words for the verdicts on unseen data, those of too few participants apart."""
    asked = [finding for finding in unseen if finding.verdict != "too few"]
    few = [finding for finding in unseen if finding.verdict == "too few"]
    if not unseen:
        return "No answer: nothing unseen to judge on"
    if not asked:
        return _too_few([finding.comparison for finding in unseen])
    words = _asked(asked)
    if not few:
        return words
    counts = " and ".join(str(finding.subjects) for finding in few)
    return (
        f"On {_places(asked)}: {words[0].lower()}{words[1:]}. "
        f"On {_places(few)}: cannot be answered (n = {counts})"
    )


def _asked(findings: Sequence[Finding]) -> str:
    """A few words for the verdicts where there were participants enough."""
    better = [finding for finding in findings if finding.verdict in BETTER]
    worse = [finding for finding in findings if finding.verdict in WORSE]
    if (better and worse) or [finding for finding in findings if finding.verdict == "depends"]:
        return "It depends"
    if worse:
        return "No"
    if not better:
        return "Not shown"
    plain = all(finding.verdict == "better" for finding in better)
    reserve = "" if plain else ", but failures too rare to be seen could undo it"
    others = [finding for finding in findings if finding not in better]
    if others:
        return f"In part: better on {_places(better)}, not shown on {_places(others)}{reserve}"
    return "Yes" if plain else f"Better in the people seen{reserve}"


def _places(findings: Sequence[Finding]) -> str:
    return " and ".join(finding.testset for finding in findings)


def _too_few(rows: Sequence[Comparison]) -> str:
    counts = sorted({row.subjects for row in rows})
    words = " and ".join(str(count) for count in counts)
    people = "participant" if words == "1" else "participants"
    least = fewest_subjects(PRIMARY, rows[0].together)
    return (
        f"Cannot be answered with {words} {people}: no test can show a difference in fewer "
        f"than {least}"
    )
