"""Which predictions are judged, and their rows."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_table
from cordstudy.pipeline.judging.evaluate import COLUMNS, command, pairs, score, training_of
from cordstudy.pipeline.judging.scores import COLUMNS as NEEDED
from cordstudy.pipeline.raw.components import OTHERS, TABLE
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, RawCase, write_cases

CASE = "epi_sub-1"


RPI = np.diag([-1.0, 1, 1, 1])


def mask(shape: tuple[int, ...] = (4, 4, 4), affine: np.ndarray = RPI) -> nib.Nifti1Image:
    voxels = np.zeros(shape, np.uint8)
    voxels[1, 1, 1:3] = 1
    return nib.Nifti1Image(voxels, affine)


def in_unit(mm: float, unit: str) -> nib.Nifti1Image:
    """The mask with voxels of 1 mm, stored in a unit of so many mm."""
    affine = RPI / mm
    affine[3, 3] = 1
    made = mask(affine=affine)
    made.header.set_xyzt_units(unit, "sec")
    return made


def write_mask(path: Path, made: nib.Nifti1Image | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(made or mask(), path)


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


def test_every_test_case_is_paired_with_each_training_of_each_model(raw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [Path("predictions/general"), Path("predictions/general.2")]
    for folder in folders:
        (folder / "epi").mkdir(parents=True)
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
    (tmp_path / "general/epi").mkdir(parents=True)
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    row = dict(zip(COLUMNS, score(pair).row(), strict=True))
    assert (row["voxels_ref"], row["voxels_pred"], row["dice"]) == (2, 0, 0)
    assert row["relative_volume_error"] == -1


@pytest.mark.parametrize("kept", ["largest component", "all components"])
def test_dice_is_told_with_all_components_and_with_the_largest_whichever_is_kept(
    kept, raw, tmp_path
):
    """The cord has two voxels; three others, apart, were predicted too: they are the larger."""
    cord, other = np.asarray(mask().dataobj), np.zeros((4, 4, 4), np.uint8)
    other[3, 3, 0:3] = 1
    largest = kept == "largest component"
    made = other if largest else other + cord
    write_mask(tmp_path / f"general/epi/{CASE}.nii.gz", nib.Nifti1Image(made, RPI))
    folder = tmp_path / "general" / OTHERS
    if largest:
        write_mask(folder / f"{CASE}.nii.gz", nib.Nifti1Image(cord, RPI))
    write_table(folder / TABLE, ["case_id", "keep"], [(CASE, kept)])
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    row = dict(zip(COLUMNS, score(pair).row(), strict=True))
    assert row["keep"] == kept
    assert row["dice"] == (0 if largest else 2 * 2 / (5 + 2))
    assert (row["dice_all_components"], row["dice_largest_component"]) == (4 / 7, 0)


def moved(by: float) -> nib.Nifti1Image:
    affine = RPI.copy()
    affine[0, 3] = by
    return mask(affine=affine)


SAME = {
    "flipped": mask().as_reoriented([[0, -1], [1, 1], [2, 1]]),
    "turned": mask().as_reoriented([[2, 1], [0, -1], [1, -1]]),
    "with a fourth axis": mask((4, 4, 4, 1)),
    "in micron": in_unit(0.001, "micron"),
    "moved by rounding": moved(1e-3),
}


@pytest.mark.parametrize("name", SAME)
def test_a_prediction_at_the_same_places_is_judged_however_it_is_stored(raw, tmp_path, name):
    write_mask(tmp_path / f"general/epi/{CASE}.nii.gz", SAME[name])
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    assert score(pair).measures["dice"] == 1


NAN = nib.Nifti1Image(np.full((4, 4, 4), np.nan, np.float32), RPI)
OTHER = {
    "of another size": (mask((4, 4, 5)), r"not on the grid of .*\(4, 4, 5\) voxels"),
    "20 mm off": (moved(20), r"not on the grid of .* from \(20\.000"),
    "a voxel off": (moved(1), "not on the grid of"),
    "of NaN": (NAN, "64 voxels are NaN"),
    "of two volumes": (mask((4, 4, 4, 2)), "4 dimensions"),
    "of several labels": (
        nib.Nifti1Image(np.arange(64, dtype=np.uint8).reshape(4, 4, 4), RPI),
        "64 different values up to 63: labels",
    ),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_prediction_is_refused(raw, tmp_path, name):
    made, words = OTHER[name]
    path = tmp_path / f"general/epi/{CASE}.nii.gz"
    write_mask(path, made)
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    with pytest.raises(StudyError, match=words) as raised:
        score(pair)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "name", [f"{CASE}.nii", f"{CASE}.NII.GZ", f"{CASE}_0000.nii.gz", f"{CASE}_seg.nii.gz", "x.nii"]
)
def test_a_prediction_under_another_name_is_refused_and_no_failure(raw, tmp_path, name):
    write_mask(tmp_path / "general/epi" / "x.nii.gz")
    (tmp_path / "general/epi/x.nii.gz").rename(tmp_path / "general/epi" / name)
    with pytest.raises(StudyError, match=f"{name}: no prediction of a case of epi"):
        list(pairs([raw], [tmp_path / "general"], 1.0))


def test_a_test_set_that_was_not_predicted_is_refused_and_no_failure(raw, tmp_path):
    with pytest.raises(StudyError, match=r"there is no folder .* with predictions of epi"):
        list(pairs([raw], [tmp_path / "general"], 1.0))


def test_a_prediction_that_is_damaged_or_not_here_is_refused_and_no_failure(raw, tmp_path):
    path = tmp_path / f"general/epi/{CASE}.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"junk" * 200)
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    with pytest.raises(StudyError, match="cannot be read as NIfTI"):
        score(pair)
    path.unlink()
    path.symlink_to(".git/annex/objects/x")
    with pytest.raises(StudyError, match="its content is not here"):
        score(pair)


@pytest.mark.parametrize(("mm", "unit"), [(1, "mm"), (0.001, "micron"), (1000, "meter")])
def test_measures_are_in_mm_whatever_the_unit_of_the_files(raw, tmp_path, mm, unit):
    write_mask(raw / f"labelsTs/{CASE}.nii.gz", in_unit(mm, unit))
    wrong = in_unit(mm, unit)
    np.asarray(wrong.dataobj)[1, 1, 3] = 1
    write_mask(tmp_path / f"general/epi/{CASE}.nii.gz", wrong)
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    measures = score(pair).measures
    assert measures["csa_ref_mm2"] == pytest.approx(1)
    assert measures["hd95_mm"] == pytest.approx(1)


def oblique(voxels: np.ndarray, seed: int) -> nib.Nifti1Image:
    """Voxels of 1 mm along axes turned a little, as rounded as headers have them."""
    turn = np.random.default_rng(seed).uniform(-8, 8, 3)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(np.deg2rad(turn)).as_matrix() @ np.diag([-1, 1, 1])
    return nib.Nifti1Image(voxels, np.round(affine, 4))


def test_the_same_masks_measure_the_same_however_oblique_their_image_is(raw, tmp_path):
    x, y, z = np.indices((40, 40, 30))
    cords = [((x - 20 - off) ** 2 + (y - 20) ** 2 <= 36) & (z >= 3) & (z < 27) for off in (0, 1)]
    told = []
    for seed in range(10):
        ref, pred = (oblique(one.astype(np.uint8), seed) for one in cords)
        write_mask(raw / f"labelsTs/{CASE}.nii.gz", ref)
        write_mask(tmp_path / f"general/epi/{CASE}.nii.gz", pred)
        (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
        told.append(score(pair).measures)
    assert [measures["nsd"] for measures in told] == [1] * 10
    for measures in told:
        assert measures == pytest.approx(told[0], rel=1e-3)


def test_a_row_tells_the_sides_of_its_voxels(raw, tmp_path):
    affine = np.diag([-0.5, 0.8000001, 5.0, 1])
    for path in (raw / f"labelsTs/{CASE}.nii.gz", tmp_path / f"general/epi/{CASE}.nii.gz"):
        write_mask(path, mask(affine=affine))
    (pair,) = pairs([raw], [tmp_path / "general"], 1.0)
    told = score(pair)
    assert (told.voxel_min_mm, told.voxel_max_mm) == (0.5, 5.0)


@pytest.mark.parametrize("tolerance", ["nan", "inf", "0", "-1"])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    told = CliRunner().invoke(command, ["x", "--dataset", "x", "--nsd-tolerance", tolerance])
    assert told.exit_code == 2


@pytest.mark.parametrize(
    ("folder", "training"),
    [
        ("general", ("general", 1)),
        ("general.2", ("general", 2)),
        ("m.v2", ("m.v2", 1)),
        ("m.0", ("m.0", 1)),
        ("model.1.5", ("model.1", 5)),
    ],
)
def test_a_folder_of_predictions_is_called_after_a_training(folder, training):
    assert training_of(Path("predictions") / folder) == training


def test_two_folders_of_one_model_are_refused(raw, tmp_path):
    for place in ("a", "b"):
        write_mask(tmp_path / place / f"general/epi/{CASE}.nii.gz")
    with pytest.raises(StudyError, match="are of one model"):
        list(pairs([raw], [tmp_path / "a/general", tmp_path / "b/general"], 1.0))
