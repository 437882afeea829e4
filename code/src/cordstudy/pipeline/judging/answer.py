"""The answer to the study's question, in words, from the table of comparisons.

Owns: when a difference counts as shown, and the sentences that say so.
Does not own: any number in them (`compare`).

Shown to be better or worse: p below 0.05 after Holm over the family, and an interval that leaves out 0.
Anything else is not shown, and said with what n subjects could have shown: the signed-rank test of n
subjects gives no p below 2 / 2^n, so that few subjects in a large family can show nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cordstudy.pipeline.judging.compare import ALPHA
from cordstudy.pipeline.judging.settings import Settings

WORDS = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "": "not shown to differ from",
}


@dataclass(frozen=True)
class Finding:
    """What one comparison shows: `better`, `worse`, `equivalent` (at home only) or nothing."""

    testset: str
    specific: str
    verdict: str
    subjects: int
    numbers: str
    within_retraining: bool
    """Whether the difference is smaller than the spread of trainings with other seeds."""


@dataclass(frozen=True)
class Answer:
    """The short answer, and what it rests on: where no model has seen the test set, the best specific
    model; elsewhere the one that is at home, or the best where none is."""

    short: str
    unseen: Sequence[Finding]
    home: Sequence[Finding]
    caveats: Sequence[str]


def answer(comparisons: pd.DataFrame, judging: Settings) -> Answer:
    """The answer for the general model. Without unseen data or specific models: that there is none."""
    family = comparisons[comparisons["family"] == "general"]
    found = [_finding(row, judging) for row in deciding(family, judging).itertuples()]
    unseen = [one for one in found if one.testset in judging.unseen]
    home = [one for one in found if one.testset not in judging.unseen]
    return Answer(
        _short([one.verdict for one in unseen]), unseen, home, _caveats(found, len(family), judging)
    )


def deciding(family: pd.DataFrame, judging: Settings) -> pd.DataFrame:
    """The row of each test set that the answer rests on."""
    rows = []
    for testset, here in family.groupby("testset", sort=False):
        home = here[here["at_home"]]
        rows.append(
            home
            if testset not in judging.unseen and len(home) == 1
            else here[here["best_specific"]]
        )
    return pd.concat(rows) if rows else family


def grouped(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings of one verdict together: the verdict in words, those that have it."""
    found = [
        (words, [one for one in findings if one.verdict == verdict])
        for verdict, words in WORDS.items()
    ]
    return [(words, same) for words, same in found if same]


def _finding(row, judging: Settings) -> Finding:
    shown = row.p_holm < ALPHA and not row.low <= 0 <= row.high
    verdict = ("better" if row.difference > 0 else "worse") if shown else ""
    if not shown and row.at_home and row.p_equivalence_holm < ALPHA:
        verdict = "equivalent"
    interval = "" if math.isnan(row.low) else f", 95 % interval {row.low:+.3f} to {row.high:+.3f}"
    numbers = f"{row.difference:+.3f}{interval}, n = {row.subjects}".replace("-", "−")
    within = judging.trainings > 1 and abs(row.difference) < row.retraining_sd
    return Finding(row.testset, row.specific, verdict, row.subjects, numbers, within)


def _caveats(findings: Sequence[Finding], family: int, judging: Settings) -> list[str]:
    """What keeps the findings from saying more, a sentence each."""
    told = []
    least = next(n for n in range(1, 64) if 2 * family / 2**n < ALPHA) if family else 0
    if few := sorted({one.subjects for one in findings if one.subjects < least}):
        told.append(
            f"Among {family} comparisons the signed-rank test needs at least {least} participants to show any "
            f"difference; test sets here have {', '.join(map(str, few))}."
        )
    if within := [one.testset for one in findings if one.within_retraining]:
        told.append(
            f"On {', '.join(within)} the difference is smaller than the spread of retraining."
        )
    if judging.trainings == 1:
        told.append(
            "Each model was trained once: how much training it again would change is not known, and no "
            "interval here contains it."
        )
    return told


def _short(verdicts: Sequence[str]) -> str:
    """A word or two for the verdicts on unseen data."""
    if not verdicts:
        return "No answer: nothing unseen to judge on"
    better, worse = verdicts.count("better"), verdicts.count("worse")
    if better == len(verdicts):
        return "Yes"
    if worse and better:
        return "It depends on the data"
    if worse:
        return "No"
    return "In part" if better else "Not shown"
