"""The page that people read: the answer, the tables and figures behind it, the worst cases.

Owns: what stands on one self-contained HTML page, and its rendering: the same bytes each time.
Does not own: any number on it (`evaluation`), the words of the answer (`judging.answer`), or how a
figure is drawn (`figures`, `pictures`, `viewer`).

A number opens the command that tells how it was made, from the root of the repository. The template
(page.html.j2) only lays out: what it needs is a property of `Page` or stands in `_environment`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import jinja2
from markupsafe import Markup

from cordstudy.pipeline.judging.agreement import Agreement
from cordstudy.pipeline.judging.answer import Answer, answer, deciding, grouped
from cordstudy.pipeline.judging.cohort import Cohort
from cordstudy.pipeline.judging.comparisons import (
    EXPLORATORY,
    FAMILIES,
    SECONDARY,
    Comparison,
    of_family,
    of_role,
)
from cordstudy.pipeline.judging.comparisons import (
    PRIMARY as PRIMARY_ROLE,
)
from cordstudy.pipeline.judging.measures import PRIMARY, SUMMARISED, Measure
from cordstudy.pipeline.judging.rows import grouped_by
from cordstudy.pipeline.judging.scores import Spread, of_model, subject_means
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.stamp import NOT_SEEN, Stamp
from cordstudy.pipeline.judging.strata import Stratum
from cordstudy.pipeline.judging.telling import p_value, percent
from cordstudy.pipeline.report import origins
from cordstudy.pipeline.report.agreement_plot import agreement_plot
from cordstudy.pipeline.report.evaluation import Evaluation
from cordstudy.pipeline.report.figures import dice_bars, forest, paired
from cordstudy.pipeline.report.gallery import MiddleCase, WorstCase
from cordstudy.pipeline.report.origins import Origin
from cordstudy.pipeline.report.pictures import OUTLINES
from cordstudy.pipeline.report.sections import Published, fairness_notes
from cordstudy.pipeline.report.viewer import Viewer
from cordstudy.pipeline.report.voxels import Voxels, voxels_of
from cordstudy.pipeline.report.who import HEADINGS, STAGES, Who

FAMILY_WORDS = {
    "size-matched": (
        "The size-matched general model against each specific one of that size: with as many "
        "images, is it variety that helps?"
    ),
    "size-matched-people": (
        "The general model of as many people against each specific one of that size: with as many "
        "people, is it variety that helps?"
    ),
    "leave-one-out": (
        "General models on the dataset that each was not given, against the specific models that "
        "have not seen it either."
    ),
}
"""What the tables of the families say that stand among the notes on fairness."""


@dataclass(frozen=True)
class Page:
    """All that is on a page."""

    settings: Settings
    evaluation: Evaluation
    worst: Sequence[WorstCase]
    middle: Sequence[MiddleCase]
    published: Sequence[Published]
    unknown_makers: Sequence[str]
    """What is told of the reference masks of unknown origin."""
    niivue: Viewer
    cohort: Cohort | None = None
    """Who was studied, where that was told."""

    @cached_property
    def answer(self) -> Answer:
        """The answer to the question: none where training and test data overlap."""
        told = answer(self.evaluation.comparisons, self.settings)
        return replace(told, short=self.stamp.answer(told.short))

    @cached_property
    def stamp(self) -> Stamp:
        """What the comparisons of training and test data let be said."""
        return Stamp(self.evaluation.leakage)

    @property
    def unseen(self) -> list[str]:
        """The test sets that no model learned from: by the study, and by the comparisons."""
        return [name for name in self.settings.unseen if name not in self.stamp.overlapping]

    @cached_property
    def who(self) -> Who | None:
        """The section about who was studied."""
        return Who(self.cohort, self.settings) if self.cohort else None

    @property
    def fairness(self) -> list[str]:
        """Notes on it."""
        return fairness_notes(self.settings, self.evaluation.sizes)

    @property
    def higher_baselines(self) -> list[str]:
        """The baselines whose mean Dice is above the general model's, and where: a phrase each."""
        phrases = []
        for model in self.settings.of_kind("baseline"):
            gains = {}
            for dataset in self.settings.datasets:
                ours, theirs = (
                    self.evaluation.summary(name, dataset.name).means["dice"]
                    for name in (self.settings.general, model.name)
                )
                if theirs > ours:
                    gains[dataset.name] = theirs - ours
            if gains:
                told = ", ".join(f"{name} (by {gain:.3f})" for name, gain in gains.items())
                phrases.append(f"{model.name} on {told}")
        return phrases

    @cached_property
    def families(self) -> dict[str, list[Comparison]]:
        """The comparisons by family, of those that there are."""
        rows = self.evaluation.comparisons
        return {family: of_family(rows, family) for family in FAMILIES if of_family(rows, family)}

    @property
    def primary(self) -> list[Comparison]:
        """The comparisons that the question is answered by."""
        return of_role(self.evaluation.comparisons, PRIMARY_ROLE)

    @property
    def secondary(self) -> list[Comparison]:
        """Those on the specific models' own ground."""
        return of_role(self.evaluation.comparisons, SECONDARY)

    @property
    def deciding(self) -> list[Comparison]:
        """Both."""
        return deciding(self.evaluation.comparisons)

    @property
    def exploratory(self) -> list[Comparison]:
        """The other comparisons of the general model."""
        return of_role(self.families.get("general", []), EXPLORATORY)

    @property
    def retrained(self) -> list[Spread]:
        """The spread of the models that were trained more than once."""
        return [row for row in self.evaluation.spreads if row.trainings > 1]

    @property
    def synthetic(self) -> bool:
        """Whether some of the datasets are phantoms."""
        return any(dataset.phantom for dataset in self.settings.datasets)

    @property
    def other_measures(self) -> list[Measure]:
        """The measures that are told of the general model alone."""
        there = self.evaluation.measures
        return [kind for kind in SUMMARISED if kind.name in there and kind.name != PRIMARY]

    @property
    def voxels(self) -> list[Voxels]:
        """The sides of voxels of each test set, beside the tolerance of the surface Dice."""
        cases = of_model(self.evaluation.scores, self.settings.general)
        return voxels_of(cases, self.evaluation.testsets, self.settings.nsd_tolerance_mm)

    @property
    def agreements(self) -> list[Agreement]:
        """How the general model's areas agree with the references', by test set."""
        rows = self.evaluation.agreements
        return [row for row in rows if row.model == self.settings.general]

    def agreement_plot(self, row: Agreement) -> str:
        """The plot of it."""
        cases = of_model(self.evaluation.scores, row.model)
        title = f"Errors of areas by {row.model} on {row.testset}, by image"
        return agreement_plot(cases[cases["testset"] == row.testset], row, title)

    @property
    def made_by_models(self) -> int:
        """How many reference masks of test cases a model made."""
        cases = of_model(self.evaluation.scores, self.settings.general)
        return int((cases["label_origin"] == "model").sum())

    @cached_property
    def strata(self) -> dict[str, list[Stratum]]:
        """By test set, the strata that tell something."""
        return self.evaluation.telling_strata()

    @property
    def forest(self) -> str:
        """The plot of the differences that the answer rests on."""
        title = (
            f"Mean Dice of {self.settings.general} minus that of the best specific model (unseen "
            "data) or the model trained there, with intervals, by test set"
        )
        return forest(self.deciding, self.settings.margin, title)

    @property
    def middle_unseen(self) -> list[MiddleCase]:
        """The cases in the middle of the test sets that no model has seen."""
        return [one for one in self.middle if one.case.testset in self.unseen]

    @property
    def middle_elsewhere(self) -> list[MiddleCase]:
        """Those of the others."""
        return [one for one in self.middle if one.case.testset not in self.unseen]

    @cached_property
    def bars(self) -> dict[str, str]:
        """By test set, the plot of the mean Dice of each model."""
        means = subject_means(self.evaluation.scores)
        general, best = self.settings.general, self.evaluation.best_specific
        plots = {}
        for testset in self.evaluation.testsets:
            title = f"Mean Dice on {testset}, by model"
            plots[testset] = dice_bars(means.loc[testset], general, best.get(testset, ""), title)
        return plots

    @cached_property
    def pairs(self) -> dict[str, str]:
        """By test set, the plot of the differences of all participants; none where there are no
        specific models."""
        means = subject_means(self.evaluation.scores)
        general, margin = self.settings.general, self.settings.margin
        plots = {}
        for testset, rows in by_testset(self.families.get("general", [])).items():
            title = f"Dice of {general} minus that of each specific model on {testset}"
            plots[testset] = paired(means.loc[testset], rows, general, margin, title)
        return plots


def number(value: float, form: str = ".3f") -> str:
    """A number as text, with a true minus sign; none where there is none."""
    return "" if math.isnan(value) else format(value, form).replace("-", "−")


def interval(low: float, high: float) -> str:
    """The interval of a difference, in words."""
    if math.isnan(low):
        return "too few"
    return f"{number(low, '+.3f')} to {number(high, '+.3f')}"


def bracketed(low: float, high: float) -> str:
    """An interval behind its number; none where there is none."""
    if math.isnan(low):
        return ""
    return f" ({number(low, '+.1f')} to {number(high, '+.1f')})"


def by_testset(rows: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Rows of one test set together."""
    return grouped_by(rows, lambda row: row.testset)


def render(page: Page) -> str:
    """The page as HTML."""
    return _environment(page).get_template("page.html.j2").render(page=page)


def _environment(page: Page) -> jinja2.Environment:
    """What the template may use; style and script stand beside it."""

    def link(text: object, origin: Origin) -> Markup:
        """A text that opens the command which tells how it was made."""
        command = origin.command(page.settings.study, page.evaluation.folder)
        return Markup('<a href="#how" data-how="{}">{}</a>').format(command, text)

    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["raw"] = Markup
    environment.globals |= {
        "include_raw": lambda name: Markup((folder / name).read_text("utf-8")),
        "number": number,
        "interval": interval,
        "bracketed": bracketed,
        "p_value": p_value,
        "percent": percent,
        "link": link,
        "origins": origins,
        "grouped": grouped,
        "by_testset": by_testset,
        "isnan": math.isnan,
        "outlines": OUTLINES,
        "family_words": FAMILY_WORDS,
        "not_seen": NOT_SEEN,
        "headings": HEADINGS,
        "stages": STAGES,
    }
    return environment
