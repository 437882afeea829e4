"""Checkpoints and pickles as data: tensors and plain values, and nothing that runs."""

import pickle

import numpy as np
import pytest
import torch

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.checkpoints import check_trainer, load, load_pickle, plain
from trainings import FINAL, Planted

CHECKPOINT = {
    "trainer_name": "nnUNetTrainer",
    "init_args": {"configuration": "3d_fullres"},
    "network_weights": {},
}


@pytest.mark.parametrize("kind", ["plain pickle", "preprocessed case"])
def test_no_other_pickle_runs_anything(tmp_path, kind):
    path, mark = tmp_path / "x.pkl", tmp_path / "it ran"
    path.write_bytes(pickle.dumps({"shape": np.zeros(3), "more": Planted(mark)}))
    with pytest.raises(StudyError, match="refused before anything of it ran"):
        load(path) if kind == "plain pickle" else load_pickle(str(path))
    assert not mark.exists()


def test_a_pickle_of_a_preprocessed_case_is_read_as_it_was_written(tmp_path):
    case = {"shape": (3, 4), "spacing": np.array([1.5, 2.0]), "count": np.int64(3)}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(case))
    loaded = load_pickle(str(tmp_path / "x.pkl"))
    assert plain(loaded) == {"shape": (3, 4), "spacing": [1.5, 2.0], "count": 3}


def test_a_damaged_checkpoint_is_one_error(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"weights": torch.zeros(5000)}, path)
    assert load(path)["weights"].shape == (5000,)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StudyError, match="no checkpoint, or a damaged one"):
        load(path)


def test_checkpoints_hold_tensors_and_plain_values_only(tiny):
    paths = list((tiny / "models/tiny").rglob("checkpoint_final.pth"))
    assert paths
    for path in paths:
        losses = load(path)["logging"]["train_losses"]
        assert losses and {type(value) for value in losses} == {float}


def test_values_of_numpy_become_pythons_own():
    values = {"a": np.float32(0.5), "b": [np.arange(2), (np.int64(3),)], "c": torch.ones(1)}
    assert plain(values) == {"a": 0.5, "b": [[0, 1], (3,)], "c": torch.ones(1)}


def test_a_checkpoint_of_the_study_names_the_stock_trainer(tiny):
    check_trainer(load(tiny / FINAL), tiny / FINAL)


@pytest.mark.parametrize(
    "change",
    [
        {"trainer_name": "nnUNetTrainerBN"},
        {"trainer_name": "os.system"},
        {"trainer_name": None},
        {"trainer_name": 3},
        {"init_args": {"configuration": "../3d"}},
        {"init_args": None},
        {"network_weights": [1]},
    ],
)
def test_a_checkpoint_that_names_another_trainer_or_lacks_a_table_is_refused(tmp_path, change):
    check_trainer(CHECKPOINT, tmp_path)
    with pytest.raises(StudyError, match=str(tmp_path)):
        check_trainer(CHECKPOINT | change, tmp_path)
