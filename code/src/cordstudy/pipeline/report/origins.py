"""Where each number on the page comes from: the row of a table, and the command that tells of it.

Owns: how a row is named, to people and to `code/study audit`.
Does not own: the page (`page`), or the answer of that command (`provenance.audit`).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from cordstudy.pipeline.judging.ablation import Ablation
from cordstudy.pipeline.judging.agreement import Agreement
from cordstudy.pipeline.judging.comparisons import Comparison
from cordstudy.pipeline.judging.leakage import Shared
from cordstudy.pipeline.judging.scores import Spread
from cordstudy.pipeline.judging.strata import Stratum


@dataclass(frozen=True)
class Origin:
    """A row of a table, by the values that tell it from others."""

    table: str
    key: tuple[tuple[str, str], ...]
    """Columns and their values."""

    @property
    def told(self) -> str:
        """The row in words."""
        return ", ".join(f"{column} = {value}" for column, value in self.key)

    def command(self, study: str, folder: Path) -> str:
        """What tells how the row was made, from the root of the repository; `folder` has the
        table."""
        selector = ",".join(f"{column}={value}" for column, value in self.key)
        row = f"{folder / self.table}.tsv:{selector}"
        return f"code/study --study {study} audit {shlex.quote(row)}"


def _row(table: str, **key: object) -> Origin:
    return Origin(table, tuple((column, str(value)) for column, value in key.items()))


def of_summary(model: str, testset: str) -> Origin:
    """A row of summary.tsv."""
    return _row("summary", model=model, testset=testset)


def of_ablation(row: Ablation) -> Origin:
    """A row of components.tsv."""
    return _row("components", model=row.model, testset=row.testset)


def of_comparison(row: Comparison) -> Origin:
    """A row of comparisons.tsv."""
    return _row(
        "comparisons",
        family=row.family,
        model=row.model,
        testset=row.testset,
        specific=row.specific,
    )


def of_stratum(row: Stratum) -> Origin:
    """A row of strata.tsv."""
    return _row(
        "strata",
        testset=row.testset,
        stratum=row.stratum,
        value=row.value,
        specific=row.specific,
    )


def of_spread(row: Spread) -> Origin:
    """A row of replicates.tsv."""
    return _row("replicates", model=row.model, testset=row.testset)


def of_agreement(row: Agreement) -> Origin:
    """A row of agreement.tsv."""
    return _row("agreement", model=row.model, testset=row.testset)


def of_case(case_id: str, model: str) -> Origin:
    """A row of cases.tsv, of the first training."""
    return _row("cases", case_id=case_id, model=model, replicate=1)


def of_sides(row: Shared) -> Origin:
    """The rows of leakage.tsv about two sides."""
    return _row("leakage", model=row.model, fold=row.fold, against=row.against)


def of_flow(dataset: str) -> Origin:
    """The rows of flow.tsv about a source."""
    return _row("flow", dataset=dataset)


def of_cohort(dataset: str, part: str) -> Origin:
    """The rows of cohort.tsv about a part of a source."""
    return _row("cohort", dataset=dataset, part=part)


def of_references(dataset: str, part: str) -> Origin:
    """The rows of references.tsv about a part of a source."""
    return _row("references", dataset=dataset, part=part)
