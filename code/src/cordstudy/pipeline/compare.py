"""Whether the general model is better: paired comparisons, intervals, strata, the spread of retraining.

Owns: the statistics over cases.tsv and their tables.
Does not own: the measures of a case (`metrics`, `evaluate`).

The unit is the subject: the cases of one are averaged first. The declared family of hypotheses is
general against each specific model on each test set, by Dice; its p-values are Holm's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from cordstudy.pipeline.tables import write_table

MEASURES = ["dice", "iou", "nsd", "hd95_mm", "assd_mm", "relative_volume_error", "csa_error_mm2"]
STRATA = ["contrast", "vendor", "pathology", "label_origin"]
ALPHA, POWER = 0.05, 0.8


@dataclass(frozen=True)
class Settings:
    """How to compare: margin of equivalence (Dice), bootstrap samples and their seed."""

    margin: float
    resamples: int
    seed: int


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
    by_participant = scores.groupby([*keys, "replicate", "participant_id"], sort=False)["dice"].mean()
    trainings = by_participant.groupby(level=[*keys, "replicate"], sort=False).mean()
    table = trainings.groupby(level=keys, sort=False).agg(["size", "mean", "std", "min", "max"])
    table.columns = ["trainings", "dice_mean", "dice_sd", "dice_min", "dice_max"]
    return table.reset_index()


def strata(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice by model, test set and one of contrast, vendor, pathology, label origin, over subjects."""
    first = scores[scores["replicate"] == 1]
    parts = []
    for stratum in STRATA:
        keys = ["model", "testset", stratum]
        by_participant = first.groupby([*keys, "participant_id"], sort=False, dropna=False)["dice"].mean()
        table = by_participant.groupby(level=keys, sort=False, dropna=False).agg(["size", "mean"]).reset_index()
        table.columns = ["model", "testset", "value", "participants", "dice"]
        table.insert(2, "stratum", stratum)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Comparison:
    """General minus one specific model on one test set, by Dice, paired by subject.

    `low` and `high`: 95 % bootstrap interval (BCa) of the mean difference. `p_wilcoxon`: two-sided;
    `p_holm`: adjusted over the family. `effect_dz`: mean difference over its standard deviation.
    `p_equivalence`: of two one-sided t-tests within the margin, where the specific model is at home.
    `detectable`: the difference that a paired t-test would find at this n and spread with a power of
    80 %. `retraining_sd`: the larger standard deviation of the two models over replicates.
    """

    testset: str
    specific: str
    best_specific: bool
    at_home: bool
    subjects: int
    general_mean: float
    specific_mean: float
    difference: float
    low: float
    high: float
    p_wilcoxon: float
    p_holm: float
    effect_dz: float
    p_equivalence: float
    detectable: float
    retraining_sd: float


def compare_models(scores: pd.DataFrame, general: str, settings: Settings) -> pd.DataFrame:
    """All comparisons of the family, a row each; empty without a specific model."""
    means = subject_means(scores[scores["replicate"] == 1])
    retraining = spread(scores).set_index(["model", "testset"])["dice_sd"]
    specifics = [model for model in dict.fromkeys(scores["model"]) if model != general]
    rows = []
    for testset in dict.fromkeys(scores["testset"]):
        table = means.loc[testset]
        best = table[specifics].mean().idxmax() if specifics else ""
        for specific in specifics:
            sds = [float(retraining.get((model, testset), np.nan)) for model in (general, specific)]
            sd = max(sds) if not np.isnan(sds).any() else np.nan
            rows.append(_compare(testset, table[general], table[specific], specific == best, settings, sd))
    found = pd.DataFrame(rows, columns=[field.name for field in fields(Comparison)])
    if len(found):
        found["p_holm"] = holm(found["p_wilcoxon"].to_numpy())
    return found


def _compare(
    testset: str, general: pd.Series, specific: pd.Series, best: bool, settings: Settings, retraining_sd: float
) -> Comparison:
    difference = (general - specific).to_numpy()
    low, high = interval(difference, resamples=settings.resamples, seed=settings.seed)
    n, sd = len(difference), difference.std(ddof=1) if len(difference) > 1 else np.nan
    home = testset == specific.name
    return Comparison(
        testset=testset, specific=str(specific.name), best_specific=bool(best), at_home=home, subjects=n,
        general_mean=float(general.mean()), specific_mean=float(specific.mean()), difference=float(difference.mean()),
        low=low, high=high, p_wilcoxon=wilcoxon(difference), p_holm=np.nan,
        effect_dz=float(difference.mean() / sd) if sd and sd > 0 else np.nan,
        p_equivalence=equivalence(difference, settings.margin) if home else np.nan, detectable=detectable(n, sd),
        retraining_sd=retraining_sd,
    )  # fmt: skip


def interval(difference: np.ndarray, *, resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of a mean by BCa bootstrap over subjects; nan for fewer than three, and the mean
    itself where all agree. Source: Efron 1987, scipy.stats.bootstrap."""
    if len(difference) < 3:
        return np.nan, np.nan
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    rng = np.random.default_rng(seed)
    found = stats.bootstrap((difference,), np.mean, n_resamples=resamples, method="BCa", rng=rng).confidence_interval
    return float(found.low), float(found.high)


def wilcoxon(difference: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; exact for few subjects without ties; 1 where all are 0."""
    if not np.any(difference):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on ties it says that it is not exact
        return float(stats.wilcoxon(difference).pvalue)


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values of a family. Source: Holm 1979, statsmodels."""
    return multipletests(p, alpha=ALPHA, method="holm")[1]


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
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables.")
@click.option("--general", required=True, help="The model that the others are compared with.")
@click.option("--margin", required=True, type=float, help="Margin of equivalence, in Dice.")
@click.option("--resamples", required=True, type=int, help="Samples of each bootstrap.")
@click.option("--seed", required=True, type=int, help="Seed of the bootstrap.")
def command(cases: Path, out: Path, general: str, margin: float, resamples: int, seed: int) -> None:
    """Summarise and compare the models of the table CASES: summary, comparisons, strata, replicates."""
    scores = pd.read_csv(cases, sep="\t", keep_default_na=False, na_values=["nan"])
    tables = {
        "summary": summarise(scores), "comparisons": compare_models(scores, general, Settings(margin, resamples, seed)),
        "strata": strata(scores), "replicates": spread(scores),
    }  # fmt: skip
    for name, table in tables.items():
        write_table(out / f"{name}.tsv", list(table.columns), table.itertuples(index=False))
