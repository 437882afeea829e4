"""A study as a table of steps, in an order in which they can run.

Owns: the command, inputs and outputs of every step, rendered from a study's values alone.
Does not own: the files of its code (`closure`), running them (`provenance.running`), or what they
do (`pipeline`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cordstudy.study.closure import code_files, notebook_files
from cordstudy.study.layout import Layout, trained
from cordstudy.study.models import (
    Model,
    balanced,
    configuration,
    epochs,
    models_of,
    planned_by,
    reduction,
    trainings,
    untrained_models,
)
from cordstudy.study.schema import Dataset, Reduction, Study
from cordstudy.study.source_files import participant_files, source_files
from cordstudy.study.step import Step

PHANTOM_SEED = 2023
PUBLISHED = "code/studies/published.tsv"
"""What the first study of this question found, by source dataset and model."""
NOTEBOOK = "code/notebooks/results.ipynb"
MATCHED = {"size-matched": "images", "size-matched-people": "people"}
"""What a size-matched model has as many of as the largest of its datasets."""
PLANNED = ("plans.json", "dataset.json", "dataset_fingerprint.json", "splits_final.json")
RAW_TRAIN = ("imagesTr/*", "labelsTr/*")
RAW_TEST = ("imagesTs/*", "labelsTs/*")
ROOT = Path(__file__).resolve().parents[4]


def steps(study: Study) -> list[Step]:
    """All steps of a study, each after those that it builds on."""
    models = list(models_of(study).values())
    planners = [model for model in models if planned_by(study, model) == model.name]
    followers = [model for model in models if model not in planners]
    table = [_split(study)]
    table += [_convert(study, name) for name in study.datasets]
    table += [_merge(study, model) for model in models if model.merged]
    table += [_plan(study, model) for model in (*planners, *followers)]
    for model, number in trainings(study):
        table += [_train(study, model, fold, number) for fold in study.train.folds]
    table += [_validate(study, model, number) for model, number in trainings(study)]
    table += [_predict(study, model, number) for model, number in trainings(study)]
    table += [_untrained(study, model) for model in untrained_models(study)]
    table += [_evaluate(study), _compare(study), _leakage(study), _cohort(study)]
    table += [_report(study), _notebook(study)]
    return table


def phantom_arguments(dataset: Dataset) -> tuple[str, ...]:
    """The command, after `code/study`, that makes a phantom source; empty for another."""
    if not dataset.phantom:
        return ()
    arguments: tuple[str, ...] = ("phantom", dataset.phantom, "--seed", str(PHANTOM_SEED))
    if dataset.phantom_participants:
        arguments += ("--participants", str(dataset.phantom_participants))
    return arguments


def _step(
    command: str,
    of: str,
    message: str,
    arguments: Iterable[object],
    *,
    inputs: Iterable[str],
    outputs: Iterable[str],
    identical: str = "anywhere",
) -> Step:
    """A step whose code is among its inputs."""
    return Step(
        command=command,
        of=of,
        message=message,
        arguments=tuple(str(argument) for argument in arguments),
        inputs=tuple(sorted({*code_files(command), *inputs})),
        outputs=tuple(outputs),
        identical=identical,
    )


def _option(name: str, values: Iterable[object]) -> list[object]:
    """A repeatable option for each value."""
    words: list[object] = []
    for value in values:
        words += [f"--{name}", value]
    return words


def _below(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """Each name below each folder."""
    names = list(names)
    return [f"{folder}/{name}" for folder in folders for name in names]


def _split(study: Study) -> Step:
    layout, settings = Layout(study), study.split
    rules = [layout.rules(name) for name in study.datasets]
    arguments: list[object] = [*rules, "--out", layout.splits_folder, "--seed", settings.seed]
    arguments += ["--test-fraction", settings.test_fraction, "--folds", settings.folds]
    arguments += _option("stratify", settings.stratify)
    inputs = list(rules)
    for name, dataset in study.datasets.items():
        inputs += participant_files(dataset)
        if dataset.split:
            arguments += ["--published", name, dataset.split]
            inputs.append(dataset.split)
    return _step(
        "split",
        "",
        f"Split the participants of {len(rules)} datasets, seed {settings.seed}",
        arguments,
        inputs=inputs,
        outputs=[layout.splits(name) for name in study.datasets],
    )


def _convert(study: Study, name: str) -> Step:
    layout, dataset = Layout(study), study.datasets[name]
    rules, split, out = layout.rules(name), layout.splits(name), layout.raw(name)
    parts = [*RAW_TRAIN, *RAW_TEST] if dataset.role == "train" else list(RAW_TEST)
    return _step(
        "convert",
        name,
        f"Convert {name} to nnU-Net raw",
        [rules, "--split", split, "--out", out],
        inputs=[rules, split, *source_files(dataset)],
        outputs=_below([out], [*parts, "dataset.json", "cases.tsv", "left_out.tsv"]),
    )


def _merge(study: Study, model: Model) -> Step:
    layout = Layout(study)
    parts, out = [layout.raw(name) for name in model.learns_from], layout.training_set(model)
    arguments: list[object] = [*parts, "--out", out]
    if model.kind in MATCHED:
        arguments += ["--match-largest", study.split.seed, "--by", MATCHED[model.kind]]
    return _step(
        "merge",
        model.name,
        f"Merge {len(parts)} training sets for {model.name}",
        arguments,
        inputs=_below(parts, [*RAW_TRAIN, "cases.tsv"]),
        outputs=_below([out], [*RAW_TRAIN, "dataset.json", "cases.tsv"]),
    )


def _plan(study: Study, model: Model) -> Step:
    layout = Layout(study)
    raw, out = layout.training_set(model), layout.model(model)
    arguments: list[object] = [raw, "--out", out, "--configuration", configuration(study, model)]
    arguments += ["--folds", study.split.folds]
    inputs = _below([raw], [*RAW_TRAIN, "dataset.json", "cases.tsv"])
    planner = models_of(study)[planned_by(study, model)]
    if planner != model:
        shared = f"{layout.model(planner)}/plans.json"
        arguments += ["--plans", shared]
        inputs.append(shared)
    elif changed := reduction(study, model):
        arguments += _reduction(changed)
    return _step(
        "plan",
        model.name,
        f"Plan {model.name}",
        arguments,
        inputs=inputs,
        outputs=_below([out], PLANNED),
    )


def _reduction(reduction: Reduction) -> list[object]:
    """The options for what is changed in nnU-Net's own plans."""
    arguments: list[object] = []
    for option, values in (
        ("--spacing", reduction.spacing_mm),
        ("--patch", reduction.patch_size),
        ("--features", reduction.features),
    ):
        arguments += [option, ",".join(str(value) for value in values)]
    return [
        *arguments,
        "--batch",
        reduction.batch_size,
        "--convolutions",
        reduction.convolutions,
    ]


def _train(study: Study, model: Model, fold: int, number: int) -> Step:
    layout, settings = Layout(study), study.train
    raw, planned = layout.training_set(model), layout.model(model)
    training, out = layout.replicate(model, number), layout.fold(model, number, fold)
    arguments: list[object] = [raw, planned, "--out", out]
    arguments += ["--configuration", configuration(study, model), "--fold", fold]
    arguments += ["--seed", settings.seed + number - 1, "--epochs", epochs(study, model)]
    arguments += ["--iterations", settings.iterations, "--validations", settings.validations]
    arguments += ["--identical", settings.identical]
    inputs = _below([raw], [*RAW_TRAIN, "dataset.json"]) + _below([planned], PLANNED)
    if balanced(study, model):
        arguments.append("--balanced")
        inputs.append(f"{raw}/cases.tsv")
    outputs = _below([out], ["checkpoint_final.pth", "training_log.txt"])
    if training != planned:
        outputs += _below([training], ["plans.json", "dataset.json"])
    name = trained(model, number)
    return _step(
        "train",
        f"{name}:fold{fold}",
        f"Train {name}, fold {fold}, for {epochs(study, model) * settings.iterations} steps",
        arguments,
        inputs=inputs,
        outputs=outputs,
        identical=settings.identical,
    )


def _validate(study: Study, model: Model, number: int) -> Step:
    layout, name = Layout(study), trained(model, number)
    raw, planned = layout.training_set(model), layout.model(model)
    training = layout.replicate(model, number)
    inputs = [*_below([raw], RAW_TRAIN), f"{planned}/splits_final.json"]
    return _step(
        "validate",
        name,
        f"Segment with {name} what its training held out",
        [raw, planned, training, *_inference(study)],
        inputs=[*inputs, *_network(study, model, number)],
        outputs=_below([training], ["postprocessing.json", "validation.tsv"]),
        identical=study.train.identical,
    )


def _network(study: Study, model: Model, number: int) -> list[str]:
    """The files of a trained model that its network is made of."""
    layout = Layout(study)
    folds = [layout.fold(model, number, fold) for fold in study.train.folds]
    texts = _below([layout.replicate(model, number)], ["plans.json", "dataset.json"])
    return texts + _below(folds, ["checkpoint_final.pth"])


def _inference(study: Study) -> list[object]:
    """The options of a prediction, the same for all models."""
    arguments = _option("fold", study.train.folds)
    arguments += _option("mirror", study.predict.mirror_axes)
    return [
        *arguments,
        "--tile-step",
        study.predict.tile_step,
        "--identical",
        study.train.identical,
    ]


def _predict(study: Study, model: Model, number: int) -> Step:
    layout, name = Layout(study), trained(model, number)
    training, out = layout.replicate(model, number), layout.predictions(model, number)
    raws = [layout.raw(dataset) for dataset in study.datasets]
    inputs = [*_network(study, model, number), f"{training}/postprocessing.json"]
    return _step(
        "predict",
        name,
        f"Predict {len(raws)} test sets with {name}",
        [training, *raws, "--out", out, *_inference(study)],
        inputs=inputs + _below(raws, ["imagesTs/*"]),
        outputs=_below([out], [*(f"{name}/*" for name in study.datasets), "other_components/*"]),
        identical=study.train.identical,
    )


def _untrained(study: Study, model: Model) -> Step:
    """The masks of a baseline that is no network of this study."""
    layout, baseline = Layout(study), study.baselines[model.name]
    raws, out = [layout.raw(dataset) for dataset in study.datasets], layout.predictions(model, 1)
    arguments: list[object] = [*raws, "--out", out]
    inputs = _below(raws, ["imagesTs/*"])
    if baseline.command:
        arguments += ["--command", baseline.command]
        command, message = "program", f"Segment {len(raws)} test sets with the program {model.name}"
    else:
        training_set = layout.training_set(model)
        arguments = [training_set, *arguments]
        inputs += _below([training_set], ["labelsTr/*", "cases.tsv"])
        command, message = "shape", f"Outline {model.name} in {len(raws)} test sets"
    return _step(
        command,
        model.name,
        message,
        arguments,
        inputs=inputs,
        outputs=[f"{out}/{dataset}/*" for dataset in study.datasets],
        identical="here" if baseline.command else "anywhere",
    )


def judged(study: Study) -> list[tuple[Model, int]]:
    """Every training that is judged, by its number; what is not trained here counts as one."""
    return [*trainings(study), *((model, 1) for model in untrained_models(study))]


def _evaluate(study: Study) -> Step:
    layout = Layout(study)
    raws = [layout.raw(name) for name in study.datasets]
    predictions = [layout.predictions(model, number) for model, number in judged(study)]
    arguments: list[object] = [*predictions, *_option("dataset", raws)]
    arguments += ["--out", layout.cases_table, "--nsd-tolerance", study.judge.nsd_tolerance_mm]
    return _step(
        "evaluate",
        "",
        "Judge every prediction",
        arguments,
        inputs=_below(raws, ["labelsTs/*", "cases.tsv"]) + _below(predictions, ["*/*"]),
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
    return _step(
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
    inputs = _below(raws, ["cases.tsv"])
    for model in models:
        training_set, folder = layout.training_set(model), layout.model(model)
        arguments += ["--model", model.name, training_set, folder]
        inputs += [f"{training_set}/cases.tsv", f"{folder}/splits_final.json"]
    return _step(
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
    return _step(
        "cohort",
        "",
        f"Tell who is in {len(raws)} datasets",
        [*raws, "--out", layout.evaluation],
        inputs=_below(raws, ["cases.tsv", "left_out.tsv"]),
        outputs=layout.cohort_tables,
    )


def _report(study: Study) -> Step:
    layout = Layout(study)
    raws = [layout.raw(name) for name in study.datasets]
    predictions = [layout.predictions(model, 1) for model, number in judged(study) if number == 1]
    tables = [layout.cases_table, *layout.comparison_tables, layout.leakage_table]
    tables += layout.cohort_tables
    arguments: list[object] = [layout.evaluation, "--judging", layout.judging]
    arguments += ["--published", PUBLISHED, *_option("dataset", raws)]
    arguments += [*_option("predictions", predictions), "--out", layout.report]
    arguments += ["--forest", layout.forest, "--segmentation", layout.segmentation]
    inputs = [*tables, layout.judging, PUBLISHED]
    inputs += _below(raws, [*RAW_TEST, "cases.tsv"]) + _below(predictions, ["*/*"])
    return _step(
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
    return _step(
        "notebook",
        "",
        "Execute the notebook",
        arguments,
        inputs=[*tables, NOTEBOOK, layout.judging, *notebook_files(ROOT / NOTEBOOK)],
        outputs=[layout.notebook],
    )
