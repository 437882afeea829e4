"""Which predictions are judged, and their rows."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.evaluate import COLUMNS, pairs, score
from cordstudy.pipeline.judging.scores import COLUMNS as NEEDED
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, RawCase, write_cases

CASE = "epi_sub-1"


def write_mask(path: Path, shape: tuple[int, int, int] = (4, 4, 4)) -> None:
    voxels = np.zeros(shape, np.uint8)
    voxels[1, 1, 1:3] = 1
    path.parent.mkdir(parents=True)
    nib.Nifti1Image(voxels, np.eye(4)).to_filename(path)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw dataset of one case to test on and one to train on."""
    folder = tmp_path / "Dataset503_epi"
    cases = []
    for name, part in ((CASE, "test"), ("epi_sub-2", "train")):
        values = dict.fromkeys(CASE_COLUMNS, "n/a")
        values |= {"case_id": name, "dataset": "epi", "part": part}
        cases.append(RawCase(**values))
    write_mask(folder / f"labelsTs/{CASE}.nii.gz")
    write_cases(folder, cases)
    return folder


def test_every_test_case_is_paired_with_each_training_of_each_model(raw):
    folders = [Path("predictions/general"), Path("predictions/general.2")]
    made = list(pairs([raw], folders, 1.0))
    assert [(pair.model, pair.replicate) for pair in made] == [("general", 1), ("general", 2)]
    assert {pair.case.case_id for pair in made} == {CASE}
    assert made[1].prediction == Path(f"predictions/general.2/epi/{CASE}.nii.gz")


def test_a_row_has_every_column_and_a_perfect_prediction_the_best_measures(raw, tmp_path):
    write_mask(tmp_path / f"general/epi/{CASE}.nii.gz")
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    row = dict(zip(COLUMNS, score(pair).row(), strict=True))
    assert set(NEEDED) <= set(COLUMNS), "what the statistics need"
    assert (row["model"], row["testset"], row["case_id"]) == ("general", "epi", CASE)
    assert (row["voxels_ref"], row["voxels_pred"], row["dice"], row["assd_mm"]) == (2, 2, 1, 0)


def test_a_missing_prediction_is_a_row_and_not_a_case_less(raw, tmp_path):
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    row = dict(zip(COLUMNS, score(pair).row(), strict=True))
    assert (row["voxels_ref"], row["voxels_pred"], row["dice"]) == (2, 0, 0)
    assert row["relative_volume_error"] == -1


def test_a_prediction_on_another_grid_is_an_error_that_names_both(raw, tmp_path):
    write_mask(tmp_path / f"general/epi/{CASE}.nii.gz", (4, 4, 5))
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    with pytest.raises(StudyError, match=r"general/epi/.*\(4, 4, 5\) voxels, its reference"):
        score(pair)
