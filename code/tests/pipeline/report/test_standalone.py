"""The two pictures that stand alone: the same bytes each time, small, and there for any study."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.judging.comparisons import compare_models
from cordstudy.pipeline.raw.names import TEST, image_path, mask_file, mask_path
from cordstudy.pipeline.report.gallery import Gallery
from cordstudy.pipeline.report.standalone import forest_picture, segmentation_picture
from made_picture import made_picture
from simulated import SPECIFICS, judged_model, settings, settings_of, simulated

MOST_BYTES = 150_000
PNG = b"\x89PNG"


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Of three cases on a test set that a model learned from and two that none did; files of one
    made-up picture."""
    scores = simulated(np.random.default_rng(1), n=3, shift=0.0, testsets="auv")
    scores = scores.assign(case_id=scores["testset"] + "_" + scores["participant_id"])
    picture = made_picture()
    for testset, case_id in (
        scores[["testset", "case_id"]].drop_duplicates().itertuples(index=False)
    ):
        masks = {
            tmp_path / testset / mask_path(TEST, case_id): "reference",
            tmp_path / "general" / testset / mask_file(case_id): "general",
            tmp_path / "c" / testset / mask_file(case_id): "specific",
        }
        for path, name in masks.items():
            write(path, picture.masks[name].astype(np.uint8), picture.image.affine)
        write(tmp_path / testset / image_path(TEST, case_id), picture.voxels, picture.image.affine)
    return Gallery(
        scores=scores,
        settings=settings(datasets="auv"),
        best_specific=dict.fromkeys("auv", "c"),
        raws={testset: tmp_path / testset for testset in "auv"},
        predictions={model: tmp_path / model for model in ("general", "c")},
    )


def write(path: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(voxels, affine).to_filename(path)


def test_the_forest_plot_is_small_and_comes_out_the_same():
    judged = settings(datasets="au")
    scores = simulated(np.random.default_rng(2), n=6, shift=0.01, testsets="au")
    rows = compare_models(scores, judged)
    made = forest_picture(rows, judged)
    assert made == forest_picture(rows, judged)
    assert made != forest_picture(rows, judged, warning="Training and test data overlap")
    assert made.startswith(PNG) and len(made) < MOST_BYTES


def test_a_study_of_one_model_has_a_forest_plot_that_says_so():
    judged = settings_of([judged_model("only", "general", SPECIFICS)], "t")
    assert forest_picture([], judged).startswith(PNG)


def test_the_segmentation_is_small_and_comes_out_the_same(gallery):
    made = segmentation_picture(gallery)
    assert made == segmentation_picture(gallery)
    assert made.startswith(PNG) and len(made) < MOST_BYTES


def test_the_segmentation_shows_unseen_test_sets_or_any_where_none_is_unseen(gallery):
    unseen = segmentation_picture(gallery)
    home = Gallery(**{**vars(gallery), "settings": settings(datasets="a")})
    assert unseen != segmentation_picture(home)
    alone = Gallery(**{**vars(gallery), "best_specific": {}})
    assert segmentation_picture(alone).startswith(PNG)
