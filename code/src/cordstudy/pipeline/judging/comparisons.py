"""Whether one model is better than another: the declared comparisons, and what their tests give.

Owns: which model is compared with which, where, in what role, and the table of it.
Does not own: how a number is computed (`flips`, `statistics`, `sensitivity`), the scores
(`scores`), or what the models are (`settings`).

The unit is the person (`scores`), here a subject: the cases of one are averaged first. The plan is
that of code/docs/judging.md. Primary: the general model against the best specific one on each test
set that no model has seen. Secondary, once all primary ones are shown: that it is equivalent to the
model that is at home, on each other test set. Exploratory, without p-values: all else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from cordstudy.pipeline.judging.flips import Flips, fewest, flips
from cordstudy.pipeline.judging.rows import read_rows
from cordstudy.pipeline.judging.scores import (
    failed_persons,
    first_training,
    sites,
    spread,
    subject_means,
)
from cordstudy.pipeline.judging.sensitivity import (
    failures_of,
    influence_of,
    persons_of,
    retraining_of,
    sites_of,
)
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.sizes import Size, alike
from cordstudy.pipeline.judging.statistics import (
    ALPHA,
    bonferroni,
    detectable,
    deviation,
    effect_dz,
    interval,
    rank_effect,
    wilcoxon,
)

FAMILIES = ("general", "size-matched", "size-matched-people", "leave-one-out")
"""The kinds of models that are compared with specific ones, in the order of the table."""
PRIMARY, SECONDARY, EXPLORATORY = "primary", "secondary", "exploratory"


@dataclass(frozen=True)
class Hypothesis:
    """A model, on a test set, against specific models: as many comparisons."""

    family: str
    model: str
    testset: str
    specifics: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One model minus a specific model on one test set, by Dice, paired by subject."""

    family: str
    """The kind of `model`."""
    role: str
    """`primary`, `secondary` or `exploratory`."""
    model: str
    testset: str
    specific: str
    best_specific: bool
    """Whether of those it is compared with it has the highest mean there: chosen on the test set,
    which favours it."""
    at_home: bool
    """Whether the specific model learned from that dataset."""
    subjects: int
    model_mean: float
    specific_mean: float
    difference: float
    level: float
    """Of all intervals of the row: with it those of one role hold together, but for exploratory
    ones."""
    low: float
    """`low` and `high`: interval of the mean difference that allows for failures not seen."""
    high: float
    low_seen: float
    """`low_seen` and `high_seen`: that of the sign-flip test, of persons like those seen; nan where
    they are too few."""
    high_seen: float
    p: float
    """Sign-flip test of the mean, two-sided; primary only, nan where it could show nothing. That
    the model is worse than the best of several counts as often as there are."""
    p_adjusted: float
    """Bonferroni's over the primary ones."""
    p_wilcoxon: float
    """Signed-rank test, two-sided, unadjusted: sensitivity of the primary ones."""
    rank_effect: float
    """Rank-biserial correlation."""
    effect_dz: float
    """Mean difference over its standard deviation."""
    p_equivalence: float
    """Of two one-sided sign-flip tests within the margin; secondary only, nan where they could show
    nothing."""
    p_equivalence_adjusted: float
    """Bonferroni's over the secondary ones."""
    detectable: float
    """The difference that a paired t-test at 1 - level finds at this n and spread with a power of
    80 %."""
    better: int
    worse: int
    median: float
    median_better: float
    median_worse: float
    influential: str
    without_influential: float
    without_low: float
    without_high: float
    failed_model_only: int
    failed_specific_only: int
    failed_both: int
    p_failures: float
    retrained: str
    retraining_sd: float
    difference_trainings: float
    trainings_low: float
    trainings_high: float
    sites: int
    low_sites: float
    high_sites: float

    @property
    def together(self) -> int:
        """How many comparisons its p is adjusted for."""
        return together_of(self.role, self.level)


def hypotheses(settings: Settings, sizes: Mapping[str, Size]) -> Iterator[Hypothesis]:
    """All that are declared, in the order of the table; those of size-matched models with the
    specific models of their size alone."""
    for model in settings.of_kind(*FAMILIES):
        for dataset in settings.datasets:
            specifics: Sequence[str] = settings.specifics
            if model.kind.startswith("size-matched"):
                specifics = [s for s in specifics if alike(model.kind, model.name, s, sizes)]
            elif model.kind == "leave-one-out":
                if dataset.name != model.without:
                    continue
                specifics = _not_seen_by(settings, dataset.name)
            if specifics:
                yield Hypothesis(model.kind, model.name, dataset.name, tuple(specifics))


def _not_seen_by(settings: Settings, dataset: str) -> list[str]:
    """The specific models that have not seen a dataset."""
    specifics = settings.of_kind("specific")
    return [model.name for model in specifics if dataset not in model.learns_from]


@dataclass(frozen=True)
class Paired:
    """A model and a specific one on a test set, with the difference of each subject by Dice."""

    family: str
    role: str
    model: str
    testset: str
    specific: str
    best_specific: bool
    at_home: bool
    model_mean: float
    specific_mean: float
    difference: pd.Series[float]
    """By person."""
    picked_of: int
    """Of how many specific ones it was picked as the best there; 1 where the pair was declared."""


def pair_models(
    scores: pd.DataFrame, settings: Settings, sizes: Mapping[str, Size]
) -> list[Paired]:
    """All pairs that the hypotheses name. Scores of the first training count."""
    means = subject_means(first_training(scores))
    judged = set(means.index.get_level_values("testset"))
    pairs: list[Paired] = []
    for hypothesis in hypotheses(settings, sizes):
        if hypothesis.testset in judged:
            pairs += _pairs_of(hypothesis, means.loc[hypothesis.testset], settings)
    return pairs


def _pairs_of(hypothesis: Hypothesis, means: pd.DataFrame, settings: Settings) -> Iterator[Paired]:
    """The pairs of one hypothesis; `means` is a table of subjects by models, on its test set."""
    model, testset = hypothesis.model, hypothesis.testset
    best = str(means[list(hypothesis.specifics)].mean().idxmax())
    home = set(settings.at_home(testset)) & set(hypothesis.specifics)
    for specific in hypothesis.specifics:
        role = _role(hypothesis, specific, best, home, settings)
        yield Paired(
            family=hypothesis.family,
            role=role,
            model=model,
            testset=testset,
            specific=specific,
            best_specific=specific == best,
            at_home=specific in home,
            model_mean=float(means[model].mean()),
            specific_mean=float(means[specific].mean()),
            difference=means[model] - means[specific],
            picked_of=len(hypothesis.specifics) if role == PRIMARY else 1,
        )


def _role(
    hypothesis: Hypothesis, specific: str, best: str, home: Collection[str], settings: Settings
) -> str:
    """Primary: against the best where nothing has seen the test set. Secondary: against the one
    that is at home."""
    if hypothesis.family != "general":
        return EXPLORATORY
    if hypothesis.testset in settings.unseen:
        return PRIMARY if specific == best else EXPLORATORY
    return SECONDARY if home == {specific} else EXPLORATORY


def compare_models(
    scores: pd.DataFrame, settings: Settings, sizes: Mapping[str, Size] | None = None
) -> list[Comparison]:
    """All comparisons; none without a specific model. Without `sizes`, none of size-matched
    models."""
    pairs = pair_models(scores, settings, sizes or {})
    roles = [pair.role for pair in pairs]
    table = _Table(scores, settings)
    return [table.row(pair, level_of(pair.role, roles.count(pair.role))) for pair in pairs]


def level_of(role: str, together: int) -> float:
    """The level of intervals that hold for so many comparisons together: two-sided for a
    difference, one-sided for each limit of equivalence. Exploratory ones stand alone."""
    share = {PRIMARY: ALPHA / together, SECONDARY: 2 * ALPHA / together}
    return 1 - share.get(role, ALPHA)


def together_of(role: str, level: float) -> int:
    """How many comparisons a level holds for together."""
    alpha = {PRIMARY: ALPHA, SECONDARY: 2 * ALPHA}.get(role, 1 - level)
    return round(alpha / (1 - level))


def fewest_subjects(role: str, together: int) -> int:
    """With how many subjects at least the test of one among so many can show anything."""
    sides = 1 if role == SECONDARY else 2
    return fewest(ALPHA / together, sides=sides)


class _Table:
    """The rows of the table, from what all of them share."""

    def __init__(self, scores: pd.DataFrame, settings: Settings) -> None:
        first = first_training(scores)
        self.settings = settings
        self.failed = failed_persons(first, settings.failure_dice)
        self.spreads = {(row.model, row.testset): row for row in spread(scores)}
        self.sites = sites(first)

    def row(self, pair: Paired, level: float) -> Comparison:
        """One comparison, its intervals of this level."""
        values = pair.difference.to_numpy()
        resamples, seed = self.settings.resamples, self.settings.seed
        flipped = flips(values, resamples=resamples, seed=seed)
        picked_of = pair.picked_of
        low, high = interval(
            values, resamples=resamples, seed=seed, level=level, picked_of=picked_of
        )
        low_seen, high_seen = flipped.interval(level, picked_of=picked_of)
        failed = self.failed.loc[pair.testset]
        where = [self.sites.get((pair.testset, str(name)), "") for name in pair.difference.index]
        parts = (
            persons_of(values),
            influence_of(pair.difference),
            failures_of(failed[pair.model], failed[pair.specific]),
            retraining_of(pair.model, pair.specific, pair.testset, self.spreads),
            sites_of(
                values,
                where,
                level=level,
                picked_of=picked_of,
                resamples=resamples,
                seed=seed,
            ),
        )
        more = {name: value for part in parts for name, value in asdict(part).items()}
        more |= _tests(pair, flipped, level, self.settings.margin)
        if pair.role != PRIMARY:
            more["p_failures"] = math.nan
        return Comparison(
            family=pair.family,
            role=pair.role,
            model=pair.model,
            testset=pair.testset,
            specific=pair.specific,
            best_specific=pair.best_specific,
            at_home=pair.at_home,
            subjects=len(values),
            model_mean=pair.model_mean,
            specific_mean=pair.specific_mean,
            difference=float(values.mean()),
            level=level,
            low=low,
            high=high,
            low_seen=low_seen,
            high_seen=high_seen,
            rank_effect=rank_effect(values),
            effect_dz=effect_dz(values),
            detectable=detectable(len(values), deviation(values), alpha=1 - level),
            **more,
        )


def _tests(pair: Paired, flipped: Flips, level: float, margin: float) -> dict[str, float]:
    """The p-values of a pair's role; nan for others, and where there are too few subjects."""
    together = together_of(pair.role, level)
    p = p_wilcoxon = p_equivalence = math.nan
    if len(pair.difference) >= fewest_subjects(pair.role, together):
        if pair.role == PRIMARY:
            p = flipped.p_differs(picked_of=pair.picked_of)
            p_wilcoxon = wilcoxon(pair.difference.to_numpy())
        elif pair.role == SECONDARY:
            p_equivalence = flipped.p_within(margin)
    return {
        "p": p,
        "p_adjusted": bonferroni(p, together),
        "p_wilcoxon": p_wilcoxon,
        "p_equivalence": p_equivalence,
        "p_equivalence_adjusted": bonferroni(p_equivalence, together),
    }


def read_comparisons(path: Path) -> list[Comparison]:
    """Read comparisons.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Comparison, what="comparisons of models", step="compare")


def of_family(comparisons: Sequence[Comparison], family: str) -> list[Comparison]:
    """The comparisons of one family."""
    return [row for row in comparisons if row.family == family]


def of_role(comparisons: Sequence[Comparison], role: str) -> list[Comparison]:
    """The comparisons of one role."""
    return [row for row in comparisons if row.role == role]
