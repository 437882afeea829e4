"""`segment`: any image with a trained model, of the study or of a release.

Owns: which model a word stands for, and what a mask's sidecar tells of it.
Does not own: segmentation (`pipeline.learning.segmenter`), or opening a release
(`pipeline.release.opening`).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.base.texts import did_you_mean
from cordstudy.cli.groups import complete_model
from cordstudy.cli.here import ROOT, machine_variables
from cordstudy.cli.origins import version
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import git, git_ok, head
from cordstudy.provenance.running.time_left import in_words
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of, untrained_models
from cordstudy.study.schema import Study

if TYPE_CHECKING:
    from cordstudy.pipeline.learning.segmenter import Segmenting

ALL_AXES = (0, 1, 2)
"""A release's checkpoints tell which of them may be mirrored."""
RELEASED = (".zip", ".safetensors")
HISTORY = ROOT / ".git"
"""Not there in a download of the files alone, which may lie in a repository of others."""
DIGEST = re.compile("[0-9a-fA-F]{64}")


def _checked_digest(context: click.Context, option: click.Parameter, value: str | None) -> str:
    """What `--sha256` says, in lower case; empty where it is not given. An empty one is a fault:
    whoever gives it means to have the model checked."""
    if value is None:
        return ""
    if not DIGEST.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no SHA-256: 64 hexadecimal digits", context, option)
    return value.lower()


@click.command()
@click.argument(
    "images",
    metavar="IMAGE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=["general"],
    show_default=True,
    metavar="NAME|PATH",
    shell_complete=complete_model,
    help="A model of the study, or a release: its folder, .zip or .safetensors. Repeatable, each "
    "then with a folder of its own.",
)
@click.option(
    "--sha256",
    callback=_checked_digest,
    metavar="HEX",
    help="What the released file, or a release folder's SHA256SUMS, should have.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the masks; it is made.",
)
@click.option("--force", is_flag=True, help="Replace masks that are there.")
@click.pass_obj
def segment(
    name: str,
    images: tuple[Path, ...],
    models: tuple[str, ...],
    sha256: str,
    out: Path,
    force: bool,
) -> None:
    """Segment each IMAGE (NIfTI) with a trained model.

    Each mask is on its image's own grid, with a sidecar that says how it came about, and whether it
    is empty or touches the border of the image. A mask that is there already is an error, before
    anything is computed. Of a release nothing is run: checkpoints that hold more than weights are
    refused. Computes with the `cores` and on the `device` of site.toml.

    \b
    Examples:
      code/study segment --out masks image.nii.gz
      code/study segment --model phantom-general.zip --out masks image.nii.gz
    """
    os.environ.update(machine_variables())
    study = load_study(ROOT, name)
    begun = time.monotonic()
    for path in masks_of(study, images, models, out, sha256=sha256, force=force, tell=True):
        say(path)
    say(f"{len(images)} images in {in_words(time.monotonic() - begun)}", err=True)


def masks_of(
    study: Study,
    images: Sequence[Path],
    models: Sequence[str],
    out: Path,
    *,
    sha256: str = "",
    force: bool = False,
    tell: bool = False,
) -> list[Path]:
    """Segment images with models of a study, by name, or with releases, by path; the masks, of each
    image those by each model. Raises StudyError where a mask is there already, unless `force`d;
    with `tell` says on standard error what it is about to do."""
    _check_images(images)
    if not force:
        _check_no_mask(images, models, out)
    if sha256 and len(models) != 1:
        raise StudyError("--sha256 is of one model", hint="segment with one at a time")
    with ExitStack() as stack:
        chosen = [_chosen(study, model, stack, sha256) for model in models]
        from cordstudy.pipeline.learning.segmenter import segment as segment_images  # torch: 3 s

        names = [model.name for model in chosen]
        if len(set(names)) < len(names):
            raise StudyError(
                f"two models are called {max(names, key=names.count)}",
                hint="segment with one at a time",
            )
        if not force:  # a release's name is known now
            _check_no_mask(images, names, out)
        if tell:
            device = os.environ.get("CORDSTUDY_DEVICE") or "cpu"
            say(f"segmenting {len(images)} images with {', '.join(names)} on {device}", err=True)

        def begins(number: int) -> None:
            if tell and not sys.stderr.isatty():  # where a bar does
                say(f"image {number + 1} of {len(images)}: {inline(images[number])}", err=True)

        return segment_images(chosen, images, out, program=_program(), tell=begins)


def _check_images(images: Sequence[Path]) -> None:
    """Raise StudyError for an image that is not there, or whose content is not."""
    for image in images:
        if image.exists():
            continue
        if image.is_symlink():
            raise StudyError(f"{image}: its content is not here", hint=f"datalad get {image}")
        raise StudyError(f"{image}: there is no such file", hint="name a NIfTI image (.nii.gz)")


def _check_no_mask(images: Sequence[Path], models: Sequence[str], out: Path) -> None:
    """Raise StudyError where a mask would replace a file."""
    from cordstudy.pipeline.learning.segmenter import output_path

    for image in images:
        for model in models:
            mask = output_path(image, out, model if len(models) > 1 else "")
            if mask.exists() or mask.is_symlink():
                raise StudyError(
                    f"{mask} is there already", hint="another --out, or --force to replace it"
                )


def _chosen(study: Study, word: str, stack: ExitStack, sha256: str) -> Segmenting:
    """The model that a word stands for. Raises StudyError for one that is none."""
    known = models_of(study)
    if word in known:
        if sha256:
            raise StudyError(f"--sha256: {word} is a model of the study", hint="its key tells it")
        return _of_study(study, word)
    if word in [model.name for model in untrained_models(study)]:
        raise StudyError(
            f"{word} is no network of the study, and segments only what the study has converted",
            hint=f"one of: {', '.join(known)}",
        )
    path = Path(word)
    if not path.exists() and path.suffix not in RELEASED and "/" not in word:
        raise StudyError(
            f"the study has no model {word!r}, and there is no such file or folder",
            hint=f"{did_you_mean(word, known)}one of: {', '.join(known)}; or a release",
        )
    return _released(path, stack, sha256)


def _of_study(study: Study, name: str) -> Segmenting:
    from cordstudy.pipeline.learning.segmenter import Segmenting
    from cordstudy.pipeline.release.archive import sha256

    folder = _trained_folder(study, name)
    layout, model = Layout(study), models_of(study)[name]
    paths = [f"{layout.fold(model, 1, fold)}/checkpoint_final.pth" for fold in study.train.folds]
    return Segmenting(
        name=name,
        folder=folder,
        folds=tuple(study.train.folds),
        mirror_axes=tuple(study.predict.mirror_axes),
        tile_step=study.predict.tile_step,
        about={
            "Name": f"{study.name}-{name}",
            "Commit": _commit_of(paths),
            "SHA256": {Path(path).parent.name: sha256(ROOT / path) for path in paths},
        },
    )


def _released(path: Path, stack: ExitStack, sha256: str) -> Segmenting:
    from cordstudy.pipeline.learning.segmenter import Segmenting
    from cordstudy.pipeline.release.loading import unpack_weights
    from cordstudy.pipeline.release.opening import opened

    model = stack.enter_context(opened(path, expected=sha256, weights=unpack_weights))
    if not model.checked_by:
        say(f"note: nothing tells which SHA-256 {path} should have: --sha256", err=True)
    about = {"Name": model.name, "Version": model.version, "SHA256": model.sha256}
    about["Commit"] = _commit_of([str(path.parent.resolve() / path.name)])
    return Segmenting(
        name=model.name,
        folder=model.folder,
        folds=model.folds,
        mirror_axes=ALL_AXES,
        tile_step=model.tile_step,
        about={key: value for key, value in about.items() if value},
    )


def _program() -> dict[str, object]:
    """What a sidecar tells of this program: its commit, and whether the code is other than that."""
    told: dict[str, object] = {"Name": "cordstudy segment", "Version": version()}
    if not HISTORY.exists():
        return told
    told["Commit"] = head(ROOT)
    if git(ROOT, "status", "--porcelain", "--", "code").strip():
        told["Changed"] = True
    return told


def _commit_of(paths: Sequence[str]) -> str:
    """The newest commit of this study that changed files; empty where there is none, they are not
    of this study, or are other than committed.

    No other repository is asked: git runs what the configuration of one says (`gpg.program`).
    """
    if not HISTORY.exists():
        return ""
    try:
        commit = git(ROOT, "log", "-1", "--format=%H", "--", *paths).strip()
    except StudyError:  # outside of it
        return ""
    return commit if commit and git_ok(ROOT, "diff", "--quiet", "HEAD", "--", *paths) else ""


def _trained_folder(study: Study, name: str) -> Path:
    """The folder of a model whose checkpoints are here; raises StudyError for another."""
    models = models_of(study)
    layout = Layout(study)
    for fold in study.train.folds:
        checkpoint = f"{layout.fold(models[name], 1, fold)}/checkpoint_final.pth"
        path = ROOT / checkpoint
        if path.exists():
            continue
        if path.is_symlink():
            hint = f"datalad get {os.path.relpath(path)}"
            raise StudyError(f"{path}: its content is not here", hint=hint)
        raise StudyError(f"{path}: not trained yet", hint=f"code/study run train:{name}:fold{fold}")
    return ROOT / layout.model(models[name])
