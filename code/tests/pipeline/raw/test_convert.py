"""From BIDS to nnU-Net raw: what comes out, and what is refused."""

import hashlib
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table
from cordstudy.pipeline.raw.conversion import Job, convert_case
from cordstudy.pipeline.raw.grids import RPI, axcodes, to_orientation
from cordstudy.pipeline.raw.layout import read_cases
from cordstudy.pipeline.raw.names import image_path
from cordstudy.pipeline.raw.volumes import read_volume
from cordstudy.pipeline.sources.cases import FOUND_COLUMNS, Case
from cordstudy.pipeline.sources.keys import content_key
from cordstudy.pipeline.sources.rules import Imaged
from helpers import commit, git, run, study

RAW = "derivatives/tiny/nnunet-raw"
CORD = Imaged()


def test_every_converted_image_is_in_rpi_with_a_binary_mask_on_its_grid(tiny):
    images = sorted(tiny.glob(f"{RAW}/*/images*/*.nii.gz"))
    in_tables = sum(len(read_cases(raw)) for raw in (tiny / RAW).iterdir())
    assert len(images) == in_tables > 0
    for path in images:
        image = nib.load(path)
        name = path.name.replace("_0000.nii.gz", ".nii.gz")
        mask = nib.load(path.parent.with_name(path.parent.name.replace("images", "labels")) / name)
        assert nib.aff2axcodes(image.affine) == RPI
        assert image.shape == mask.shape and np.allclose(image.affine, mask.affine, atol=1e-5)
        assert set(np.unique(np.asanyarray(mask.dataobj))) == {0, 1}


def test_cases_lead_back_to_their_bids_image_voxel_for_voxel(tiny):
    for raw in ("Dataset502_inspired", "Dataset504_canproco", "Dataset506_epi"):
        cases = read_cases(tiny / RAW / raw)
        assert cases
        for case in cases:
            made = nib.load(tiny / RAW / raw / image_path(case.part, case.case_id))
            original = nib.load(tiny / case.image)
            assert (to_orientation(original, RPI).get_fdata() == made.get_fdata()).all()
            stem = Path(case.image).name.removesuffix(".nii.gz")
            assert case.case_id == f"{case.dataset}_{stem}"


def test_an_image_already_in_rpi_keeps_its_annex_key(tiny):
    raw = tiny / RAW / "Dataset506_epi"
    case = read_cases(raw)[0]
    made = raw / image_path(case.part, case.case_id)
    assert made.readlink().name == (tiny / case.image).readlink().name


def test_what_is_left_out_is_a_table_with_reasons(tiny):
    left_out = read_table(tiny / RAW / "Dataset502_inspired/left_out.tsv")
    assert {row["participant_id"]: (row["reason"], row["source"]) for row in left_out} == {
        "sub-zurichDCM021": ("no mask", "the tree"),
        "sub-zurichHC003": ("motion", "exclude.yml, motion: sub-zurichHC003"),
        "sub-zurichSCI007": ("no image", "the tree"),
    }


def test_a_merged_dataset_holds_the_same_keys_under_the_same_case_ids(tiny):
    merged = tiny / RAW / "Dataset601_general"
    parts = [tiny / RAW / name for name in ("Dataset502_inspired", "Dataset504_canproco")]
    for folder in ("imagesTr", "labelsTr"):
        keys_of_parts = keys_in(parts[0] / folder) | keys_in(parts[1] / folder)
        assert keys_in(merged / folder) == keys_of_parts
        assert keys_of_parts


def keys_in(folder: Path) -> dict[str, str]:
    """The annex key of each file of a folder, by its name."""
    return {path.name: path.readlink().name for path in folder.iterdir()}


def test_content_that_is_nowhere_to_be_had_is_named(tiny_copy):
    source = tiny_copy / "inputs/tiny-inspired"
    (raw,) = tiny_copy.glob(f"{RAW}/*_inspired")
    image = read_cases(raw)[0].image
    run("git", "annex", "drop", "-q", "--force", tiny_copy / image, cwd=source)
    toml = tiny_copy / "code/studies/tiny.toml"
    role = 'role = "train"'
    toml.write_text(toml.read_text().replace(role, f"{role}\nresample_masks = true", 1))
    commit(tiny_copy, "test: another rule", toml)
    failed = study(tiny_copy, "--study", "tiny", "run", "convert:inspired", check=False)
    assert failed.returncode == 1
    assert "content of 1 files of inputs/tiny-inspired is not to be had" in failed.stderr
    assert Path(image).name in failed.stderr
    assert "annex whereis" in failed.stderr


def test_no_step_wrote_to_a_source(tiny):
    for source in sorted((tiny / "inputs").glob("tiny-*")):
        run("git", "annex", "fsck", "-q", cwd=source)
        assert git(source, "status", "--porcelain") == ""


def test_the_same_key_means_the_same_bytes(tiny):
    raw = tiny / RAW / "Dataset506_epi"
    cases = read_cases(raw)
    assert cases
    for case in cases:
        image = raw / image_path(case.part, case.case_id)
        assert hashlib.sha256(image.read_bytes()).hexdigest() == case.image_sha256
        key = content_key(image, ending=".nii.gz")
        assert key == case.image_key, "an image in RPI is taken over as it is"
        assert case.image_sha256 in case.image_key


def job(
    image: nib.Nifti1Image,
    mask: nib.Nifti1Image,
    folder: Path,
    *,
    resample: bool = False,
    task: Imaged = CORD,
) -> Job:
    """A case of two images, stored in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(image, folder / "image.nii.gz")
    nib.save(mask, folder / "mask.nii.gz")
    values = dict.fromkeys(FOUND_COLUMNS, "n/a")
    values |= {"image": str(folder / "image.nii.gz"), "mask": str(folder / "mask.nii.gz")}
    case = Case(**values)
    return Job(case, folder / "converted.nii.gz", folder / "converted_mask.nii.gz", resample, task)


def converted(made: Job) -> list[tuple]:
    """Shape, corner, axes, voxels of the image and mask that come out."""
    found = []
    for path in (made.image, made.mask):
        image = nib.load(path)
        assert nib.aff2axcodes(image.affine) == RPI
        found.append((image.shape, image.affine.round(3).tolist(), image.get_fdata().tobytes()))
    return found


REAL = {
    "sagittal": (
        "spine-generic-unf/sub-unf01/anat/sub-unf01_T2w",
        "spine-generic-unf/derivatives/labels/sub-unf01/anat/sub-unf01_T2w_seg-manual",
    ),
    "axial": (
        "epi-leipzig/sub-leipzigR01/func/sub-leipzigR01_task-rest_rec-MoCoMean_bold",
        "epi-leipzig/derivatives/label/sub-leipzigR01/func/sub-leipzigR01_task-rest_desc-spinalcordmask",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_real_image_gives_the_same_case_in_all_48_orientations(real_mri, tmp_path, name):
    image, mask = (nib.load(real_mri / f"{path}.nii.gz") for path in REAL[name])
    expected = None
    for axes, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
        turn = np.array(list(zip(axes, flips)))
        made = job(image.as_reoriented(turn), mask.as_reoriented(turn), tmp_path)
        convert_case(made)
        found = converted(made)
        expected = expected or found
        assert found == expected, f"axes {axes}, flips {flips}"
    whole = to_orientation(image, RPI)
    assert expected[0][2] == whole.get_fdata().tobytes()
    assert np.frombuffer(expected[1][2]).sum() == (mask.get_fdata() >= 0.5).sum()


def oblique(codes: str, shape: tuple[int, int, int] = (9, 11, 7)) -> np.ndarray:
    """An affine with turned axes of 0.8, 0.9 and 3 mm, in an orientation."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)) * 0.1 + np.eye(3))
    affine = np.eye(4)
    affine[:3, :3] = turn * np.sign(np.diag(turn)) @ np.diag([0.8, 0.9, 3.0])
    affine[:3, 3] = (-20, 15, 40)
    image = nib.Nifti1Image(np.zeros(shape, np.uint8), affine)
    return to_orientation(image, codes).affine


def cube(shape: tuple[int, int, int]) -> np.ndarray:
    voxels = np.zeros(shape, np.uint8)
    voxels[3:5, 4:6, 2:4] = 1
    return voxels


def test_data_type_scaling_and_oblique_axes_are_kept(tmp_path):
    stored = np.random.default_rng(1).integers(0, 900, (9, 11, 7), np.int16)
    image = nib.Nifti1Image(stored, oblique("PIR"))
    image.header.set_slope_inter(0.25, -10)
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    made = job(image, nib.Nifti1Image(cube(stored.shape), image.affine), tmp_path)
    convert_case(made)
    out = nib.load(made.image)
    assert out.get_data_dtype() == np.int16
    assert (out.dataobj.slope, out.dataobj.inter) == (0.25, -10)
    assert (int(out.header["sform_code"]), int(out.header["qform_code"])) == (1, 1)
    there, here = nib.io_orientation(image.affine), nib.io_orientation(out.affine)
    back = out.as_reoriented(nib.orientations.ornt_transform(here, there))
    assert np.allclose(back.affine, image.affine, atol=1e-5)
    assert (back.get_fdata() == stored * 0.25 - 10).all()


def test_a_mask_stored_in_another_orientation_is_turned_to_its_image(tmp_path):
    image = nib.Nifti1Image(
        np.random.default_rng(1).random((9, 11, 7)).astype(np.float32), oblique("LAS")
    )
    mask = nib.Nifti1Image(cube(image.shape), image.affine)
    as_image = job(image, mask, tmp_path / "one")
    turned = job(image, to_orientation(mask, "RIP"), tmp_path / "two")
    convert_case(as_image)
    convert_case(turned)
    assert converted(as_image) == converted(turned)


def test_a_mask_on_another_grid_is_resampled_to_the_nearest_voxel_where_the_study_allows(tmp_path):
    image = nib.Nifti1Image(np.arange(512, dtype=np.int16).reshape(8, 8, 8), np.diag([-1, 1, 1, 1]))
    fine = np.zeros((16, 16, 16), np.float32)
    fine[4:8, 4:8, 4:8] = 0.7
    half = np.diag([-0.5, 0.5, 0.5, 1])
    half[:3, 3] = (0.25, -0.25, -0.25)
    made = job(image, nib.Nifti1Image(fine, half), tmp_path, resample=True)
    convert_case(made)
    found = nib.load(made.mask)
    assert found.shape == (8, 8, 8)
    marked = np.argwhere(found.get_fdata()).tolist()
    assert marked == [list(corner) for corner in product((2, 3), repeat=3)]


def resampled(tmp_path: Path, mask: np.ndarray, corner: tuple[float, float, float]) -> Job:
    """A case of an image of 16 voxels of 1 mm and a mask of as large ones that begins elsewhere."""
    voxels = np.arange(4096, dtype=np.int16).reshape(16, 16, 16)
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = corner
    image = nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1]))
    return job(image, nib.Nifti1Image(mask, affine), tmp_path, resample=True)


def cord(*shape: int) -> np.ndarray:
    """A cord of 2×2 voxels in the middle, from the first to the last slice."""
    voxels = np.zeros(shape, np.uint8)
    middle = slice(shape[0] // 2 - 1, shape[0] // 2 + 1)
    voxels[middle, middle] = 1
    return voxels


def test_a_mask_may_be_longer_than_its_image_and_cut_to_the_cord(tmp_path):
    made = resampled(tmp_path / "longer", cord(16, 16, 40), (0, 0, -12))
    convert_case(made)
    assert np.asarray(nib.load(made.mask).dataobj).sum() == 64
    made = resampled(tmp_path / "cut", np.ones((4, 4, 16), np.uint8), (-6, 6, 0))
    convert_case(made)
    assert np.asarray(nib.load(made.mask).dataobj).sum() == 256


@pytest.mark.parametrize(
    ("corner", "shape", "words"),
    [
        ((8, 0, 0), (16, 16, 16), "50% of the mask lies outside the image"),
        ((0, 0, 4), (16, 16, 8), "the mask ends with its own field of view"),
        ((0, 0, 8), (16, 16, 40), "the mask ends with its own field of view"),
        ((0, 0, 40), (16, 16, 8), "the mask is empty"),
    ],
)
def test_a_mask_of_another_field_of_view_is_refused(tmp_path, corner, shape, words):
    with pytest.raises(StudyError, match=words):
        convert_case(resampled(tmp_path, cord(*shape), corner))


@pytest.mark.parametrize("moved", [(2, 0, 0), (0, 0, -3), (0, 2, -1)])
def test_a_mask_of_another_crop_that_is_stored_the_other_way_is_not_told_as_mirrored(
    tmp_path, moved
):
    made = resampled(tmp_path, cord(16, 16, 24), moved)
    mask = nib.load(made.case.mask)
    nib.save(mask.as_reoriented([[0, -1], [1, 1], [2, 1]]), made.case.mask)
    convert_case(made)
    assert np.asarray(nib.load(made.mask).dataobj).any()


def test_a_mask_a_share_of_a_voxel_away_and_stored_the_other_way_is_not_told_as_mirrored(tmp_path):
    voxels = np.arange(693, dtype=np.int16).reshape(9, 11, 7)
    image = nib.Nifti1Image(voxels, np.diag([-1, 1, 1, 1]))
    affine = np.diag([1.0, 1, 1, 1])
    affine[0, 3] = -8.3
    mask = nib.Nifti1Image(cube(image.shape), affine)
    with pytest.raises(StudyError, match="not on the image's grid"):
        convert_case(job(image, mask, tmp_path))


@pytest.mark.parametrize("orientation", ["LPI", "AIL", "SRP"])
def test_an_image_is_brought_to_the_orientation_of_the_task(tmp_path, orientation):
    voxels = np.random.default_rng(1).integers(1, 900, (9, 11, 7)).astype(np.int16)
    stored = nib.Nifti1Image(voxels, oblique("PSR"))
    mask = nib.Nifti1Image(cube((9, 11, 7)), oblique("PSR"))
    in_rpi = job(stored, mask, tmp_path / "rpi")
    turned = job(stored, mask, tmp_path / "own", task=Imaged(orientation=orientation))
    told, also = convert_case(in_rpi), convert_case(turned)
    made = nib.load(turned.image)
    assert nib.aff2axcodes(made.affine) == axcodes(orientation) != RPI
    assert (to_orientation(made, RPI).get_fdata() == nib.load(in_rpi.image).get_fdata()).all()
    assert told.image != also.image
    assert told[2:] == also[2:], "what an image shows, and how large its voxels are, is the same"


def test_a_structure_may_fill_as_much_of_an_image_as_the_task_says(tmp_path):
    voxels = np.random.default_rng(1).integers(1, 900, (8, 8, 8)).astype(np.int16)
    half = np.zeros(voxels.shape, np.uint8)
    half[:4] = 1
    images = nib.Nifti1Image(voxels, np.eye(4)), nib.Nifti1Image(half, np.eye(4))
    with pytest.raises(StudyError, match="50% of the image is mask"):
        convert_case(job(*images, tmp_path))
    convert_case(job(*images, tmp_path, task=Imaged(largest_share=0.5)))


def test_converting_twice_gives_the_same_bytes(tmp_path):
    image = nib.Nifti1Image(
        np.random.default_rng(1).random((9, 11, 7)).astype(np.float32), oblique("PIR")
    )
    mask = nib.Nifti1Image(cube(image.shape), image.affine)
    first = convert_case(job(image, mask, tmp_path / "a"))
    assert convert_case(job(image, mask, tmp_path / "b")) == first


def test_a_fourth_axis_of_one_volume_is_dropped(tmp_path):
    voxels = np.arange(27, dtype=np.int16).reshape(3, 3, 3, 1)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "x.nii.gz")
    assert read_volume(tmp_path / "x.nii.gz").shape == (3, 3, 3)
