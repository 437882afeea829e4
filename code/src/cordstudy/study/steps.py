"""A study as a table of steps, in an order in which they can run.

Owns: that order, and the command, inputs and outputs of every step, rendered from a study's values
alone; those of a model are in `learning_steps` and `release_step`.
Does not own: the files of its code (`closure`), running them (`provenance.running`), or what they
do (`pipeline`).
"""

from __future__ import annotations

from pathlib import Path

from cordstudy.study.closure import notebook_files
from cordstudy.study.declaring import RAW_TEST, RAW_TRAIN, below, declared, repeated
from cordstudy.study.layout import Layout
from cordstudy.study.learning_steps import plan, predict, train, validate
from cordstudy.study.models import (
    Model,
    models_of,
    planned_by,
    trainings,
    untrained_models,
)
from cordstudy.study.release_step import packages, unpacks
from cordstudy.study.schema import Dataset, Study
from cordstudy.study.source_files import participant_files, source_files
from cordstudy.study.step import Step

PHANTOM_SEED = 2023
PUBLISHED = "code/studies/published.tsv"
"""What the first study of this question found, by source dataset and model."""
NOTEBOOK = "code/notebooks/results.ipynb"
MATCHED = {"size-matched": "images", "size-matched-people": "people"}
"""What a size-matched model has as many of as the largest of its datasets."""
UNDIVIDED: tuple[object, ...] = ("--seed", 0, "--test-fraction", 0.5, "--folds", 2)
"""What `split` is told where all sources are for testing as a whole: none of it has an effect."""
ROOT = Path(__file__).resolve().parents[4]


def steps(study: Study) -> list[Step]:
    """All steps of a study, each after those that it builds on."""
    table = [_split(study), *(_convert(study, name) for name in study.datasets)]
    table += _training(study) if study.trains else unpacks(study)
    table += [predict(study, model, number) for model, number in trainings(study)]
    table += [_untrained(study, model) for model in untrained_models(study)]
    table += [_evaluate(study), _compare(study), _leakage(study), _cohort(study)]
    table += packages(study)
    table += [_report(study), _notebook(study)]
    return table


def _training(study: Study) -> list[Step]:
    """The steps from converted sources to models that can segment."""
    models = list(models_of(study).values())
    planners = [model for model in models if planned_by(study, model) == model.name]
    followers = [model for model in models if model not in planners]
    table = [_merge(study, model) for model in models if model.merged]
    table += [plan(study, model) for model in (*planners, *followers)]
    for model, number in trainings(study):
        table += [train(study, model, fold, number) for fold in study.train.folds]
    table += [validate(study, model, number) for model, number in trainings(study)]
    return table


def phantom_arguments(dataset: Dataset) -> tuple[str, ...]:
    """The command, after `code/study`, that makes a phantom source; empty for another."""
    if not dataset.phantom:
        return ()
    arguments: tuple[str, ...] = ("phantom", dataset.phantom, "--seed", str(PHANTOM_SEED))
    if dataset.phantom_participants:
        arguments += ("--participants", str(dataset.phantom_participants))
    return arguments


def _split(study: Study) -> Step:
    layout, settings = Layout(study), study.split
    rules = [layout.rules(name) for name in study.datasets]
    arguments: list[object] = [*rules, "--out", layout.splits_folder]
    message = f"Split the participants of {len(rules)} datasets, seed {settings.seed}"
    if not study.trains:
        arguments += UNDIVIDED
        message = f"List the participants of {len(rules)} datasets, all of them to test on"
    else:
        arguments += ["--seed", settings.seed]
        arguments += ["--test-fraction", settings.test_fraction, "--folds", settings.folds]
        arguments += repeated("stratify", settings.stratify)
    inputs = list(rules)
    for name, dataset in study.datasets.items():
        inputs += participant_files(dataset)
        if dataset.split:
            arguments += ["--published", name, dataset.split]
            inputs.append(dataset.split)
    return declared(
        "split",
        "",
        message,
        arguments,
        inputs=inputs,
        outputs=[layout.splits(name) for name in study.datasets],
    )


def _convert(study: Study, name: str) -> Step:
    layout, dataset = Layout(study), study.datasets[name]
    rules, split, out = layout.rules(name), layout.splits(name), layout.raw(name)
    parts = [*RAW_TRAIN, *RAW_TEST] if dataset.role == "train" else list(RAW_TEST)
    return declared(
        "convert",
        name,
        f"Convert {name} to nnU-Net raw",
        [rules, "--split", split, "--out", out],
        inputs=[rules, split, *source_files(dataset)],
        outputs=below([out], [*parts, "dataset.json", "cases.tsv", "left_out.tsv"]),
    )


def _merge(study: Study, model: Model) -> Step:
    layout = Layout(study)
    parts, out = [layout.raw(name) for name in model.learns_from], layout.training_set(model)
    arguments: list[object] = [*parts, "--out", out]
    if model.kind in MATCHED:
        arguments += ["--match-largest", study.split.seed, "--by", MATCHED[model.kind]]
    return declared(
        "merge",
        model.name,
        f"Merge {len(parts)} training sets for {model.name}",
        arguments,
        inputs=below(parts, [*RAW_TRAIN, "dataset.json", "cases.tsv"]),
        outputs=below([out], [*RAW_TRAIN, "dataset.json", "cases.tsv"]),
    )


def _untrained(study: Study, model: Model) -> Step:
    """The masks of a baseline that is no network of this study."""
    layout, baseline = Layout(study), study.baselines[model.name]
    raws, out = [layout.raw(dataset) for dataset in study.datasets], layout.predictions(model, 1)
    arguments: list[object] = [*raws, "--out", out]
    inputs = below(raws, ["imagesTs/*"])
    outputs = [f"{out}/{dataset}/*" for dataset in study.datasets]
    if baseline.command:
        arguments += ["--command", baseline.command]
        if baseline.version:
            arguments += ["--version-command", baseline.version]
        outputs.append(f"{out}/program.json")
        command, message = "program", f"Segment {len(raws)} test sets with the program {model.name}"
    else:
        training_set = layout.training_set(model)
        arguments = [training_set, *arguments]
        inputs += below([training_set], ["labelsTr/*", "cases.tsv"])
        command, message = "shape", f"Outline {model.name} in {len(raws)} test sets"
    return declared(
        command,
        model.name,
        message,
        arguments,
        inputs=inputs,
        outputs=outputs,
        identical="here" if baseline.command else "anywhere",
    )


def judged(study: Study) -> list[tuple[Model, int]]:
    """Every training that is judged, by its number; what is not trained here counts as one."""
    return [*trainings(study), *((model, 1) for model in untrained_models(study))]


def _evaluate(study: Study) -> Step:
    layout = Layout(study)
    raws = [layout.raw(name) for name in study.datasets]
    predictions = [layout.predictions(model, number) for model, number in judged(study)]
    arguments: list[object] = [*predictions, *repeated("dataset", raws)]
    arguments += ["--out", layout.cases_table, "--nsd-tolerance", study.judge.nsd_tolerance_mm]
    if not study.task.areas:
        arguments.append("--no-areas")
    return declared(
        "evaluate",
        "",
        "Judge every prediction",
        arguments,
        inputs=below(raws, ["labelsTs/*", "cases.tsv"]) + below(predictions, ["*/*"]),
        outputs=[layout.cases_table],
    )


def _compare(study: Study) -> Step:
    layout = Layout(study)
    arguments = [layout.cases_table, "--judging", layout.judging, "--out", layout.evaluation]
    inputs = [layout.cases_table, layout.judging]
    for model in models_of(study).values():
        learned = f"{layout.training_set(model)}/cases.tsv"
        arguments += ["--training", model.name, learned]
        inputs.append(learned)
    return declared(
        "compare",
        "",
        "Compare the models",
        arguments,
        inputs=inputs,
        outputs=layout.comparison_tables,
    )


def _leakage(study: Study) -> Step:
    layout, models = Layout(study), models_of(study).values()
    raws = [layout.raw(name) for name in study.datasets]
    arguments: list[object] = [*raws, "--out", layout.leakage_table]
    inputs = below(raws, ["cases.tsv"])
    for model in models:
        training_set, folder = layout.training_set(model), layout.model(model)
        arguments += ["--model", model.name, training_set, folder]
        inputs += [f"{training_set}/cases.tsv", f"{folder}/splits_final.json"]
    return declared(
        "leakage",
        "",
        f"Compare the training of {len(models)} models with all test sets",
        arguments,
        inputs=inputs,
        outputs=[layout.leakage_table],
    )


def _cohort(study: Study) -> Step:
    layout = Layout(study)
    raws = [layout.raw(name) for name in study.datasets]
    return declared(
        "cohort",
        "",
        f"Tell who is in {len(raws)} datasets",
        [*raws, "--out", layout.evaluation],
        inputs=below(raws, ["cases.tsv", "left_out.tsv"]),
        outputs=layout.cohort_tables,
    )


def _report(study: Study) -> Step:
    layout = Layout(study)
    raws = [layout.raw(name) for name in study.datasets]
    predictions = [layout.predictions(model, 1) for model, number in judged(study) if number == 1]
    tables = [layout.cases_table, *layout.comparison_tables, layout.leakage_table]
    tables += layout.cohort_tables
    arguments: list[object] = [layout.evaluation, "--judging", layout.judging]
    arguments += ["--published", PUBLISHED, *repeated("dataset", raws)]
    arguments += [*repeated("predictions", predictions), "--out", layout.report]
    arguments += ["--forest", layout.forest, "--segmentation", layout.segmentation]
    inputs = [*tables, layout.judging, PUBLISHED]
    inputs += below(raws, [*RAW_TEST, "cases.tsv"]) + below(predictions, ["*/*"])
    return declared(
        "report",
        "",
        "Write the report",
        arguments,
        inputs=inputs,
        outputs=[layout.report, layout.forest, layout.segmentation],
    )


def _notebook(study: Study) -> Step:
    layout = Layout(study)
    arguments = [NOTEBOOK, "--parameter", "cases", layout.cases_table]
    arguments += ["--parameter", "judging", layout.judging]
    arguments += ["--parameter", "leakage", layout.leakage_table, "--out", layout.notebook]
    tables = [layout.cases_table, layout.sizes_table, layout.leakage_table]
    return declared(
        "notebook",
        "",
        "Execute the notebook",
        arguments,
        inputs=[*tables, NOTEBOOK, layout.judging, *notebook_files(ROOT / NOTEBOOK)],
        outputs=[layout.notebook],
    )
