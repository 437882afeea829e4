"""The page that people read: the answer, the tables and figures behind it, the worst cases.

Owns: what stands on one self-contained HTML page, the same bytes each time.
Does not own: any number on it (`evaluate`, `compare`, `leakage`), the words of the answer (`answer`), or
how a figure is drawn (`figures`, `viewer`).

A number links to the command that tells how it was made, from the root of the study.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import jinja2
import pandas as pd
from markupsafe import Markup

from cordstudy.base.machine import progress
from cordstudy.base.tables import read_table, write_file
from cordstudy.pipeline.judging.answer import answer, deciding, grouped
from cordstudy.pipeline.judging.compare import read_scores, subject_means
from cordstudy.pipeline.judging.leakage import read_comparisons, verdicts
from cordstudy.pipeline.judging.settings import Settings, read_settings
from cordstudy.pipeline.report.figures import (
    OUTLINES,
    Case,
    dice_by_model,
    forest,
    overlay,
    paired,
    read_case,
    slice_through,
)
from cordstudy.pipeline.report.viewer import centre_mm, niivue, volumes

WORST = 2
"""Cases of each test set that are shown, those with the lowest Dice of the general model."""


@dataclass(frozen=True)
class Tables:
    """What `evaluate`, `compare` and `leakage` wrote, in one folder, as the step was told of it."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where a table lies."""
        return self.folder / f"{name}.tsv"

    def read(self, name: str) -> pd.DataFrame:
        """A table of figures."""
        return read_scores(self.path(name))


class Trail:
    """Links of numbers to the command that tells how each was made; collects what it was asked for."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.commands: dict[str, str] = {}

    def __call__(self, text: object, table: str, **key: object) -> Markup:
        """A link with `text` to the row of `table` that `key` selects."""
        selector = ",".join(f"{column}={value}" for column, value in key.items())
        anchor = "how-" + "-".join([table, *map(str, key.values())]).replace(" ", "_")
        self.commands[anchor] = (
            f"code/study audit {shlex.quote(f'{self.tables.path(table)}:{selector}')}"
        )
        return Markup('<a href="#{}">{}</a>').format(anchor, text)


@dataclass(frozen=True)
class Shown:
    """One case on the page, with its measures for the general and the best specific model."""

    case_id: str
    testset: str
    specific: str
    dice: Mapping[str, float]
    """By model."""
    row: Mapping[str, object]
    case: Case


def shown_case(
    rows: pd.DataFrame, folders: Mapping[str, Path], *, general: str, specific: str
) -> Shown:
    """Read a case with its masks. `rows` are those of cases.tsv about it, `folders` its images, references
    and predictions by model."""
    row = rows[rows["model"] == general].iloc[0]
    name = f"{row['case_id']}.nii.gz"
    masks = {"reference": folders["reference"] / name, "general": folders[general] / name}
    if specific:
        masks["specific"] = folders[specific] / name
    dice = {
        one: float(rows[rows["model"] == one]["dice"].iloc[0]) for one in (general, specific) if one
    }
    case = read_case(folders["images"] / f"{row['case_id']}_0000.nii.gz", masks)
    return Shown(row["case_id"], row["testset"], specific, dice, row.to_dict(), case)


def folders_of(
    testset: str, datasets: Sequence[Path], predictions: Sequence[Path]
) -> dict[str, Path]:
    """Images, references and each model's masks of one test set."""
    raw = next(folder for folder in datasets if folder.name.partition("_")[2] == testset)
    found = {"images": raw / "imagesTs", "reference": raw / "labelsTs"}
    return found | {folder.name: folder / testset for folder in predictions}


def chosen(scores: pd.DataFrame, general: str) -> tuple[list[str], list[str]]:
    """The cases with the lowest Dice of the general model, some of each test set and lowest first; and of
    each test set the one in the middle, neither the best nor the worst to show."""
    own = scores[scores["model"] == general].sort_values(["dice", "case_id"])
    worst = own.groupby("testset", sort=False).head(WORST)["case_id"].tolist()
    middle = [
        rows["case_id"].iloc[len(rows) // 2] for _, rows in own.groupby("testset", sort=False)
    ]
    return worst, middle


def by_model(summary: pd.DataFrame) -> dict[tuple[str, str], Mapping[str, object]]:
    """Rows of the summary by model and test set."""
    return {(row["model"], row["testset"]): row for row in summary.to_dict("records")}


def published_beside(
    rows: Sequence[Mapping[str, str]], judging: Settings
) -> list[Mapping[str, str]]:
    """The published figures of the datasets that this study has too: those of the same path and model."""
    here = {dataset.path: dataset.name for dataset in judging.datasets}
    models = {model.name for model in judging.models}
    return [
        {**row, "testset": here[row["path"]]}
        for row in rows
        if row["path"] in here and row["model"] in models
    ]


def telling_strata(strata: pd.DataFrame, best: Mapping[str, str]) -> pd.DataFrame:
    """The strata against the best specific model, but those that all cases of a test set share."""
    rows = strata[strata["testset"].map(best) == strata["specific"]]
    kinds = rows.groupby(["testset", "stratum"])["value"].transform("nunique")
    return rows[(kinds > 1) | (rows["stratum"] == "reference")]


def number(value: float, form: str = ".3f", *, none: str = "") -> str:
    """A number as text; `none` where there is none."""
    return (
        none
        if isinstance(value, float) and math.isnan(value)
        else format(value, form).replace("-", "−")
    )


def fairness_notes(judging: Settings) -> list[str]:
    """What was done so that the comparison is of data and nothing else; and what was not."""
    told = []
    epochs = defaultdict(list)
    for model in judging.models:
        epochs[model.epochs].append(model.name)
    if len(epochs) == 1:
        told.append(f"Equal training length: {next(iter(epochs))} epochs for every model.")
    else:
        parts = "; ".join(f"{count} epochs: {', '.join(names)}" for count, names in epochs.items())
        told.append(f"Not equal in training length: {parts}.")
    shared = [model for model in judging.models if model.plans_of == judging.general]
    if len(shared) > 1:
        told.append(
            f"Shared plans: {len(shared)} models have network, patch and spacing of {judging.general}'s plans."
        )
    else:
        told.append("Plans per model: each has those that nnU-Net makes of its own training data.")
    if balanced := [model.name for model in judging.models if model.balanced]:
        told.append(
            f"Balanced sampling: every dataset has the same chance in a batch of {', '.join(balanced)}."
        )
    else:
        told.append(
            "Sampling by case: a dataset with more images is drawn more often in a merged training set."
        )
    for model in judging.of_kind("size-matched"):
        told.append(
            f"{model.name}: a general model of as many training images as the largest specific model has."
        )
    if left := judging.of_kind("leave-one-out"):
        told.append(
            f"Leave one dataset out: {len(left)} general models, planned and trained without the dataset "
            "that they are judged on."
        )
    return told


def write_report(
    tables: Tables,
    judging: Settings,
    published: Path,
    *,
    datasets: Sequence[Path],
    predictions: Sequence[Path],
    out: Path,
) -> None:
    """Write the page to `out`."""
    scores = tables.read("cases")
    scores = scores[scores["replicate"] == 1]
    comparisons = tables.read("comparisons")
    family = comparisons[comparisons["family"] == "general"]
    best = {row.testset: row.specific for row in family.itertuples() if row.best_specific}
    worst, middle = chosen(scores, judging.general)

    def show(case_id: str) -> Shown:
        rows = scores[scores["case_id"] == case_id]
        testset = rows["testset"].iloc[0]
        folders = folders_of(testset, datasets, predictions)
        return shown_case(rows, folders, general=judging.general, specific=best.get(testset, ""))

    cases = [
        (item, overlay(item.case), volumes(item.case))
        for item in map(show, progress(worst, total=len(worst), what="worst cases"))
    ]
    through = [
        (item, overlay(item.case), slice_through(item.case))
        for item in map(show, progress(middle, total=len(middle), what="slices"))
    ]
    means = subject_means(scores)
    plots = {
        name: (
            dice_by_model(means.loc[name]),
            paired(
                means.loc[name], family[family["testset"] == name], judging.general, judging.margin
            )
            if best
            else "",
        )
        for name in dict.fromkeys(scores["testset"])
    }
    trail, summary = Trail(tables), tables.read("summary")
    page = template().render(
        judging=judging,
        answer=answer(comparisons, judging),
        fairness=fairness_notes(judging),
        trail=trail,
        number=number,
        grouped=grouped,
        isnan=math.isnan,
        centre_mm=centre_mm,
        outlines=OUTLINES,
        summary=by_model(summary),
        highest=summary.groupby("testset")["dice"].max(),
        sets=list(plots),
        plots=plots,
        families=dict(list(comparisons.groupby("family"))),
        best=best,
        forest=forest(deciding(family, judging), judging.unseen, judging.margin),
        strata=telling_strata(tables.read("strata"), best),
        replicates=tables.read("replicates"),
        cases=cases,
        through=through,
        niivue=niivue(),
        leakage=verdicts(read_comparisons(tables.path("leakage"))),
        published=published_beside(read_table(published, "path", "model", "dice"), judging),
        made_by_models=int(
            (scores[scores["model"] == judging.general]["label_origin"] == "model").sum()
        ),
    )
    write_file(out, page)


def template() -> jinja2.Template:
    """The page's template; style and script stand beside it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["include_raw"] = lambda name: Markup(
        Path(__file__).with_name(name).read_text("utf-8")
    )
    environment.filters["raw"] = Markup
    return environment.get_template("report.html.j2")


@click.command("report")
@click.argument("tables", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--judging",
    "parameters",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="What the models are, and the settings.",
)
@click.option(
    "--published",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Table of published figures, by the path of a dataset.",
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="nnU-Net raw dataset with a test part; repeatable.",
)
@click.option(
    "--predictions",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Folder of one model's masks; repeatable.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Page to write.")
def command(tables, parameters, published, datasets, predictions, out) -> None:
    """Write the page about the tables in the folder TABLES."""
    judging = read_settings(parameters)
    write_report(
        Tables(tables), judging, published, datasets=datasets, predictions=predictions, out=out
    )
