"""Whether one model is better than another: the declared hypotheses, and what their tests give.

Owns: which model is compared with which, where, and the table of it.
Does not own: how a number is computed (`statistics`), the scores (`scores`), or what the models
are (`settings`).

The unit is the person (`scores`), here a subject: the cases of one are averaged first. Three
families of hypotheses are declared, all by Dice: the general model against each specific one on
each test set; the size-matched general one likewise; and each leave-one-out model, on the dataset
that it has not seen, against each specific model that has not seen it either. p-values are Holm's
within a family, those of equivalence among themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cordstudy.pipeline.judging.rows import read_rows
from cordstudy.pipeline.judging.scores import first_training, spread, subject_means
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.statistics import (
    Floats,
    detectable,
    deviation,
    effect_dz,
    equivalence,
    holm,
    interval,
    wilcoxon,
)

FAMILIES = ("general", "size-matched", "leave-one-out")
"""The kinds of models that are compared with specific ones, in the order of the table."""


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
    low: float
    """`low` and `high`: 95 % bootstrap interval (BCa) of the mean difference."""
    high: float
    p_wilcoxon: float
    """Two-sided."""
    p_holm: float
    """Adjusted over the family."""
    effect_dz: float
    """Mean difference over its standard deviation."""
    p_equivalence: float
    """Of two one-sided t-tests within the margin, where the specific model is at home."""
    p_equivalence_holm: float
    """Adjusted over those of the family."""
    detectable: float
    """The difference that one paired t-test, unadjusted, would find at this n and spread with a
    power of 80 %."""
    retraining_sd: float
    """The larger standard deviation of the two models over replicates."""


def hypotheses(settings: Settings) -> Iterator[Hypothesis]:
    """All that are declared, in the order of the table."""
    for model in settings.of_kind(*FAMILIES):
        for dataset in settings.datasets:
            if model.kind != "leave-one-out":
                specifics = tuple(settings.specifics)
                yield Hypothesis(model.kind, model.name, dataset.name, specifics)
            elif dataset.name == model.without:
                specifics = _not_seen_by(settings, dataset.name)
                yield Hypothesis(model.kind, model.name, dataset.name, specifics)


def _not_seen_by(settings: Settings, dataset: str) -> tuple[str, ...]:
    """The specific models that have not seen a dataset."""
    specifics = settings.of_kind("specific")
    return tuple(model.name for model in specifics if dataset not in model.learns_from)


@dataclass(frozen=True)
class Paired:
    """A model and a specific one on a test set, with the difference of each subject by Dice."""

    family: str
    model: str
    testset: str
    specific: str
    best_specific: bool
    at_home: bool
    model_mean: float
    specific_mean: float
    difference: Floats


def pair_models(scores: pd.DataFrame, settings: Settings) -> list[Paired]:
    """All pairs that the hypotheses name. Scores of the first training count."""
    means = subject_means(first_training(scores))
    judged = set(means.index.get_level_values("testset"))
    pairs: list[Paired] = []
    for hypothesis in hypotheses(settings):
        if hypothesis.testset in judged and hypothesis.specifics:
            pairs += _pairs_of(hypothesis, means.loc[hypothesis.testset], settings)
    return pairs


def _pairs_of(hypothesis: Hypothesis, means: pd.DataFrame, settings: Settings) -> Iterator[Paired]:
    """The pairs of one hypothesis; `means` is a table of subjects by models, on its test set."""
    model, testset = hypothesis.model, hypothesis.testset
    best = means[list(hypothesis.specifics)].mean().idxmax()
    at_home = settings.at_home(testset)
    for specific in hypothesis.specifics:
        yield Paired(
            family=hypothesis.family,
            model=model,
            testset=testset,
            specific=specific,
            best_specific=bool(specific == best),
            at_home=specific in at_home,
            model_mean=float(means[model].mean()),
            specific_mean=float(means[specific].mean()),
            difference=(means[model] - means[specific]).to_numpy(),
        )


def compare_models(scores: pd.DataFrame, settings: Settings) -> list[Comparison]:
    """All comparisons; none without a specific model."""
    pairs = pair_models(scores, settings)
    sds = {(row.model, row.testset): row.dice_sd for row in spread(scores)}
    families = [pair.family for pair in pairs]
    p = [wilcoxon(pair.difference) for pair in pairs]
    p_equivalence = [_equivalence(pair, settings) for pair in pairs]
    p_holm = holm_by_family(families, p)
    p_equivalence_holm = holm_by_family(families, p_equivalence)
    comparisons = []
    for n, pair in enumerate(pairs):
        difference = pair.difference
        low, high = interval(difference, resamples=settings.resamples, seed=settings.seed)
        comparisons.append(
            Comparison(
                family=pair.family,
                model=pair.model,
                testset=pair.testset,
                specific=pair.specific,
                best_specific=pair.best_specific,
                at_home=pair.at_home,
                subjects=len(difference),
                model_mean=pair.model_mean,
                specific_mean=pair.specific_mean,
                difference=float(difference.mean()),
                low=low,
                high=high,
                p_wilcoxon=p[n],
                p_holm=p_holm[n],
                effect_dz=effect_dz(difference),
                p_equivalence=p_equivalence[n],
                p_equivalence_holm=p_equivalence_holm[n],
                detectable=detectable(len(difference), deviation(difference)),
                retraining_sd=_retraining_sd(pair, sds),
            )
        )
    return comparisons


def _equivalence(pair: Paired, settings: Settings) -> float:
    """p of equivalence where the specific model is at home: elsewhere it is no question."""
    return equivalence(pair.difference, settings.margin) if pair.at_home else math.nan


def holm_by_family(families: Sequence[str], p: Sequence[float]) -> list[float]:
    """p-values adjusted within the family of each; nan where there is none."""
    adjusted = [math.nan] * len(p)
    for family in set(families):
        places = [n for n, other in enumerate(families) if other == family]
        for n, value in zip(places, holm([p[n] for n in places])):
            adjusted[n] = float(value)
    return adjusted


def _retraining_sd(pair: Paired, sds: Mapping[tuple[str, str], float]) -> float:
    """The larger of both models' standard deviations over trainings; nan where one has none."""
    by_model = sds.get((pair.model, pair.testset), math.nan)
    by_specific = sds.get((pair.specific, pair.testset), math.nan)
    if math.isnan(by_model) or math.isnan(by_specific):
        return math.nan
    return max(by_model, by_specific)


def read_comparisons(path: Path) -> list[Comparison]:
    """Read comparisons.tsv. Raises StudyError for a table that is none."""
    return read_rows(path, Comparison, what="comparisons of models", step="compare")


def of_family(comparisons: Sequence[Comparison], family: str) -> list[Comparison]:
    """The comparisons of one family."""
    return [row for row in comparisons if row.family == family]
