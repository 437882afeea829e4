"""The steps of releases: packing a trained model for others, unpacking one of theirs.

Owns: which models are packed; the command, inputs and outputs of `package` and `unpack`.
Does not own: the other steps and the order of all (`steps`), or what is in a release
(`pipeline.release`).
"""

from __future__ import annotations

from cordstudy.study.declaring import below, declared, repeated
from cordstudy.study.layout import Layout
from cordstudy.study.learning_steps import PLANNED
from cordstudy.study.models import Model, configuration, models_of
from cordstudy.study.releases import Given, Release
from cordstudy.study.schema import Study
from cordstudy.study.step import Step

CITATION = "CITATION.cff"
KINDS = ("general", "specific")
"""The models that a study is about: others only show what a difference is of."""
UNPACKED = (
    "plans.json",
    "dataset.json",
    "splits_final.json",
    "postprocessing.json",
    "inference.json",
    "cases.tsv",
)
OF_A_FOLDER = ("SHA256SUMS", "**/nnUNetTrainer*/*", "**/nnUNetTrainer*/fold_*/*")
"""What of a release's folder is read."""
FILES = ("README.md", "metadata.json", "cases.tsv", "load.py", "SHA256SUMS")


def packages(study: Study) -> list[Step]:
    """A step for each model that is given to others; none in a study that gives none."""
    if study.release is None:
        return []
    models = [model for model in models_of(study).values() if model.kind in KINDS]
    return [_package(study, model, study.release) for model in models]


def _package(study: Study, model: Model, release: Release) -> Step:
    layout = Layout(study)
    trained, training_set = layout.model(model), layout.training_set(model)
    out = layout.release(model)
    arguments: list[object] = [trained, training_set, "--name", model.name]
    arguments += ["--judging", layout.judging, "--scores", layout.cases_table]
    for name in model.learns_from:
        arguments += ["--terms", name, study.datasets[name].terms]
    arguments += ["--licence", release.licence, "--changes", release.changes, "--cite", CITATION]
    arguments += repeated("fold", study.train.folds)
    arguments += ["--tile-step", study.predict.tile_step, "--out", out]
    folds = [f"fold_{fold}" for fold in study.train.folds]
    of_folds = below(folds, ["checkpoint_final.pth", "training_log.txt"])
    inputs = below([trained], [*PLANNED, "postprocessing.json", *of_folds])
    inputs += [f"{training_set}/cases.tsv", layout.judging, layout.cases_table]
    inputs += [release.changes, CITATION]
    base = f"{study.name}-{model.name}"
    stock = f"{base}/nnUNetTrainer__nnUNetPlans__{configuration(study, model)}"
    names = [*FILES, f"{base}.zip", f"{base}.safetensors", f"{base}/source.json"]
    return declared(
        "package",
        model.name,
        f"Pack {model.name} for others",
        arguments,
        inputs=inputs,
        outputs=below(
            [out], [*names, f"{stock}/*", *below([stock], [f"{fold}/*" for fold in folds])]
        ),
    )


def unpacks(study: Study) -> list[Step]:
    """The step that unpacks the release whose model a study judges; none of models that were
    trained here."""
    return [_unpack(study, study.given)] if study.given else []


def _unpack(study: Study, given: Given) -> Step:
    model = models_of(study)[given.model]
    out = Layout(study).model(model)
    arguments: list[object] = [given.path]
    if given.sha256:
        arguments += ["--sha256", given.sha256]
    arguments += repeated("fold", given.folds)
    arguments += ["--tile-step", given.tile_step]
    arguments += ["--structure", study.task.structure, "--orientation", study.task.orientation]
    checkpoints = [f"fold_{fold}/checkpoint_final.pth" for fold in given.folds]
    return declared(
        "unpack",
        model.name,
        f"Unpack {model.name}, a release",
        [*arguments, "--out", out],
        inputs=[given.path] if given.is_archive else below([given.path], OF_A_FOLDER),
        outputs=below([out], [*UNPACKED, *checkpoints]),
    )
