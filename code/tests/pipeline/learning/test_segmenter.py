"""What a mask is called and what is told of it; segmenting is tested with a trained model."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning import segmenter
from cordstudy.pipeline.learning.segmenter import Segmenting, output_path, segment, touched


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.NII.GZ", "a.Nii", "a"])
def test_a_mask_is_called_like_its_image(name):
    assert output_path(Path("x") / name, Path("out")) == Path("out/a_seg.nii.gz")


@pytest.mark.parametrize(
    ("place", "sides"),
    [
        ((2, 2, 2), []),
        ((0, 2, 2), ["right"]),
        ((4, 2, 2), ["left"]),
        ((2, 0, 2), ["posterior"]),
        ((2, 4, 2), ["anterior"]),
        ((2, 2, slice(None)), ["inferior", "superior"]),
    ],
)
def test_the_sides_that_a_mask_touches_are_named_as_in_rpi(place, sides):
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[place] = 1
    assert touched(mask, "RPI") == sides


def test_sides_are_those_of_the_orientation_that_a_model_was_trained_in():
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[0, 2, 2] = mask[2, 4, 2] = 1
    assert touched(mask, "AIL") == ["anterior", "superior"]


NOWHERE = Segmenting("one", Path("nowhere"), (0,), (), 0.5, {})


def refused(images: list[Path], out: Path) -> str:
    """Segment, expecting an error before any model is looked at; the error."""
    with pytest.raises(StudyError) as raised:
        segment([NOWHERE], images, out, program={})
    assert raised.value.hint
    return str(raised.value)


def test_two_images_of_one_name_are_named(tmp_path):
    images = [tmp_path / "a.nii", tmp_path / "a.nii.gz"]
    assert refused(images, tmp_path) == (
        f"{images[0]} and {images[1]} have one name, so one mask in {tmp_path}"
    )


def test_a_mask_replaces_no_image(tmp_path):
    images = [tmp_path / "a.nii.gz", tmp_path / "a_seg.nii.gz"]
    assert "would replace an image" in refused(images, tmp_path)


def test_a_file_is_no_folder_for_masks(tmp_path):
    (tmp_path / "out").write_text("x")
    assert "out: no folder" in refused([tmp_path / "a.nii.gz"], tmp_path / "out")


def image(path: Path) -> Path:
    voxels = np.random.default_rng(1).random((20, 20, 10)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.5, 1.5, 2.5, 1])), path)
    return path


def model_in(folder: Path) -> Segmenting:
    """A model without weights."""
    folder.mkdir()
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "spinal_cord": 1}}')
    return Segmenting("one", folder, (0,), (), 0.5, {})


def test_a_folder_that_cannot_be_written_is_told_of_before_any_weights_are_read(tmp_path):
    model = model_in(tmp_path / "model")
    with pytest.raises(OSError, match="/proc/self/masks"):
        segment([model], [image(tmp_path / "a.nii.gz")], Path("/proc/self/masks"), program={})


def test_a_run_that_is_cut_off_leaves_no_mask_beside_the_sidecar_of_another(tmp_path, monkeypatch):
    def predict(models, turned, masks):
        for of_image in masks:
            for mask in of_image:
                shutil.copy(turned[0], mask)

    def cut_off(*_, **__):
        raise KeyboardInterrupt

    given, out, model = image(tmp_path / "a.nii.gz"), tmp_path / "out", model_in(tmp_path / "model")
    monkeypatch.setattr(segmenter, "_predict", predict)
    segment([model], [given], out, program={"Name": "first"})
    assert "first" in (out / "a_seg.json").read_text()
    monkeypatch.setattr(segmenter, "write_json", cut_off)
    with pytest.raises(KeyboardInterrupt):
        segment([model], [given], out, program={"Name": "second"})
    assert [path.name for path in out.iterdir()] == ["a_seg.nii.gz"]
