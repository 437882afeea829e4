"""A release, from anywhere, as a model folder that can segment.

Owns: what a person may give (a release's folder or archive, its model folder, its weights alone),
that its files are those that its checksums tell of, and what is known of it.
Does not own: taking files apart (`unpacking`), what a model may hold (`trusting`), or segmenting
(`learning.segmenter`).
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_json, shaped
from cordstudy.base.within import missing, regular
from cordstudy.pipeline.learning.postprocessing import FILE as POSTPROCESSING
from cordstudy.pipeline.release.archive import files_below, read_checksums, sha256
from cordstudy.pipeline.release.inference import FILE as INFERENCE
from cordstudy.pipeline.release.inference import Inference
from cordstudy.pipeline.release.trusting import CHECKPOINT, check_model
from cordstudy.pipeline.release.unpacking import GET, unpack_zip

SUMS = "SHA256SUMS"
TRAINERS = "nnUNetTrainer*"
READ = ("plans.json", "dataset.json", INFERENCE, POSTPROCESSING, CHECKPOINT)
"""The files of a model that a mask depends on."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
FOLD = re.compile(r"fold_(0|[1-9][0-9]*)")
LEAST_STEP = 0.1
"""Of tiles, as a share of the patch; below, there is no end of them."""


@dataclass(frozen=True)
class Opened:
    """A model that can segment, and what is known of where it comes from."""

    name: str
    folder: Path
    folds: tuple[int, ...]
    tile_step: float
    version: str
    """Empty where nothing tells of it."""
    sha256: str
    """Of the file that was given, or of the list of checksums of a folder; empty without one."""
    checked_by: str
    """What told which bytes it should have; empty where nothing did."""


Unpack = Callable[[Path, Path], None]
"""Takes a file apart into a folder."""


@contextmanager
def opened(given: Path, *, expected: str = "", weights: Unpack | None = None) -> Iterator[Opened]:
    """A model from a release's folder or archive, or a model folder of nnU-Net's; from weights
    alone where `weights` takes these apart (`loading.unpack_weights`).

    `expected` is the SHA-256 that the file, or a folder's SHA256SUMS, should have. Raises
    StudyError for anything else, and where a file is not as its checksum says.
    """
    if given.is_dir():
        folder = _model_folder(given)
        yield _known(given, folder, *_check_folder(given, folder, expected))
        return
    if not given.exists() and not given.is_symlink():
        raise StudyError(f"{given}: no such file or folder", hint="a model of the study, or a path")
    digest, checked_by = _check_file(regular(given), expected)
    with tempfile.TemporaryDirectory() as scratch, _told_as(given, scratch):
        folder = _unpacked(given, Path(scratch), weights)
        _check_sums(folder / SUMS, folder, given)  # tells of damage alone: it came along
        yield _known(given, folder, digest, checked_by)


@contextmanager
def _told_as(given: Path, scratch: str) -> Iterator[None]:
    """Have an error name the file that was given, where it names what was unpacked of it."""
    try:
        yield
    except StudyError as error:
        raise StudyError(str(error).replace(scratch, str(given)), hint=error.hint) from error


def _unpacked(given: Path, scratch: Path, weights: Unpack | None) -> Path:
    """The model folder in a file."""
    if weights and given.suffix == ".safetensors":
        folder = scratch / "model"
        weights(given, folder)
        return folder
    if zipfile.is_zipfile(given):
        unpack_zip(given, scratch)
        return _model_folder(scratch, told=given)
    raise StudyError(
        f"{given}: no release: neither an archive nor a file of safetensors",
        hint="NAME.zip or NAME.safetensors of a release, its folder, or a model of the study",
    )


def _model_folder(place: Path, *, told: Path | None = None) -> Path:
    """The one folder in or below a place that nnU-Net would take for a trained model."""
    if (place / "plans.json").exists():
        return place
    found = sorted(path.parent for path in place.glob(f"**/{TRAINERS}/plans.json"))
    found = [folder for folder in found if "replicate" not in folder.name]
    if len(found) != 1:
        what = f"{len(found)} models" if found else "no model"
        raise StudyError(
            f"{told or place}: {what} in it: one folder {TRAINERS} with plans.json is needed",
            hint="name the folder of one",
        )
    return found[0]


def _check_file(given: Path, expected: str) -> tuple[str, str]:
    """SHA-256 of a file, and what told of it: the caller, or the list beside the file. Raises
    StudyError where it is another."""
    digest = sha256(given)
    beside = given.with_name(SUMS)
    told, by = expected, "--sha256"
    if not told and beside.is_file():
        told, by = read_checksums(beside).get(given.name, ""), str(beside)
    if told and told != digest:
        raise StudyError(f"{given}: its SHA-256 is {digest}, {by} says {told}", hint=GET)
    return digest, by if told else ""


def _check_folder(given: Path, folder: Path, expected: str) -> tuple[str, str]:
    """SHA-256 of the list of checksums of a folder that has one, once its files are as that says;
    and what told of it."""
    for place in dict.fromkeys((given, folder)):
        sums = place / SUMS
        if sums.is_file():
            digest = sha256(sums)
            if expected and expected != digest:
                raise StudyError(f"{sums}: its SHA-256 is {digest}, not {expected}", hint=GET)
            checked_by = _check_sums(sums, folder, given)
            return digest, "--sha256" if expected else checked_by
    if expected:
        raise StudyError(f"{given}: no {SUMS} in it to compare with --sha256", hint=GET)
    return "", ""


def _check_sums(sums: Path, folder: Path, given: Path) -> str:
    """The list of checksums, once it tells of all files of a model, and all that are there are as
    it says; empty where there is none."""
    if not sums.is_file():
        return ""
    told, place = read_checksums(sums), sums.parent
    here = set(files_below(place))
    for name in sorted(here & told.keys()):
        if sha256(place / name) != told[name]:
            raise StudyError(f"{given}: {name} is not as {SUMS} says", hint=GET)
    for name in told:
        path = place / name
        if path.name in READ and folder in path.parents and name not in here:
            if path.is_symlink():
                raise missing(path)
            raise StudyError(f"{given}: {name} is told of in {SUMS} and is not there", hint=GET)
    for name in sorted(here - told.keys()):
        path = place / name
        if folder in path.parents and path != sums and not path.name.startswith("."):
            raise StudyError(f"{given}: {name} is none of the files of {SUMS}", hint=GET)
    return SUMS


def _known(given: Path, folder: Path, digest: str, checked_by: str) -> Opened:
    """What is known of a model: how it segments is in its own texts."""
    path = folder / INFERENCE
    told = Inference(given.resolve().name, "", (), 0.5)
    if path.exists():
        try:
            told = shaped(Inference, read_json(path, hint=GET))
        except ValueError as error:
            raise StudyError(f"{given}: {INFERENCE}: {error}", hint=GET) from error
        _check_inference(told, given)
    folds = told.folds or _folds(given, folder)
    check_model(folder, folds, hint=GET)
    return Opened(
        name=told.name,
        folder=folder,
        folds=folds,
        tile_step=told.tile_step,
        version=told.version,
        sha256=digest,
        checked_by=checked_by,
    )


def _check_inference(told: Inference, given: Path) -> None:
    """Raise StudyError for a name that would be a path, and for tiles or folds that cannot be."""
    for key, is_fault in (
        ("name", not NAME.fullmatch(told.name)),
        ("tile_step", not LEAST_STEP <= told.tile_step <= 1),
        ("folds", any(fold < 0 for fold in told.folds)),
    ):
        if is_fault:
            value = getattr(told, key)
            raise StudyError(f"{given}: {INFERENCE}: {key}: {value!r} cannot be", hint=GET)


def _folds(given: Path, folder: Path) -> tuple[int, ...]:
    """The trained folds of a folder."""
    names = [path.parent.name for path in folder.glob(f"fold_*/{CHECKPOINT}")]
    found = sorted(int(match[1]) for match in map(FOLD.fullmatch, names) if match)
    if not found:
        raise StudyError(f"{given}: no fold_K/{CHECKPOINT} in it", hint=GET)
    return tuple(found)
