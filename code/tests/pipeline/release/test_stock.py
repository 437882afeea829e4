"""A release in stock nnU-Net: the masks of `segment`, for images that lie as models have them."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.raw.grids import RPI, to_orientation
from cordstudy.pipeline.raw.volumes import read, volume_bytes
from helpers import REPOSITORY, SHARED, run

IMAGE = "spine-generic-unf/sub-unf01/anat/sub-unf01_T2w.nii.gz"
STEM = "sub-unf01_T2w"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A made image in RPI; a real one where there is one."""
    path = tmp_path_factory.mktemp("images") / f"{STEM}_0000.nii.gz"
    real = SHARED / "real-mri" / IMAGE
    if not real.is_file():
        folder = path.parent.parent / "source"
        run(
            REPOSITORY / "code/study",
            "phantom",
            "ds005143",
            folder,
            "--seed",
            "2023",
            "--participants",
            "1",
            cwd=path.parent,
        )
        real = next(folder.glob("sub-*/func/*_bold.nii.gz"))
    path.write_bytes(volume_bytes(to_orientation(read(real).image, RPI)))
    return path


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.mark.slow
def test_stock_nnunet_gives_the_masks_of_segment(release, image, tmp_path):
    results = {"nnUNet_results": str(tmp_path / "results")}
    (tmp_path / "results").mkdir()
    archive = release / "phantom-general.zip"
    run("nnUNetv2_install_pretrained_model_from_zip", archive, cwd=tmp_path, **results)
    model = tmp_path / "results/Dataset601_general/nnUNetTrainer__nnUNetPlans__3d_fullres"
    options = ["-device", "cpu", "-f", "0", "-step_size", "0.5", "-npp", "1", "-nps", "1"]
    words = ["-i", image.parent, "-o", tmp_path / "stock", "-m", model, *options]
    run("nnUNetv2_predict_from_modelfolder", *words, cwd=tmp_path)
    texts = ["-plans_json", model / "plans.json", "-dataset_json", model / "dataset.json"]
    words = ["-i", tmp_path / "stock", "-o", tmp_path / "kept", "-np", "1", *texts]
    run(
        "nnUNetv2_apply_postprocessing",
        *words,
        "-pp_pkl_file",
        model / "postprocessing.pkl",
        cwd=tmp_path,
    )
    kept = voxels(tmp_path / f"kept/{STEM}.nii.gz")
    assert kept.any()

    shutil.copy(image, tmp_path / f"{STEM}.nii.gz")
    given = [archive, release, release / "phantom-general.safetensors"]
    for number, form in enumerate(given):
        out = tmp_path / f"masks{number}"
        words = ["segment", "--model", form, "--out", out, tmp_path / f"{STEM}.nii.gz"]
        done = run(REPOSITORY / "code/study", *words, cwd=tmp_path)
        assert "nothing tells" not in done.stderr
        assert np.array_equal(voxels(out / f"{STEM}_seg.nii.gz"), kept)
