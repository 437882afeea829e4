"""The tables of judging, read for the page.

Owns: which tables a page is made of, and what of them is looked up by name.
Does not own: what stands in them (`evaluate`, `compare`, `leakage`).
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from cordstudy.pipeline.judging.ablation import Ablation, read_ablations
from cordstudy.pipeline.judging.agreement import Agreement, read_agreements
from cordstudy.pipeline.judging.comparisons import Comparison, of_family, read_comparisons
from cordstudy.pipeline.judging.leakage import Shared, read_overlaps, verdicts
from cordstudy.pipeline.judging.rows import grouped_by
from cordstudy.pipeline.judging.scores import (
    Spread,
    Summary,
    first_training,
    read_scores,
    read_spreads,
    read_summaries,
)
from cordstudy.pipeline.judging.sizes import Size, by_model, read_sizes
from cordstudy.pipeline.judging.strata import REFERENCE, Stratum, read_strata


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate`, `compare` and `leakage` wrote, in one folder, as the step was told of it."""

    folder: Path
    scores: pd.DataFrame
    """The cases, by the first training of each model."""
    summaries: Mapping[tuple[str, str], Summary]
    """By model and test set."""
    comparisons: Sequence[Comparison]
    strata: Sequence[Stratum]
    spreads: Sequence[Spread]
    agreements: Sequence[Agreement]
    ablations: Sequence[Ablation]
    leakage: Sequence[Shared]
    sizes: Mapping[str, Size]
    """Of training sets, by model; of those that `compare` was told of."""

    @cached_property
    def testsets(self) -> list[str]:
        """Every test set, in the order of the cases."""
        return list(dict.fromkeys(self.scores["testset"]))

    @property
    def measures(self) -> Container[str]:
        """The names of the measures that the study has."""
        return next(iter(self.summaries.values())).means

    @cached_property
    def best_specific(self) -> dict[str, str]:
        """The specific model with the highest mean on each test set, where there are any."""
        general = of_family(self.comparisons, "general")
        return {row.testset: row.specific for row in general if row.best_specific}

    def summary(self, model: str, testset: str) -> Summary:
        """One model on one test set."""
        return self.summaries[model, testset]

    def highest_dice(self, testset: str) -> float:
        """That of the best model on a test set."""
        rows = [row for row in self.summaries.values() if row.testset == testset]
        return max(row.means["dice"] for row in rows)

    def telling_strata(self) -> dict[str, list[Stratum]]:
        """By test set, the strata against the best specific model: but those that all cases of a
        test set share."""
        best = self.best_specific
        rows = [row for row in self.strata if best.get(row.testset) == row.specific]
        telling: list[Stratum] = []
        for alike in grouped_by(rows, lambda row: (row.testset, row.stratum)).values():
            values = {row.value for row in alike}
            if len(values) > 1 or alike[0].stratum == REFERENCE:
                telling += alike
        return grouped_by(telling, lambda row: row.testset)


def read_evaluation(folder: Path) -> Evaluation:
    """Read the tables of a folder. Raises StudyError for one that is none."""
    scores = first_training(read_scores(folder / "cases.tsv"))
    summaries = read_summaries(folder / "summary.tsv")
    agreement = folder / "agreement.tsv"  # not of a structure without cross-sections
    return Evaluation(
        folder=folder,
        scores=scores,
        summaries={(row.model, row.testset): row for row in summaries},
        comparisons=read_comparisons(folder / "comparisons.tsv"),
        strata=read_strata(folder / "strata.tsv"),
        spreads=read_spreads(folder / "replicates.tsv"),
        agreements=read_agreements(agreement) if os.path.lexists(agreement) else (),
        ablations=read_ablations(folder / "components.tsv"),
        leakage=verdicts(read_overlaps(folder / "leakage.tsv")),
        sizes=by_model(read_sizes(folder / "sizes.tsv")),
    )
