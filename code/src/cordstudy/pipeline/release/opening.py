"""A release, from anywhere, as a model folder that can segment.

Owns: what a person may give (a release's folder or archive, its model folder, its weights alone),
that its files are those that its checksums tell of, and what is known of it.
Does not own: loading checkpoints, of which nothing is ever run (`learning.checkpoints`), or
segmenting (`learning.segmenter`).
"""

from __future__ import annotations

import re
import runpy
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_json, shaped
from cordstudy.pipeline.release.archive import files_below, read_checksums, sha256
from cordstudy.pipeline.release.inference import FILE as INFERENCE
from cordstudy.pipeline.release.inference import Inference

SUMS = "SHA256SUMS"
LOADER = "load.py.txt"
TRAINERS = "nnUNetTrainer*"
LARGEST = 4 * 2**30
"""Bytes of all files of an archive together; five folds of a full network have about 1 GB."""
WANTED = ("*.json", "*.txt", "*.tsv", "*.md", "fold_*/*.pth", "fold_*/*.txt", SUMS)
"""What is taken out of an archive; nothing of it is run, and pickles of functions stay there."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LEAST_STEP = 0.1
"""Of tiles, as a share of the patch; below, there is no end of them."""
GET = "get it again, from where it is published"


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


@contextmanager
def opened(given: Path, *, expected: str = "") -> Iterator[Opened]:
    """A model from a release's folder, archive or weights, or a model folder of nnU-Net's.

    `expected` is the SHA-256 that the file, or a folder's SHA256SUMS, should have. Raises
    StudyError for anything else, and where a file is not as its checksum says.
    """
    if given.is_dir():
        folder = _model_folder(given)
        yield _known(given, folder, *_check_folder(given, folder, expected))
        return
    if not given.is_file():
        raise StudyError(f"{given}: no such file or folder", hint="a model of the study, or a path")
    digest, checked_by = _check_file(given, expected)
    with tempfile.TemporaryDirectory() as scratch:
        folder = _unpacked(given, Path(scratch))
        checked_by = _check_sums(folder / SUMS, given) or checked_by
        yield _known(given, folder, digest, checked_by)


def _unpacked(given: Path, scratch: Path) -> Path:
    """The model folder in a file."""
    if given.suffix == ".safetensors":
        folder = scratch / "model"
        _unpack_weights(given, folder)
        return folder
    if zipfile.is_zipfile(given):
        _unpack_zip(given, scratch)
        return _model_folder(scratch, told=given)
    raise StudyError(
        f"{given}: no release: neither an archive nor a file of safetensors",
        hint="NAME.zip or NAME.safetensors of a release, its folder, or a model of the study",
    )


def _unpack_weights(given: Path, folder: Path) -> None:
    loader = runpy.run_path(str(Path(__file__).with_name(LOADER)))
    try:
        loader["unpack"](given, folder)
    except Exception as error:  # whatever a damaged file makes of it
        raise StudyError(f"{given}: no weights of a release: {error}", hint=GET) from error


def _unpack_zip(given: Path, scratch: Path) -> None:
    """Take the files of a model out of an archive. Raises StudyError for one that would write
    elsewhere, or very much."""
    try:
        with zipfile.ZipFile(given) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise StudyError(f"{given}: it holds more than {LARGEST >> 30} GB", hint=GET)
            for entry in entries:
                path = PurePosixPath(entry.filename)
                if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
                    raise StudyError(f"{given}: {entry.filename} would lie elsewhere", hint=GET)
                if any(path.match(wanted) for wanted in WANTED):
                    place = scratch / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as source, place.open("wb") as target:
                        shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise StudyError(f"{given}: a damaged archive: {error}", hint=GET) from error


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
    told = expected.lower()
    by = "--sha256"
    if not told and beside.is_file():
        told, by = read_checksums(beside).get(given.name, ""), str(beside)
    if told and told != digest:
        raise StudyError(f"{given}: its SHA-256 is {digest}, {by} says {told}", hint=GET)
    return digest, by if told else ""


def _check_folder(given: Path, folder: Path, expected: str) -> tuple[str, str]:
    """SHA-256 of the list of checksums of a folder that has one, once its files are as that says;
    and the list."""
    for place in dict.fromkeys((given, folder)):
        sums = place / SUMS
        if sums.is_file():
            digest = sha256(sums)
            if expected and expected.lower() != digest:
                raise StudyError(f"{sums}: its SHA-256 is {digest}, not {expected}", hint=GET)
            return digest, _check_sums(sums, given)
    if expected:
        raise StudyError(f"{given}: no {SUMS} in it to compare with --sha256", hint=GET)
    return "", ""


def _check_sums(sums: Path, given: Path) -> str:
    """The list of checksums, once all files of a model that it tells of are as it says; empty where
    there is none."""
    if not sums.is_file():
        return ""
    told = read_checksums(sums)
    here = set(files_below(sums.parent))
    for name in sorted(here & told.keys()):
        if sha256(sums.parent / name) != told[name]:
            raise StudyError(f"{given}: {name} is not as {SUMS} says", hint=GET)
    needed = [name for name in told if name.endswith((".pth", "plans.json")) and name not in here]
    if needed:
        raise StudyError(f"{given}: {needed[0]} is told of in {SUMS} and is not there", hint=GET)
    strange = [name for name in here - told.keys() if name.endswith(".pth")]
    if strange:
        raise StudyError(f"{given}: {strange[0]} is none of the files of {SUMS}", hint=GET)
    return SUMS


def _known(given: Path, folder: Path, digest: str, checked_by: str) -> Opened:
    """What is known of a model: how it segments is in its own texts."""
    path = folder / INFERENCE
    told = Inference(given.name, "", (), 0.5)
    if path.is_file():
        try:
            told = shaped(Inference, read_json(path, hint=GET))
        except ValueError as error:
            raise StudyError(f"{given}: {INFERENCE}: {error}", hint=GET) from error
        _check_inference(told, given)
    return Opened(
        name=told.name,
        folder=folder,
        folds=told.folds or _folds(given, folder),
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
    paths = folder.glob("fold_[0-9]*/checkpoint_final.pth")
    found = sorted(int(path.parent.name.removeprefix("fold_")) for path in paths)
    if not found:
        raise StudyError(f"{given}: no fold_K/checkpoint_final.pth in it", hint=GET)
    return tuple(found)
