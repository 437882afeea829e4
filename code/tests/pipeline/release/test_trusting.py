"""What a model from elsewhere holds: looked at before any of it is used."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from cordstudy.pipeline.release.archive import write_zip
from released import opened, refused, seal

WEIGHTS = "fold_0/checkpoint_final.pth"


class Planted:
    """What makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def pickles(mark: Path) -> dict[str, bytes]:
    """Pickles that make a folder, by what they are; and one that is damaged."""
    planted = Planted(mark)
    best = ([planted], [{"labels_or_regions": [1]}])
    return {
        "a function": pickle.dumps(([os.mkdir], [{"path": str(mark)}])),
        "a call": pickle.dumps(best, protocol=0),
        "a call of now": pickle.dumps(best),
        "builtins": b"c__builtin__\neval\n(S'1'\ntR.",
        "nothing": b"",
        "text": b"text",
        "brackets": b"(" * 10**6 + b"l" * 10**6,
    }


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("name", ["postprocessing.pkl", "fold_0/validation/x.pkl"])
def test_a_pickle_beside_the_weights_is_refused_too(folder, tmp_path, form, name):
    mark = tmp_path / "mark"
    place = folder / name
    place.parent.mkdir(exist_ok=True)
    for what, content in pickles(mark).items():
        place.write_bytes(content)
        seal(folder)
        given = folder
        if form == "zip":
            given = tmp_path / "it.zip"
            write_zip(given, folder, below=f"Dataset601_general/{folder.name}")
        said = refused(given)
        assert "refused before anything of it ran" in said and name in said, what
        assert str(given) in said, "it is told as the user knows it"
        assert not mark.exists()
    place.write_bytes(pickle.dumps({"shape": np.zeros(3), "spacing": (1.0, 2.0)}))
    seal(folder)
    with opened(folder):
        pass


def test_another_checkpoint_than_the_used_one_is_looked_at_too(folder, tmp_path):
    torch.save({"planted": Planted(tmp_path / "mark")}, folder / "fold_0/checkpoint_best.pth")
    seal(folder)
    assert "checkpoint_best.pth: it holds more than weights" in refused(folder)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor * float("nan"),
        lambda tensor: tensor / 0,
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: tensor.to(torch.int32),
        lambda tensor: tensor.to_sparse(),
        lambda tensor: tensor[:1],
        lambda tensor: [1.0],
        lambda tensor: None,
    ],
)
def test_weights_that_are_none_are_refused(folder, change):
    checkpoint = torch.load(folder / WEIGHTS, weights_only=True)
    weights = checkpoint["network_weights"]
    name = next(name for name, tensor in weights.items() if tensor.dim() == 5)
    weights[name] = change(weights[name])
    if weights[name] is None:
        del weights[name]
    torch.save(checkpoint, folder / WEIGHTS)
    seal(folder)
    assert name in refused(folder)


@pytest.mark.parametrize(
    ("name", "key", "value", "said"),
    [
        ("dataset.json", "labels", {"background": 0, "canal": 1, "cord": 2}, "canal, cord"),
        ("dataset.json", "labels", {"background": 0, "cord": [1, 2]}, "labels"),
        ("dataset.json", "labels", {"cord": 0, "background": 1}, "labels"),
        ("dataset.json", "channel_names", {"0": "T1", "1": "T2"}, "one image"),
        ("inference.json", "folds", [0, 1], "fold_1"),
    ],
)
def test_a_model_of_something_else_is_refused(folder, name, key, value, said):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    seal(folder)
    assert said in refused(folder)
