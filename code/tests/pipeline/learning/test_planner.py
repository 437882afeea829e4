"""A raw dataset that nnU-Net cannot use as a whole is refused, and not planned for in part."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_json, write_table
from cordstudy.pipeline.learning import preprocessor
from cordstudy.pipeline.learning.planner import plan
from cordstudy.pipeline.raw.dataset_json import write_dataset_json
from cordstudy.pipeline.raw.names import image_path, mask_path
from helpers import OF_CORD

SHAPE = (20, 18, 16)
RPI = np.diag([-1.0, 1, 1, 1])
NAMES = ["x_1", "x_2", "x_3"]


def write(path: Path, voxels: np.ndarray, kind: type[nib.Nifti1Image] = nib.Nifti1Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    nib.save(kind(voxels, RPI), path)


def mask() -> np.ndarray:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[8:12, 8:12] = 1
    return voxels


def image(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(1, 900, SHAPE).astype(np.int16)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A raw dataset of three cases to train on."""
    raw = tmp_path / "Dataset501_x"
    for number, name in enumerate(NAMES):
        write(raw / image_path("train", name), image(number))
        write(raw / mask_path("train", name), mask())
    write_table(raw / "cases.tsv", ["case_id", "part"], [[name, "train"] for name in NAMES])
    write_dataset_json(raw, OF_CORD, name="x", trained=len(NAMES))
    return raw


def test_a_whole_dataset_is_planned_for(dataset):
    made = plan(dataset, configuration="2d", reduction=None)
    assert made["plans.json"]["image_reader_writer"] == "SimpleITKIO"
    assert len(made["dataset_fingerprint.json"]["spacings"]) == len(NAMES)


def test_planning_and_preprocessing_fork_no_process(dataset, tmp_path, monkeypatch):
    """Each child would be as large as this one, and a record's peak of memory a dozen times it."""
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process is forked"))
    model, arrays = tmp_path / "model", tmp_path / "arrays"
    for name, text in plan(dataset, configuration="2d", reduction=None).items():
        write_json(model / name, text)
    preprocessor._preprocess(dataset, model, "2d", arrays)
    assert len(list(arrays.rglob("*.b2nd"))) == 2 * len(NAMES)


FAULTS = {
    "an image that is not there": (
        lambda raw: (raw / image_path("train", "x_2")).unlink(),
        "there is no .*x_2_0000.nii.gz",
    ),
    "a mask whose content is not here": (
        lambda raw: (
            (raw / mask_path("train", "x_2")).unlink(),
            (raw / mask_path("train", "x_2")).symlink_to(".git/annex/objects/x"),
        ),
        "x_2.nii.gz: its content is not here",
    ),
    "a first image that ITK does not read": (
        lambda raw: write(raw / image_path("train", "x_1"), image(0), nib.Nifti2Image),
        "nnU-Net cannot use all of its images",
    ),
    "a last image that ITK does not read": (
        lambda raw: write(raw / image_path("train", "x_3"), image(2), nib.Nifti2Image),
        "nnU-Net cannot use all of its images",
    ),
    "a mask of another size": (
        lambda raw: write(raw / mask_path("train", "x_2"), mask()[1:]),
        "nnU-Net cannot use all of its images",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_dataset_is_refused_with(dataset, name):
    damage, said = FAULTS[name]
    damage(dataset)
    with pytest.raises(StudyError, match=said) as raised:
        plan(dataset, configuration="2d", reduction=None)
    assert raised.value.hint and "\n" not in str(raised.value)
