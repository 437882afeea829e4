"""`audit --leakage`: whether the training sides of a study and its test sets share anything.

Owns: which sides are compared, and the table.
Does not own: comparing them (`pipeline.judging.leakage`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import ROOT
from cordstudy.cli.saying import say
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of

if TYPE_CHECKING:
    from cordstudy.pipeline.judging.leakage import Shared

HEADER = ("model", "against", "trained on", "held out", "in common")


def ask_leakage(name: str) -> None:
    """Print what the sides of a study share; raises StudyError where they share anything."""
    from cordstudy.pipeline.judging.leakage import Side, compare_all, verdicts

    study = load_study(ROOT, name)
    layout = Layout(study)
    datasets = [ROOT / layout.raw(dataset) for dataset in study.datasets]
    sides = []
    for model in models_of(study).values():
        training_set, folder = ROOT / layout.training_set(model), ROOT / layout.model(model)
        sides.append(Side(model.name, training_set, folder))
    _check_there(folder / "cases.tsv" for folder in datasets)
    _check_there(side.folder / "splits_final.json" for side in sides)
    found = verdicts(compare_all(sides, datasets))
    print_columns([_row(verdict) for verdict in found], header=HEADER, right={2, 3})
    hits = sum(bool(verdict.hits) for verdict in found)
    if hits:
        message = f"{hits} of {len(found)} comparisons found something on both sides"
        raise StudyError(message, hint="see the lines above")
    say(f"\n{len(found)} comparisons by subject, session, keys and voxels: nothing in common")


def _row(verdict: Shared) -> tuple[str, ...]:
    against = verdict.against
    if verdict.fold != "n/a":
        against += f", fold {verdict.fold}"
    common = inline("; ".join(verdict.hits)) or "nothing"
    counts = str(verdict.n_train), str(verdict.n_against)
    return (inline(verdict.model), inline(against), *counts, common)


def _check_there(paths: Iterable[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise StudyError(f"there is no {path.relative_to(ROOT)}", hint="code/study run leakage")
