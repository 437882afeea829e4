"""What a study found and how it was judged, as its tables and settings say.

Owns: the rows of comparisons that a paper states, the measures and tests that its tables have.
Does not own: statistics and the answer (`pipeline.judging`), or sentences (`methods.md.j2`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import faults
from cordstudy.cli.paper.committed import Committed, Row, missing
from cordstudy.cli.paper.references import References
from cordstudy.pipeline.judging.settings import HINT, Settings
from cordstudy.study.parameters import settings_of

MINUS = "−"
TOO_FEW = "too few people for a test or an interval"


@dataclass(frozen=True)
class Compared:
    """One comparison as a paper states it: names, and numbers in words."""

    role: str
    model: str
    specific: str
    testset: str
    people: str
    model_mean: str
    specific_mean: str
    difference: str
    interval: str
    """Empty for none; so is `p`."""
    p: str

    @property
    def told(self) -> str:
        """Interval and p, or that there are too few people for either."""
        return "; ".join(filter(None, [self.interval, self.p])) or TOO_FEW


@dataclass(frozen=True)
class Summarised:
    """Mean Dice of one model on one test set, and what stands beside it."""

    model: str
    testset: str
    people: str
    images: str
    dice: str
    median: str
    failed: str
    rate: str


@dataclass(frozen=True)
class Agreed:
    """How far the areas of a model agree with the reference's on one test set, in words."""

    testset: str
    people: str
    bias: str
    limits: str
    not_found: str


def settings(committed: Committed) -> Settings:
    """How models are judged: the study's parameters, as they are committed."""
    path = committed.layout.judging
    held = committed.values(path)
    try:
        return Settings.model_validate(held) if held else settings_of(committed.study)
    except ValidationError as error:
        raise StudyError(f"{path}: {faults(error)}", hint=HINT) from error


def columns(committed: Committed, table: str) -> set[str]:
    """The columns of one of the study's tables of evaluation."""
    rows = _rows(committed, table)
    return set(rows[0]) if rows else set()


def comparisons(committed: Committed, role: str) -> list[Compared]:
    """The comparisons of a role, in the order of the table; none of a table without roles."""
    rows = _rows(committed, "comparisons")
    return [_compared(row) for row in rows if row.get("role") == role]


def _compared(row: Row) -> Compared:
    return Compared(
        role=row.get("role", ""),
        model=row["model"],
        specific=row["specific"],
        testset=row["testset"],
        people=row["subjects"],
        model_mean=number(row.get("model_mean")),
        specific_mean=number(row.get("specific_mean")),
        difference=signed(row.get("difference")),
        interval=_interval(row),
        p=_p(row),
    )


def _interval(row: Row) -> str:
    """The interval of the test with its level, and the wider one that allows for failures not seen;
    empty where the test has none."""
    seen, wide = _bounds(row, "low_seen", "high_seen"), _bounds(row, "low", "high")
    if not seen:
        return ""
    level = f"{100 * _float(row['level']):.4g} %"
    return f"{level} interval {seen}; allowing for failures that were not seen, {wide}"


def _bounds(row: Row, low: str, high: str) -> str:
    bounds = _float(row.get(low)), _float(row.get(high))
    if any(math.isnan(bound) for bound in bounds):
        return ""
    return f"{signed(row[low])} to {signed(row[high])}"


def _p(row: Row) -> str:
    """The adjusted p of the test; empty where there is none."""
    from cordstudy.pipeline.judging.telling import p_value  # imports SciPy

    for column, words in P_COLUMNS:
        value = _float(row.get(column))
        if not math.isnan(value):
            told = p_value(value)
            return f"{words} {told if told[0] in '<>' else f'= {told}'}"
    return ""


P_COLUMNS = (
    ("p_adjusted", "adjusted p"),
    ("p_equivalence_adjusted", "adjusted p of equivalence"),
)
"""Where a p may stand, the first that is there is told."""


def summaries(committed: Committed, model: str) -> list[Summarised]:
    """What a model reached on each test set."""
    found = []
    for row in _rows(committed, "summary"):
        if row["model"] == model:
            found.append(_summarised(row))
    return found


def _summarised(row: Row) -> Summarised:
    return Summarised(
        model=row["model"],
        testset=row["testset"],
        people=row["participants"],
        images=row["cases"],
        dice=number(row["dice"]),
        median=_spread(row),
        failed=row.get("failed") or missing("in how many"),
        rate=_rate(row),
    )


def _spread(row: Row) -> str:
    """Median and quartiles of Dice."""
    quartiles = f"{number(row.get('dice_q1'))} to {number(row.get('dice_q3'))}"
    return f"{number(row.get('dice_median'))} ({quartiles})"


def _rate(row: Row) -> str:
    """The exact interval of the rate of failures, in percent."""
    bounds = _float(row.get("failure_low")), _float(row.get("failure_high"))
    if any(math.isnan(bound) for bound in bounds):
        return missing("its interval")
    return f"{100 * bounds[0]:.0f} to {100 * bounds[1]:.0f} %"


def agreements(committed: Committed, model: str) -> list[Agreed]:
    """Bias and limits of agreement of a model's areas on each test set, in mm²."""
    found = []
    for row in _rows(committed, "agreement"):
        if row["model"] == model:
            limits = f"{area(row['lower'])} to {area(row['upper'])}"
            known = not math.isnan(_float(row["lower"]))
            found.append(
                Agreed(
                    testset=row["testset"],
                    people=row["subjects"],
                    bias=area(row["bias"]),
                    limits=limits if known else "too few people",
                    not_found=row["not_found"],
                )
            )
    return found


def area(cell: str) -> str:
    """An error of an area with its sign."""
    value = _float(cell)
    return "not known" if math.isnan(value) else f"{value:+.1f}".replace("-", MINUS)


def hits(committed: Committed) -> str:
    """What the check for leakage found, in words."""
    rows = committed.rows(committed.layout.leakage_table)
    if not rows:
        return missing("whether training and test sets have anything in common")
    found = [row for row in rows if row["n_hits"] != "0"]
    respects = len({row["compared"] for row in rows})
    if not found:
        return (
            f"{len(rows)} comparisons of training cases and folds with test sets, in {respects} "
            "respects, found nothing on both sides"
        )
    named = sorted({f"{row['model']} ({row['against']}, by {row['compared']})" for row in found})
    return f"**the same was on both sides**: {', '.join(named)}"


def number(cell: str | None) -> str:
    """A number of a table with three decimals."""
    value = _float(cell)
    return missing("a number") if math.isnan(value) else f"{value:.3f}".replace("-", MINUS)


def signed(cell: str | None) -> str:
    """A difference with its sign."""
    value = _float(cell)
    return missing("a number") if math.isnan(value) else f"{value:+.3f}".replace("-", MINUS)


def _float(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan


def _rows(committed: Committed, table: str) -> Sequence[Row]:
    return committed.rows(f"{committed.layout.evaluation}/{table}.tsv")


MEASURES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("dice", "Dice", ("dice",)),
    ("iou", "the Jaccard index (IoU)", ()),
    ("nsd", "the surface Dice (NSD) at a tolerance of {tolerance:g} mm", ("nsd",)),
    ("hd95_mm", "the 95th percentile of surface distances (HD95)", ()),
    ("assd_mm", "the average symmetric surface distance", ()),
    ("relative_volume_error", "the relative error of volume", ()),
    ("csa_error_mm2", "the error of the cross-sectional area (CSA)", ("sct",)),
    ("slices_found", "the share of the reference's slices in which it was found", ()),
)
"""Columns of the table of cases, what they are called in a paper, and what is cited for them."""


def measures(committed: Committed, references: References) -> list[str]:
    """The measures that the table of cases has."""
    there = set().union(*committed.rows(committed.layout.cases_table)[:1])
    tolerance = settings(committed).nsd_tolerance_mm
    told = []
    for column, words, works in MEASURES:
        if column in there:
            cited = f" {references.cite(*works)}" if works else ""
            told.append(words.format(tolerance=tolerance) + cited)
    return told or [missing("the measures, as there is no table of cases")]


def tests(committed: Committed, references: References) -> str:
    """How a difference is tested, by the columns of the table of comparisons."""
    there, cite = columns(committed, "comparisons"), references.cite
    if "low_seen" not in there:
        return missing("how differences were tested, as there is no table of that")
    return (
        "The difference of two models is the mean over people of their paired differences. It is "
        "tested by flipping the signs of people's differences, two-sided, all flips where people "
        f"are few, else as many as are drawn by the seed {cite('permutation')}; the interval has "
        "the differences that this test does not reject. A second interval allows for failures "
        f"too rare to be seen {cite('gaffke')}. Primary comparisons are adjusted by Bonferroni, "
        "and their intervals with them; as the best specific model is picked by its result, being "
        "worse than it counts as often as there are specific models. All but primary and secondary "
        "ones are exploratory and have no p-value. Wilcoxon's signed-rank test "
        f"{cite('wilcoxon')} stands beside: where it contradicts, it is said that "
        "the answer depends on the way of looking."
    )
