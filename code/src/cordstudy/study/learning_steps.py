"""The steps of a model: planned, trained, what it keeps of a mask chosen, test sets predicted.

Owns: the command, inputs and outputs of `plan`, `train`, `validate` and `predict`.
Does not own: the other steps and the order of all (`steps`), or which models there are (`models`).
"""

from __future__ import annotations

from cordstudy.study.declaring import RAW_TRAIN, below, declared, repeated
from cordstudy.study.layout import Layout, trained
from cordstudy.study.models import (
    Model,
    balanced,
    configuration,
    epochs,
    models_of,
    planned_by,
    reduction,
)
from cordstudy.study.schema import Reduction, Study
from cordstudy.study.step import Step

PLANNED = ("plans.json", "dataset.json", "dataset_fingerprint.json", "splits_final.json")


def plan(study: Study, model: Model) -> Step:
    """How a model's network is made, by nnU-Net's rules or by another model's plans."""
    layout = Layout(study)
    raw, out = layout.training_set(model), layout.model(model)
    arguments: list[object] = [raw, "--out", out, "--configuration", configuration(study, model)]
    arguments += ["--folds", study.split.folds]
    inputs = below([raw], [*RAW_TRAIN, "dataset.json", "cases.tsv"])
    planner = models_of(study)[planned_by(study, model)]
    if planner != model:
        shared = f"{layout.model(planner)}/plans.json"
        arguments += ["--plans", shared]
        inputs.append(shared)
    elif changed := reduction(study, model):
        arguments += _reduction(changed)
    return declared(
        "plan",
        model.name,
        f"Plan {model.name}",
        arguments,
        inputs=inputs,
        outputs=below([out], PLANNED),
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


def train(study: Study, model: Model, fold: int, number: int) -> Step:
    """One fold of one training of a model."""
    layout, settings = Layout(study), study.train
    raw, planned = layout.training_set(model), layout.model(model)
    training, out = layout.replicate(model, number), layout.fold(model, number, fold)
    arguments: list[object] = [raw, planned, "--out", out]
    arguments += ["--configuration", configuration(study, model), "--fold", fold]
    arguments += ["--seed", settings.seed + number - 1, "--epochs", epochs(study, model)]
    arguments += ["--iterations", settings.iterations, "--validations", settings.validations]
    arguments += repeated("mirror", study.predict.mirror_axes)
    arguments += ["--identical", settings.identical]
    inputs = below([raw], [*RAW_TRAIN, "dataset.json"]) + below([planned], PLANNED)
    if balanced(study, model):
        arguments.append("--balanced")
        inputs.append(f"{raw}/cases.tsv")
    outputs = below([out], ["checkpoint_final.pth", "training_log.txt"])
    if training != planned:
        outputs += below([training], ["plans.json", "dataset.json"])
    name = trained(model, number)
    return declared(
        "train",
        f"{name}:fold{fold}",
        f"Train {name}, fold {fold}, for {epochs(study, model) * settings.iterations} steps",
        arguments,
        inputs=inputs,
        outputs=outputs,
        identical=settings.identical,
    )


def validate(study: Study, model: Model, number: int) -> Step:
    """What a training keeps of a mask, by the cases that it held out."""
    layout, name = Layout(study), trained(model, number)
    raw, planned = layout.training_set(model), layout.model(model)
    training = layout.replicate(model, number)
    inputs = [*below([raw], RAW_TRAIN), f"{planned}/splits_final.json"]
    keep = ["--all-components"] if study.task.components == "all" else []
    return declared(
        "validate",
        name,
        f"Segment with {name} what its training held out",
        [raw, planned, training, *_inference(study), *keep],
        inputs=[*inputs, *_network(study, model, number)],
        outputs=below([training], ["postprocessing.json", "validation.tsv"]),
        identical=study.train.identical,
    )


def _network(study: Study, model: Model, number: int) -> list[str]:
    """The files of a trained model that its network is made of."""
    layout = Layout(study)
    folds = [layout.fold(model, number, fold) for fold in study.train.folds]
    texts = below([layout.replicate(model, number)], ["plans.json", "dataset.json"])
    return texts + below(folds, ["checkpoint_final.pth"])


def _inference(study: Study) -> list[object]:
    """The options of a prediction, the same for all models."""
    arguments = repeated("fold", study.train.folds)
    arguments += repeated("mirror", study.predict.mirror_axes)
    return [
        *arguments,
        "--tile-step",
        study.predict.tile_step,
        "--identical",
        study.train.identical,
    ]


def predict(study: Study, model: Model, number: int) -> Step:
    """The masks of all test sets by one training of a model."""
    layout, name = Layout(study), trained(model, number)
    training, out = layout.replicate(model, number), layout.predictions(model, number)
    raws = [layout.raw(dataset) for dataset in study.datasets]
    inputs = [*_network(study, model, number), f"{training}/postprocessing.json"]
    return declared(
        "predict",
        name,
        f"Predict {len(raws)} test sets with {name}",
        [training, *raws, "--out", out, *_inference(study)],
        inputs=inputs + below(raws, ["imagesTs/*"]),
        outputs=below([out], [*(f"{name}/*" for name in study.datasets), "other_components/*"]),
        identical=study.train.identical,
    )
