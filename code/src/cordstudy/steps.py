"""A study as a table of steps, in an order in which they can run.

Owns: the command, inputs and outputs of every step, rendered from a study's values alone,
and the parameter files, which hold what is too long for a command line.
Does not own: running them (`provenance.run`), or what they do (`pipeline`).

The inputs of a step hold the files of its own code: the modules that its command imports,
found by following the imports.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cordstudy.commands import COMMANDS
from cordstudy.errors import StudyError
from cordstudy.study import Dataset, Model, Study

PACKAGE = Path(__file__).parent
CODE = "code/src/cordstudy"
ALWAYS = ("code/study", "code/requirements.lock", *(f"{CODE}/{name}" for name in (
    "__init__.py", "__main__.py", "commands.py", "errors.py", "pipeline/__init__.py", "pipeline/determinism.py",
)))  # fmt: skip
"""Code of every step: the launcher, the environment, the entry."""
DATA = {"pipeline/report.py": ("pipeline/report.html.j2", "pipeline/report.css", "pipeline/report.js")}
"""Files other than modules that a module reads."""
NOT_RULES = {"split", "licence", "ask", "phantom", "phantom_participants"}
"""What a dataset's rules file does not hold: nothing that finds or converts cases reads it."""
TOLERANCES = (("*/training_log.txt", 0.05),)
"""Losses and Dice of a training on another kind of machine; its weights have no such bound."""
PHANTOM_SEED = 2023
PUBLISHED = "code/studies/published.tsv"
"""What the first study of this question found, by source dataset and model."""
NOTEBOOK = "code/notebooks/results.ipynb"
PLANNED = ("plans.json", "dataset.json", "dataset_fingerprint.json", "splits_final.json")
RAW_TRAIN = ("imagesTr/*", "labelsTr/*")
RAW_TEST = ("imagesTs/*", "labelsTs/*")


@dataclass(frozen=True)
class Step:
    """One recorded command. Paths are relative to the study's root; `*` stands for any name."""

    name: str
    message: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    identical: str
    """How far it gives the same bytes again: `anywhere` (x86-64 with AVX2, by the settings of
    `pipeline.determinism`), or `here` (processors of one kind, or one kind of GPU)."""

    @property
    def tolerances(self) -> tuple[tuple[str, float], ...]:
        """How far numbers in its outputs, by glob, may lie apart where it is run on another kind
        of machine than it promises for: absolute, in the unit of the number."""
        return () if self.identical == "anywhere" else TOLERANCES


def steps(study: Study) -> list[Step]:
    """All steps of a study, each after those that it builds on."""
    found = [_split(study)]
    found += [_convert(study, name) for name in study.datasets]
    found += [_merge(study, model) for model in study.all_models.values() if model.merged]
    found += [_plan(study, model) for model in sorted(study.all_models, key=lambda one: one != study.planned_by(one))]
    trained = [(model, number) for number in study.replicates for model in study.all_models]
    found += [_train(study, model, fold, number) for model, number in trained for fold in study.train.folds]
    found += [_predict(study, model, number) for model, number in trained]
    return [*found, _evaluate(study), _compare(study), _leakage(study), _report(study), _notebook(study)]


def select(found: list[Step], names: tuple[str, ...]) -> list[Step]:
    """The named steps. Raises StudyError for a name that is no step's."""
    known = {step.name for step in found}
    if unknown := [name for name in names if name not in known]:
        raise StudyError(f"there is no step {unknown[0]!r}", hint=f"one of: {', '.join(s.name for s in found)}")
    return [step for step in found if step.name in names]


def parameter_files(study: Study) -> dict[str, str]:
    """Path and content of the files with what is too long for a command line: the rules of each
    dataset, and what the models are."""
    contents = {study.rules(name): rules_content(study, name) for name in study.datasets}
    contents[study.judging] = judging_content(study)
    return {path: json.dumps(content, indent=1, sort_keys=True) + "\n" for path, content in contents.items()}


def rules_content(study: Study, dataset: str) -> dict[str, object]:
    """The rules of one dataset, as `pipeline.rules` reads them."""
    return {"name": dataset, **study.datasets[dataset].model_dump(exclude=NOT_RULES)}


def judging_content(study: Study) -> dict[str, object]:
    """Models and datasets, as `pipeline.judging` reads them."""
    models = [
        {"name": model.name, "kind": model.kind, "parts": model.parts, "without": model.without,
         "plans_of": study.planned_by(model.name), "epochs": study.epochs(model.name),
         "balanced": study.balanced(model.name)}
        for model in study.all_models.values()
    ]  # fmt: skip
    datasets = [
        {"name": name, "path": dataset.path, "phantom": bool(dataset.phantom)}
        for name, dataset in study.datasets.items()
    ]
    return {"study": study.name, "models": models, "datasets": datasets, "trainings": study.train.replicates,
            "nsd_tolerance_mm": study.judge.nsd_tolerance_mm, "margin": study.judge.margin,
            "resamples": study.judge.resamples, "seed": study.judge.seed}  # fmt: skip


def phantom_command(dataset: Dataset) -> tuple[str, ...]:
    """The command, after `code/study`, that makes a phantom source; empty for another."""
    if not dataset.phantom:
        return ()
    few = dataset.phantom_participants
    return ("phantom", dataset.phantom, "--seed", str(PHANTOM_SEED), *(("--participants", str(few)) if few else ()))


def code_files(command: str) -> tuple[str, ...]:
    """The files that a step command consists of, relative to the study's root."""
    module = COMMANDS[command][0].partition(":")[0]
    found: set[str] = set()
    todo = [module.removeprefix("cordstudy.").replace(".", "/") + ".py"]
    while todo:
        path = todo.pop()
        if path not in found:
            found |= {path, *DATA.get(path, ())}
            todo += _imports(path)
    return tuple(sorted({*ALWAYS, *(f"{CODE}/{path}" for path in found)}))


@cache
def _imports(path: str) -> tuple[str, ...]:
    """Modules of this package that a module imports, anywhere in it, as paths."""
    nodes = ast.walk(ast.parse((PACKAGE / path).read_text()))
    names = (node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module)
    own = (name.removeprefix("cordstudy.").replace(".", "/") + ".py" for name in names if name.startswith("cordstudy."))
    return tuple(name for name in own if (PACKAGE / name).is_file())


def _step(
    name: str, message: str, arguments: list, *, inputs: list[str], outputs: list[str], identical: str = "anywhere"
) -> Step:
    command = name.partition(":")[0]
    argv = ("code/study", command, *map(str, arguments))
    return Step(name, message, argv, tuple(sorted({*code_files(command), *inputs})), tuple(outputs), identical)


def _option(name: str, values: list) -> list[str]:
    """A repeatable option for each value."""
    return [word for value in values for word in (f"--{name}", str(value))]


def _split(study: Study) -> Step:
    rules = [study.rules(name) for name in study.datasets]
    out = f"{study.derivatives}/splits"
    settings = study.split
    arguments = [*rules, "--out", out, "--seed", settings.seed, "--test-fraction", settings.test_fraction,
                 "--folds", settings.folds, *_option("stratify", settings.stratify)]  # fmt: skip
    published = {name: dataset.split for name, dataset in study.datasets.items() if dataset.split}
    for name, table in published.items():
        arguments += ["--published", name, table]
    lists = [path for dataset in study.datasets.values() for path in participant_files(dataset)]
    message = f"Split the participants of {len(rules)} datasets, seed {settings.seed}"
    outputs = [study.splits(name) for name in study.datasets]
    return _step("split", message, arguments, inputs=[*rules, *lists, *published.values()], outputs=outputs)


def _convert(study: Study, name: str) -> Step:
    dataset, out = study.datasets[name], study.raw(name)
    arguments = [study.rules(name), "--split", study.splits(name), "--out", out]
    inputs = [study.rules(name), study.splits(name), *source_files(dataset)]
    parts = [*(RAW_TRAIN if dataset.role == "train" else ()), *RAW_TEST]
    outputs = [f"{out}/{part}" for part in (*parts, "dataset.json", "cases.tsv", "left_out.tsv")]
    return _step(f"convert:{name}", f"Convert {name} to nnU-Net raw", arguments, inputs=inputs, outputs=outputs)


def participant_files(dataset: Dataset) -> Iterator[str]:
    """What a study reads of a source about its participants."""
    yield f"{dataset.path}/participants.tsv"
    if dataset.exclude_file:
        yield f"{dataset.path}/{dataset.exclude_file.path}"


def source_files(dataset: Dataset) -> Iterator[str]:
    """What a study reads of a source, as globs: participants, images, masks and their sidecars."""
    yield from participant_files(dataset)
    below = f"sub-*/{dataset.session}" if dataset.session else "sub-*"
    subject = f"sub-*_{dataset.session}" if dataset.session else "sub-*"
    for image in dataset.images:
        datatype, entities = image.split("/")
        stem = f"{subject}_{entities}"
        mask = dataset.mask.format(stem=stem, subject=subject)
        yield f"{dataset.path}/{below}/{datatype}/{stem}.nii.gz"
        yield f"{dataset.path}/{dataset.labels}/{below}/{datatype}/{mask}.nii.gz"
        yield f"{dataset.path}/{dataset.labels}/{below}/{datatype}/{mask}.json"


def _merge(study: Study, model: Model) -> Step:
    parts, out = [study.raw(name) for name in model.parts], study.raw(model.name)
    inputs = [f"{part}/{file}" for part in parts for file in (*RAW_TRAIN, "cases.tsv")]
    outputs = [f"{out}/{file}" for file in (*RAW_TRAIN, "dataset.json", "cases.tsv")]
    arguments: list[object] = [*parts, "--out", out]
    if model.kind == "size-matched":
        arguments += ["--match-largest", study.split.seed]
    message = f"Merge {len(parts)} training sets for {model.name}"
    return _step(f"merge:{model.name}", message, arguments, inputs=inputs, outputs=outputs)


def _plan(study: Study, model: str) -> Step:
    raw, out, settings = study.training_set(model), study.model(model), study.plan
    arguments = [raw, "--out", out, "--configuration", settings.configuration, "--folds", study.split.folds]
    shared = [] if (planner := study.planned_by(model)) == model else [f"{study.model(planner)}/plans.json"]
    if shared:
        arguments += ["--plans", *shared]
    elif reduction := settings.reduction:
        spacing, patch, features = (
            ",".join(map(str, values)) for values in (reduction.spacing_mm, reduction.patch_size, reduction.features)
        )
        arguments += ["--spacing", spacing, "--patch", patch, "--batch", reduction.batch_size,
                      "--features", features, "--convolutions", reduction.convolutions]  # fmt: skip
    inputs = [*(f"{raw}/{file}" for file in (*RAW_TRAIN, "dataset.json", "cases.tsv")), *shared]
    return _step(f"plan:{model}", f"Plan {model}", arguments, inputs=inputs, outputs=[f"{out}/{n}" for n in PLANNED])


def _train(study: Study, model: str, fold: int, number: int) -> Step:
    raw, folder, settings = study.training_set(model), study.model(model), study.train
    place = study.replicate(model, number)
    out = f"{place}/fold_{fold}"
    arguments = [raw, folder, "--out", out, "--configuration", study.plan.configuration, "--fold", fold,
                 "--seed", settings.seed + number - 1, "--epochs", study.epochs(model),
                 "--iterations", settings.iterations, "--validations", settings.validations,
                 "--identical", settings.identical]  # fmt: skip
    balanced = [f"{raw}/cases.tsv"] if study.balanced(model) else []
    arguments += ["--balanced"] if balanced else []
    inputs = [f"{raw}/{file}" for file in (*RAW_TRAIN, "dataset.json")] + [f"{folder}/{name}" for name in PLANNED]
    outputs = [f"{out}/{name}" for name in ("checkpoint_final.pth", "training_log.txt")]
    if place != folder:
        outputs += [f"{place}/{name}" for name in ("plans.json", "dataset.json")]
    name = study.trained(model, number)
    message = f"Train {name}, fold {fold}, for {study.epochs(model) * settings.iterations} steps"
    return _step(f"train:{name}:fold{fold}", message, arguments, inputs=balanced + inputs, outputs=outputs,
                 identical=settings.identical)  # fmt: skip


def _predict(study: Study, model: str, number: int) -> Step:
    folder, raws = study.replicate(model, number), [study.raw(name) for name in study.datasets]
    out = study.predictions(model, number)
    arguments = [folder, *raws, "--out", out, *_option("fold", study.train.folds),
                 *_option("mirror", study.predict.mirror_axes), "--tile-step", study.predict.tile_step,
                 "--identical", study.train.identical]  # fmt: skip
    inputs = [f"{folder}/plans.json", f"{folder}/dataset.json"]
    inputs += [f"{folder}/fold_{fold}/checkpoint_final.pth" for fold in study.train.folds]
    inputs += [f"{raw}/imagesTs/*" for raw in raws]
    outputs = [f"{out}/{name}/*" for name in study.datasets]
    name = study.trained(model, number)
    return _step(f"predict:{name}", f"Predict {len(raws)} test sets with {name}", arguments, inputs=inputs,
                 outputs=outputs, identical=study.train.identical)  # fmt: skip


def _evaluate(study: Study) -> Step:
    raws = [study.raw(name) for name in study.datasets]
    folders = [study.predictions(model, number) for number in study.replicates for model in study.all_models]
    arguments = [*folders, *_option("dataset", raws), "--out", study.cases_table,
                 "--nsd-tolerance", study.judge.nsd_tolerance_mm]  # fmt: skip
    inputs = [*(f"{raw}/{part}" for raw in raws for part in ("labelsTs/*", "cases.tsv")),
              *(f"{folder}/*/*" for folder in folders)]  # fmt: skip
    return _step("evaluate", "Judge every prediction", arguments, inputs=inputs, outputs=[study.cases_table])


def _compare(study: Study) -> Step:
    tables = study.comparison_tables
    arguments = [study.cases_table, "--judging", study.judging, "--out", Path(tables[0]).parent]
    return _step("compare", "Compare the models", arguments, inputs=[study.cases_table, study.judging], outputs=tables)


def _leakage(study: Study) -> Step:
    raws = [study.raw(name) for name in study.datasets]
    arguments: list[object] = [*raws, "--out", study.leakage_table]
    for model in study.all_models:
        arguments += ["--model", model, study.training_set(model), study.model(model)]
    inputs = {f"{raw}/cases.tsv" for raw in (*raws, *map(study.training_set, study.all_models))}
    inputs |= {f"{study.model(model)}/splits_final.json" for model in study.all_models}
    message = f"Compare the training of {len(study.all_models)} models with all test sets"
    return _step("leakage", message, arguments, inputs=sorted(inputs), outputs=[study.leakage_table])


def _report(study: Study) -> Step:
    raws = [study.raw(name) for name in study.datasets]
    first = [study.predictions(model, 1) for model in study.all_models]
    tables = [study.cases_table, *study.comparison_tables, study.leakage_table]
    arguments = [Path(tables[0]).parent, "--judging", study.judging, "--published", PUBLISHED,
                 *_option("dataset", raws), *_option("predictions", first), "--out", study.report]  # fmt: skip
    images = [f"{raw}/{part}" for raw in raws for part in RAW_TEST]
    inputs = [*tables, *images, *(f"{folder}/*/*" for folder in first), study.judging, PUBLISHED]
    return _step("report", "Write the report", arguments, inputs=inputs, outputs=[study.report])


def _notebook(study: Study) -> Step:
    arguments = [NOTEBOOK, "--parameter", "cases", study.cases_table, "--parameter", "judging", study.judging,
                 "--out", study.notebook]  # fmt: skip
    inputs = [NOTEBOOK, study.cases_table, study.judging, *code_files("compare")]
    return _step("notebook", "Execute the notebook", arguments, inputs=inputs, outputs=[study.notebook])
