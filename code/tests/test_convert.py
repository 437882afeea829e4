"""From BIDS to nnU-Net raw: what comes out, and what is refused."""

import csv
import gzip
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from conftest import commit, git, run, study

from cordstudy.pipeline.convert import RPI, to_orientation

RAW = "derivatives/tiny/nnunet-raw"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_every_converted_image_is_in_rpi_with_a_binary_mask_on_its_grid(tiny):
    images = sorted(tiny.glob(f"{RAW}/*/images*/*.nii.gz"))
    assert len(images) == 13 + 7, "13 cases, of which the 7 to train on stand in the merged dataset too"
    for path in images:
        image = nib.load(path)
        name = path.name.replace("_0000.nii.gz", ".nii.gz")
        mask = nib.load(path.parent.with_name(path.parent.name.replace("images", "labels")) / name)
        assert nib.aff2axcodes(image.affine) == RPI
        assert image.shape == mask.shape and np.allclose(image.affine, mask.affine, atol=1e-5)
        assert set(np.unique(np.asanyarray(mask.dataobj))) == {0, 1}


def test_cases_lead_back_to_their_bids_image_voxel_for_voxel(tiny):
    for raw in ("Dataset501_inspired", "Dataset502_canproco", "Dataset503_epi"):
        for row in rows(tiny / RAW / raw / "cases.tsv"):
            part = "Tr" if row["part"] == "train" else "Ts"
            made = nib.load(tiny / RAW / raw / f"images{part}" / f"{row['case_id']}_0000.nii.gz")
            original = nib.load(tiny / row["image"])
            assert (to_orientation(original, RPI).get_fdata() == made.get_fdata()).all()
            assert row["case_id"] == f"{row['dataset']}_{Path(row['image']).name.removesuffix('.nii.gz')}"


def test_an_image_already_in_rpi_keeps_its_annex_key(tiny):
    row = rows(tiny / RAW / "Dataset503_epi/cases.tsv")[0]
    made = tiny / RAW / "Dataset503_epi/imagesTs" / f"{row['case_id']}_0000.nii.gz"
    assert made.readlink().name == (tiny / row["image"]).readlink().name


def test_what_is_left_out_is_a_table_with_reasons(tiny):
    found = {row["participant_id"]: row["reason"] for row in rows(tiny / RAW / "Dataset501_inspired/left_out.tsv")}
    assert found == {
        "sub-zurichDCM021": "no mask", "sub-zurichHC003": "motion (exclude.yml)", "sub-zurichSCI007": "no image",
    }  # fmt: skip


def test_a_merged_dataset_holds_the_same_keys_under_the_same_case_ids(tiny):
    merged = tiny / RAW / "Dataset504_general"
    parts = [tiny / RAW / name for name in ("Dataset501_inspired", "Dataset502_canproco")]
    for folder in ("imagesTr", "labelsTr"):
        sources = {path.name: path.readlink().name for part in parts for path in (part / folder).iterdir()}
        assert {path.name: path.readlink().name for path in (merged / folder).iterdir()} == sources


def turned(image: nib.Nifti1Image, **changes) -> nib.Nifti1Image:
    array = np.asanyarray(image.dataobj).astype(np.float32)
    return nib.Nifti1Image(changes.get("array", array), changes.get("affine", image.affine))


def with_nan(path: Path) -> None:
    image = nib.load(path)
    array = np.asanyarray(image.dataobj).astype(np.float32)
    array[3, 4, 5] = np.nan
    replace(path, turned(image, array=array))


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def not_nifti(path: Path) -> None:
    path.unlink()
    with gzip.open(path, "wb") as stream:
        stream.write(b"no image at all" * 100)


def shifted(path: Path) -> None:
    image = nib.load(path)
    replace(
        path,
        turned(
            image, affine=image.affine + np.eye(4)[:, [3, 0, 1, 2]] * 0 + np.array([[0, 0, 0, 2.5]] * 3 + [[0] * 4])
        ),
    )


def cropped(path: Path) -> None:
    image = nib.load(path)
    replace(path, turned(image, array=np.asanyarray(image.dataobj)[:-1].astype(np.float32)))


def four_dimensional(path: Path) -> None:
    image = nib.load(path)
    replace(path, turned(image, array=np.stack([np.asanyarray(image.dataobj)] * 2, -1).astype(np.float32)))


def emptied(path: Path) -> None:
    image = nib.load(path)
    replace(path, turned(image, array=np.zeros(image.shape, np.float32)))


def removed(path: Path) -> None:
    path.unlink()


def replace(path: Path, image: nib.Nifti1Image) -> None:
    path.unlink()  # an annexed file is a link to write-protected content
    nib.save(image, path)


IMAGE = "sub-torontoHC007/anat/sub-torontoHC007_acq-cspineAxial_T2w.nii.gz"
MASK = "derivatives/manual_labels/sub-torontoHC007/anat/sub-torontoHC007_acq-cspineAxial_T2w_label-SC_seg.nii.gz"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "path", "said"),
    [
        (with_nan, IMAGE, "1 voxels are NaN or infinite"),
        (truncated, IMAGE, "cannot be read as NIfTI"),
        (not_nifti, IMAGE, "cannot be read as NIfTI"),
        (four_dimensional, IMAGE, "4 dimensions"),
        (shifted, MASK, "its corners lie up to 2.500 mm"),
        (cropped, MASK, "not on the image's grid: ("),
        (emptied, MASK, "the mask is empty at 0.5"),
        (removed, IMAGE, "this mask has no image"),
    ],
)
def test_bad_input_is_one_clear_error_and_changes_nothing(tiny_copy, damage, path, said):
    source = tiny_copy / "inputs/tiny-inspired"
    damage(source / path)
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "test: damage")
    commit(tiny_copy, "test: a damaged source", "inputs/tiny-inspired")
    before = {name: git(tiny_copy, "rev-parse", f"HEAD:{name}") for name in ("models", "derivatives", "inputs")}
    failed = study(tiny_copy, "--study", "tiny", "run", "convert:inspired", check=False)
    assert failed.returncode == 1
    told = [line for line in failed.stderr.splitlines() if line.startswith(("error:", "hint:"))]
    assert len(told) == 2 and Path(path).name in told[0] and said in told[0]
    assert "Traceback" not in failed.stderr
    for name, tree in before.items():
        assert git(tiny_copy, "rev-parse", f"HEAD:{name}") == tree
    assert git(tiny_copy, "status", "--porcelain") == ""
    assert not list((tiny_copy / ".cordstudy/workspaces").iterdir())
    run("git", "annex", "fsck", "-q", cwd=source)


def test_content_that_is_nowhere_to_be_had_is_named(tiny_copy):
    source = tiny_copy / "inputs/tiny-inspired"
    run("git", "annex", "drop", "-q", "--force", IMAGE, cwd=source)
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace('"motion (exclude.yml)"', '"motion"'))
    commit(tiny_copy, "test: another reason", toml)
    failed = study(tiny_copy, "--study", "tiny", "run", "convert:inspired", check=False)
    assert failed.returncode == 1
    assert "content of 1 input files is not to be had" in failed.stderr and Path(IMAGE).name in failed.stderr
    assert "git annex whereis" in failed.stderr


def test_no_step_wrote_to_a_source(tiny):
    for source in sorted((tiny / "inputs").glob("tiny-*")):
        run("git", "annex", "fsck", "-q", cwd=source)
        assert git(source, "status", "--porcelain") == ""


def test_the_same_key_means_the_same_bytes(tiny):
    for path in sorted(tiny.glob(f"{RAW}/*/imagesTs/*.nii.gz")):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in path.readlink().name
