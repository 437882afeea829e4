"""A network of slices: planned, trained and used like one of volumes."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.tables import write_json, write_table
from cordstudy.pipeline.learning.planner import PlanReduction, plan
from cordstudy.pipeline.learning.postprocessing import Held, choose, write_postprocessing
from cordstudy.pipeline.learning.predictor import BatchedPredictor, predict_files
from cordstudy.pipeline.learning.trainer import Schedule, train
from cordstudy.pipeline.raw.dataset_json import write_dataset_json
from cordstudy.pipeline.raw.names import image_path, mask_path
from helpers import OF_CORD

NAMES = ["x_1", "x_2", "x_3"]
SHAPE = (20, 18, 6)
"""Few slices from bottom to top, and thick ones."""
FLAT = PlanReduction((1.0, 1.0), (16, 16), 8, (4, 8, 8), 1)


def write(path: Path, voxels: np.ndarray, zooms: tuple[float, float, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.diag([-zooms[0], -zooms[1], zooms[2], 1])), path)


def raw_dataset(folder: Path, zooms: tuple[float, float, float] = (1.0, 1.0, 3.0)) -> Path:
    """A raw dataset whose images are bright where the cord is."""
    for number, name in enumerate(NAMES):
        mask = np.zeros(SHAPE, np.uint8)
        mask[8:12, 7 + number : 11 + number] = 1
        noise = np.random.default_rng(number).integers(1, 100, SHAPE)
        write(folder / image_path("train", name), (noise + 400.0 * mask).astype(np.int16), zooms)
        write(folder / mask_path("train", name), mask, zooms)
    write_table(folder / "cases.tsv", ["case_id", "part"], [[name, "train"] for name in NAMES])
    write_dataset_json(folder, OF_CORD, name="x", trained=len(NAMES))
    return folder


def planned(raw: Path, out: Path) -> Path:
    """A model planned for slices, with folds."""
    for name, content in plan(raw, configuration="2d", reduction=FLAT).items():
        write_json(out / name, content)
    write_json(out / "splits_final.json", [{"train": NAMES[1:], "val": NAMES[:1]}])
    return out


@pytest.mark.slow
def test_a_network_of_slices_learns_and_segments_each_image_on_its_grid(tmp_path, monkeypatch):
    monkeypatch.setenv("CORDSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CORDSTUDY_WORKERS", "1")
    raw = raw_dataset(tmp_path / "Dataset501_x")
    model = planned(raw, tmp_path / "model")
    train(
        raw,
        model,
        model / "fold_0",
        configuration="2d",
        fold=0,
        balanced=False,
        schedule=Schedule(seed=1, epochs=3, iterations=25, validations=1),
    )
    write_postprocessing(model, choose([Held("x_0", 0, 1, 0.5, 0.5)]))
    image, mask = raw / image_path("train", "x_1"), tmp_path / "mask.nii.gz"
    predict_files([model], [image], [[mask]], folds=[0], mirror_axes=[2], tile_step=1.0)
    made, reference = nib.load(mask), nib.load(raw / mask_path("train", "x_1"))
    assert made.shape == SHAPE and np.allclose(made.affine, reference.affine)
    found, cord = np.asarray(made.dataobj) > 0, np.asarray(reference.dataobj) > 0
    assert 2 * (found & cord).sum() / (found.sum() + cord.sum()) > 0.5


@pytest.mark.parametrize(
    ("patch", "axes", "flips"),
    [
        ((16, 16), (2,), [(), (3,)]),
        ((16, 16), (0, 1), [(), (2,)]),
        ((8, 16, 16), (0, 2), [(), (2,), (4,), (2, 4)]),
    ],
)
def test_an_axis_to_mirror_is_the_same_of_slices_and_of_volumes(patch, axes, flips):
    predictor = BatchedPredictor(mirror_axes=axes, tile_step=1.0)
    predictor.allowed_mirroring_axes = tuple(range(len(patch)))
    predictor.configuration_manager = type("Chosen", (), {"patch_size": patch})
    assert predictor._flips() == flips


@pytest.mark.slow
def test_values_of_a_reduction_are_in_the_axes_of_the_files_whatever_the_spacing(tmp_path):
    thick_up = raw_dataset(tmp_path / "a/Dataset501_x", (1.0, 1.0, 3.0))
    thick_across = raw_dataset(tmp_path / "b/Dataset501_x", (3.0, 1.0, 1.0))
    cube = PlanReduction((1.5, 1.5, 1.5), (8, 8, 8), 2, (4, 8, 8), 1)
    one, other = (
        plan(raw, configuration="3d_fullres", reduction=cube)["plans.json"]
        for raw in (thick_up, thick_across)
    )
    assert one["transpose_forward"] == other["transpose_forward"] == [0, 1, 2]
    chosen, also = (plans["configurations"]["3d_fullres"] for plans in (one, other))
    told = {key for key in chosen if chosen[key] != also[key]}
    assert told <= {"median_image_size_in_voxels"}, "training does not look at it"
