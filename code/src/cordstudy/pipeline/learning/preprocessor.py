"""Preprocessing by nnU-Net v2, and the cache of the arrays that it makes.

Owns: calling nnU-Net's own preprocessor; where a dataset's arrays are kept, and that they are
whole and what their address says.
Does not own: training on them (`trainer`), or preprocessing an image for prediction (`predictor`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from cordstudy.base.machine import cache_folder, progress
from cordstudy.base.tables import write_json
from cordstudy.pipeline.learning.nnunet import listed_in_threads, nnunet_folders
from cordstudy.pipeline.learning.plans import read_plans

SEAL = "SHA256SUMS.json"


def preprocessed(dataset: Path, model: Path, *, configuration: str) -> Path:
    """The folder of a dataset's preprocessed arrays, made when the cache lacks it.

    The cache is addressed by the content that determines it: plans, dataset.json and every
    training file. Each file is checked against its recorded checksum before use; a folder
    that fails is made again. Returns a folder that serves as `nnUNet_preprocessed`.
    """
    address = _address(dataset, model, configuration)
    place = cache_folder() / "preprocessed" / address
    if not _intact(place):
        building = place.with_name(f"{address}.{os.getpid()}")
        try:
            _preprocess(dataset, model, configuration, building / dataset.name)
            _seal(building)
            _put(building, place)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return place


def file_sha256(path: Path) -> str:
    """The digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _put(building: Path, place: Path) -> None:
    """Give a folder its name; never in place of a whole one, which a training beside may read."""
    if _intact(place):
        return
    shutil.rmtree(place, ignore_errors=True)
    try:
        building.rename(place)
    except OSError:
        if not _intact(place):  # else another process was faster: its folder is as good
            raise


def _address(dataset: Path, model: Path, configuration: str) -> str:
    digest = hashlib.sha256(configuration.encode())
    for path in (model / "plans.json", model / "dataset.json", *sorted(dataset.glob("*Tr/*"))):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()[:32]


def _seal(folder: Path) -> None:
    """Write down the digest of each file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = {str(path.relative_to(folder)): file_sha256(path) for path in files}
    write_json(folder / SEAL, sums)


def _intact(folder: Path) -> bool:
    """Whether a folder is there, and each file in it is as it was sealed."""
    seal = folder / SEAL
    if not seal.is_file():
        return False
    try:
        sums = json.loads(seal.read_text("utf-8"))
    except ValueError:
        return False
    for name, digest in sums.items():
        path = folder / name
        if not path.is_file() or file_sha256(path) != digest:
            return False
    return True


def _preprocess(dataset: Path, model: Path, configuration: str, out: Path) -> None:
    """Write the arrays of every training case into a new folder."""
    plans, dataset_json = read_plans(model)
    manager = PlansManager(plans)
    chosen = manager.get_configuration(configuration)
    arrays = out / chosen.data_identifier
    arrays.mkdir(parents=True)
    preprocessor = DefaultPreprocessor(verbose=False)
    with nnunet_folders(raw=dataset.parent), listed_in_threads():
        cases = get_filenames_of_train_images_and_targets(str(dataset), dataset_json)
    for case in progress(sorted(cases), total=len(cases), what="preprocess"):
        files = cases[case]
        preprocessor.run_case_save(
            str(arrays / case), files["images"], files["label"], manager, chosen, dataset_json
        )
