"""Whether the general model is better: paired comparisons, intervals, strata, the spread of retraining.

Owns: the statistics over cases.tsv and their tables.
Does not own: the measures of a case (`metrics`, `evaluate`), or what the models are (`judging`).

The unit is the subject: the cases of one are averaged first. Three families of hypotheses are declared,
all by Dice: the general model against each specific one on each test set; the size-matched general one
likewise; and each leave-one-out model, on the dataset that it has not seen, against each specific model
that has not seen it either. p-values are Holm's within a family, those of equivalence among themselves.
Strata are for looking: no p-values.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table, write_table
from cordstudy.pipeline.judging.settings import Settings, read_settings

MEASURES = ["dice", "iou", "nsd", "hd95_mm", "assd_mm", "relative_volume_error", "csa_error_mm2"]
STRATA = ["contrast", "vendor", "pathology", "label_origin"]
ALPHA, POWER = 0.05, 0.8
FEWEST = 5
"""Subjects below which no interval is told: it would hold too seldom (code/docs/judging.md)."""


def read_scores(path: Path) -> pd.DataFrame:
    """A table of figures, such as cases.tsv; where a column of text says n/a, that is a value.

    Raises StudyError for one that is no table (`read_table`), and where a column of numbers holds words.
    """
    read_table(path)
    table = pd.read_csv(path, sep="\t", keep_default_na=False, na_values=["nan"], encoding="utf-8")
    for name in ("replicate", *MEASURES):
        if name in table and len(table) and table[name].dtype.kind not in "iuf":
            raise StudyError(
                f"{path}: the column {name!r} holds words", hint="code/study run evaluate"
            )
    return table


def subject_means(scores: pd.DataFrame, measure: str = "dice") -> pd.DataFrame:
    """One row a test set and subject, one column a model: the mean over the subject's cases."""
    keys = ["testset", "participant_id", "model"]
    return scores.groupby(keys, sort=False)[measure].mean().unstack("model")


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Means of each measure by model and test set, over subjects, with the numbers of participants
    and cases; of the first training. An infinite volume error makes its mean infinite."""
    keys = ["model", "testset"]
    first = scores[scores["replicate"] == 1]
    by_participant = first.groupby([*keys, "participant_id"], sort=False)[MEASURES].mean()
    table = by_participant.groupby(level=keys, sort=False).mean()
    table.insert(0, "cases", first.groupby(keys, sort=False).size())
    table.insert(0, "participants", by_participant.groupby(level=keys, sort=False).size())
    return table.reset_index()


def spread(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice of each training, and over trainings its mean, standard deviation (n - 1; nan for
    one training), minimum and maximum, by model and test set."""
    keys = ["model", "testset"]
    by_participant = scores.groupby([*keys, "replicate", "participant_id"], sort=False)[
        "dice"
    ].mean()
    trainings = by_participant.groupby(level=[*keys, "replicate"], sort=False).mean()
    table = trainings.groupby(level=keys, sort=False).agg(["size", "mean", "std", "min", "max"])
    table.columns = ["trainings", "dice_mean", "dice_sd", "dice_min", "dice_max"]
    return table.reset_index()


@dataclass(frozen=True)
class Comparison:
    """One model minus a specific model on one test set, by Dice, paired by subject.

    `family`: the kind of `model` (general, size-matched, leave-one-out). `best_specific`: of those it is
    compared with, the one with the highest mean there, chosen on the test set, which favours it.
    `low` and `high`: 95 % bootstrap interval (BCa) of the mean difference. `p_wilcoxon`: two-sided;
    `p_holm`: adjusted over the family. `effect_dz`: mean difference over its standard deviation.
    `p_equivalence`: of two one-sided t-tests within the margin, where the specific model is at home;
    `p_equivalence_holm`: adjusted over those of the family. `detectable`: the difference that one paired
    t-test, unadjusted, would find at this n and spread with a power of 80 %. `retraining_sd`: the larger
    standard deviation of the two models over replicates.
    """

    family: str
    model: str
    testset: str
    specific: str
    best_specific: bool
    at_home: bool
    subjects: int
    model_mean: float
    specific_mean: float
    difference: float
    low: float
    high: float
    p_wilcoxon: float
    p_holm: float
    effect_dz: float
    p_equivalence: float
    p_equivalence_holm: float
    detectable: float
    retraining_sd: float


def hypotheses(judging: Settings) -> Iterator[tuple[str, str, str, list[str]]]:
    """Family, model, test set and the specific models that it is compared with there."""
    for model in judging.of_kind("general", "size-matched", "leave-one-out"):
        for dataset in judging.datasets:
            if model.kind != "leave-one-out":
                yield model.kind, model.name, dataset.name, judging.specifics
            elif dataset.name == model.without:
                blind = [
                    one.name
                    for one in judging.of_kind("specific")
                    if dataset.name not in one.learns_from
                ]
                yield model.kind, model.name, dataset.name, blind


def compare_models(scores: pd.DataFrame, judging: Settings) -> pd.DataFrame:
    """All comparisons, a row each; empty without a specific model. Scores of the first training count."""
    means = subject_means(scores[scores["replicate"] == 1])
    retraining = spread(scores).set_index(["model", "testset"])["dice_sd"]
    rows = []
    for family, model, testset, specifics in hypotheses(judging):
        if testset not in means.index.get_level_values("testset"):
            continue
        table = means.loc[testset]
        best = table[specifics].mean().idxmax() if specifics else ""
        for specific in specifics:
            sds = [float(retraining.get((one, testset), np.nan)) for one in (model, specific)]
            rows.append(
                _compare(
                    (family, model, testset, specific),
                    table,
                    judging,
                    best=specific == best,
                    retraining_sd=max(sds) if not np.isnan(sds).any() else np.nan,
                )
            )
    found = pd.DataFrame(rows, columns=[field.name for field in fields(Comparison)])
    for _, family in found.groupby("family"):
        for p, adjusted in (("p_wilcoxon", "p_holm"), ("p_equivalence", "p_equivalence_holm")):
            tested = family[p].dropna()
            found.loc[tested.index, adjusted] = holm(tested.to_numpy())
    return found


def _compare(
    names: tuple[str, str, str, str],
    table: pd.DataFrame,
    judging: Settings,
    *,
    best: bool,
    retraining_sd: float,
) -> Comparison:
    family, model, testset, specific = names
    difference = (table[model] - table[specific]).to_numpy()
    low, high = interval(difference, resamples=judging.resamples, seed=judging.seed)
    n, sd = len(difference), difference.std(ddof=1) if len(difference) > 1 else np.nan
    home = any(testset in one.learns_from for one in judging.models if one.name == specific)
    return Comparison(
        family=family,
        model=model,
        testset=testset,
        specific=specific,
        best_specific=bool(best),
        at_home=home,
        subjects=n,
        model_mean=float(table[model].mean()),
        specific_mean=float(table[specific].mean()),
        difference=float(difference.mean()),
        low=low,
        high=high,
        p_wilcoxon=wilcoxon(difference),
        p_holm=np.nan,
        effect_dz=float(difference.mean() / sd) if sd and sd > 0 else np.nan,
        p_equivalence=equivalence(difference, judging.margin) if home else np.nan,
        p_equivalence_holm=np.nan,
        detectable=detectable(n, sd),
        retraining_sd=retraining_sd,
    )


@dataclass(frozen=True)
class Stratum:
    """The general model minus one specific model among the cases of one kind of a test set.

    `stratum` is a column of cases.tsv, or `reference`: there `not made by a model` are the cases
    whose reference mask is a person's work or of unknown origin, told where some are not.
    """

    testset: str
    stratum: str
    value: str
    specific: str
    subjects: int
    cases: int
    general_mean: float
    specific_mean: float
    difference: float
    low: float
    high: float


def strata(scores: pd.DataFrame, judging: Settings) -> pd.DataFrame:
    """The general model against each specific one by contrast, vendor, pathology and label origin, over
    subjects, with an interval of the mean difference and no p-value: these are for looking."""
    first = scores[scores["replicate"] == 1]
    rows = []
    for testset, here in first.groupby("testset", sort=False):
        for stratum, value, cases in _strata_of(here):
            means = subject_means(cases).loc[testset]
            for specific in judging.specifics:
                difference = (means[judging.general] - means[specific]).to_numpy()
                rows.append(
                    Stratum(
                        str(testset),
                        stratum,
                        value,
                        specific,
                        len(means),
                        int((cases["model"] == judging.general).sum()),
                        float(means[judging.general].mean()),
                        float(means[specific].mean()),
                        float(difference.mean()),
                        *interval(difference, resamples=judging.resamples, seed=judging.seed),
                    )
                )
    return pd.DataFrame(rows, columns=[field.name for field in fields(Stratum)])


def _strata_of(scores: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The strata of one test set: name, value, rows."""
    for stratum in STRATA:
        for value, rows in scores.groupby(stratum, sort=True):
            yield stratum, str(value), rows
    made = scores["label_origin"] == "model"
    if made.any() and not made.all():
        yield "reference", "not made by a model", scores[~made]


def interval(difference: np.ndarray, *, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of a mean by BCa bootstrap over subjects, expanded for their number; nan for fewer than
    `FEWEST`, and the mean itself where all agree. Source: Efron 1987, scipy.stats.bootstrap."""
    if len(difference) < FEWEST:
        return np.nan, np.nan
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    rng = np.random.default_rng(seed)
    level = expanded_level(len(difference))
    found = stats.bootstrap(
        (difference,), np.mean, n_resamples=resamples, method="BCa", confidence_level=level, rng=rng
    ).confidence_interval
    return float(found.low), float(found.high)


def expanded_level(n: int) -> float:
    """The level whose percentiles make a 95 % interval of n subjects, as a bootstrap of few is too narrow: where
    differences are normal, it is as wide as Student's. Source: Hesterberg 2014, arXiv:1411.5279; R's resample."""
    return float(1 - 2 * stats.norm.cdf(stats.t.ppf(ALPHA / 2, n - 1) * math.sqrt(n / (n - 1))))


def wilcoxon(difference: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; exact for few subjects without ties; 1 where all are 0."""
    if not np.any(difference):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on ties it says that it is not exact
        return float(stats.wilcoxon(difference).pvalue)


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values of a family; none of none. Source: Holm 1979, statsmodels."""
    return multipletests(p, alpha=ALPHA, method="holm")[1] if len(p) else np.zeros(0)


def equivalence(difference: np.ndarray, margin: float) -> float:
    """p of two one-sided paired t-tests that the mean lies within ± margin; nan for fewer than three
    or where all agree. Source: Schuirmann 1987, statsmodels."""
    if len(difference) < 3 or np.ptp(difference) == 0:
        return np.nan
    return float(DescrStatsW(difference).ttost_mean(-margin, margin)[0])


def detectable(n: int, sd: float) -> float:
    """The mean difference that a two-sided paired t-test at 5 % finds with a power of 80 %."""
    if n < 3 or not sd > 0:
        return np.nan
    return float(TTestPower().solve_power(nobs=n, alpha=ALPHA, power=POWER) * sd)


@click.command("compare")
@click.argument("cases", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--judging",
    "parameters",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="What the models are, and the settings.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
def command(cases: Path, parameters: Path, out: Path) -> None:
    """Summarise and compare the models of the table CASES: summary, comparisons, strata, replicates."""
    scores, judging = read_scores(cases), read_settings(parameters)
    if lacking := {
        "model",
        "replicate",
        "testset",
        "case_id",
        "participant_id",
        *MEASURES,
        *STRATA,
    } - {*scores}:
        raise StudyError(f"{cases}: no column {min(lacking)!r}", hint="code/study run evaluate")
    tables = {
        "summary": summarise(scores),
        "comparisons": compare_models(scores, judging),
        "strata": strata(scores, judging),
        "replicates": spread(scores),
    }
    for name, table in tables.items():
        write_table(out / f"{name}.tsv", list(table.columns), table.itertuples(index=False))
