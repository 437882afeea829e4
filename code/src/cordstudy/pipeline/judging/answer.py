"""The answer to the study's question, in words, from the table of comparisons.

Owns: when a difference counts as shown, and the sentences that say so.
Does not own: any number in them (`comparisons`).

Shown to be better or worse: p below 0.05 after Holm over the family, and an interval that leaves
out 0. Anything else is not shown, and said with what n subjects could have shown: the signed-rank
test of n subjects gives no p below 2 / 2^n, so that few subjects in a large family can show
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cordstudy.pipeline.judging.comparisons import Comparison, of_family
from cordstudy.pipeline.judging.rows import grouped_by
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.statistics import ALPHA, least_subjects

WORDS = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "": "not shown to differ from",
}


@dataclass(frozen=True)
class Finding:
    """What one comparison shows: `better`, `worse`, `equivalent` (at home only) or nothing."""

    comparison: Comparison
    verdict: str
    within_retraining: bool
    """Whether the difference is smaller than the spread of trainings with other seeds."""

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
    def numbers(self) -> str:
        """Difference, interval and number of subjects, in words."""
        row = self.comparison
        interval = "" if math.isnan(row.low) else _interval(row)
        return f"{row.difference:+.3f}{interval}, n = {row.subjects}".replace("-", "−")


def _interval(row: Comparison) -> str:
    return f", 95 % interval {row.low:+.3f} to {row.high:+.3f}"


@dataclass(frozen=True)
class Answer:
    """The short answer, and what it rests on: where no model has seen the test set, the best
    specific model; elsewhere the one that is at home, or the best where none is."""

    short: str
    unseen: Sequence[Finding]
    home: Sequence[Finding]
    caveats: Sequence[str]


def answer(comparisons: Sequence[Comparison], settings: Settings) -> Answer:
    """The answer for the general model. Without unseen data or specific models: that there is
    none."""
    family = of_family(comparisons, "general")
    findings = [_finding(row, settings) for row in deciding(family, settings)]
    unseen = [finding for finding in findings if finding.testset in settings.unseen]
    home = [finding for finding in findings if finding.testset not in settings.unseen]
    short = _short([finding.verdict for finding in unseen])
    return Answer(short, unseen, home, _caveats(findings, len(family), settings))


def deciding(family: Sequence[Comparison], settings: Settings) -> list[Comparison]:
    """The comparisons of each test set that the answer rests on: one, or none."""
    rows: list[Comparison] = []
    for testset, rows_here in grouped_by(family, lambda row: row.testset).items():
        home = [row for row in rows_here if row.at_home]
        if testset not in settings.unseen and len(home) == 1:
            rows += home
        else:
            rows += [row for row in rows_here if row.best_specific]
    return rows


def grouped(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings of one verdict together: the verdict in words, those that have it."""
    groups = []
    for verdict, words in WORDS.items():
        alike = [finding for finding in findings if finding.verdict == verdict]
        if alike:
            groups.append((words, alike))
    return groups


def _finding(row: Comparison, settings: Settings) -> Finding:
    within = settings.trainings > 1 and abs(row.difference) < row.retraining_sd
    return Finding(row, _verdict(row), within)


def _verdict(row: Comparison) -> str:
    if row.p_holm < ALPHA and not row.low <= 0 <= row.high:
        return "better" if row.difference > 0 else "worse"
    if row.at_home and row.p_equivalence_holm < ALPHA:
        return "equivalent"
    return ""


def _caveats(findings: Sequence[Finding], tests: int, settings: Settings) -> list[str]:
    """What keeps the findings from saying more, a sentence each."""
    caveats = []
    least = least_subjects(tests)
    few = sorted({finding.subjects for finding in findings if finding.subjects < least})
    if few:
        counts = ", ".join(str(subjects) for subjects in few)
        caveats.append(
            f"Among {tests} comparisons the signed-rank test needs at least {least} participants "
            f"to show any difference; test sets here have {counts}."
        )
    within = [finding.testset for finding in findings if finding.within_retraining]
    if within:
        names = ", ".join(within)
        caveats.append(f"On {names} the difference is smaller than the spread of retraining.")
    if settings.trainings == 1:
        caveats.append(
            "Each model was trained once: how much training it again would change is not known, "
            "and no interval here contains it."
        )
    return caveats


def _short(verdicts: Sequence[str]) -> str:
    """A word or two for the verdicts on unseen data."""
    better, worse = verdicts.count("better"), verdicts.count("worse")
    if not verdicts:
        return "No answer: nothing unseen to judge on"
    if better == len(verdicts):
        return "Yes"
    if worse and better:
        return "It depends on the data"
    if worse:
        return "No"
    return "In part" if better else "Not shown"
