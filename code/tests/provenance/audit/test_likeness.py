"""Comparing two files of one name, whoever made them."""

import pytest
import torch

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.likeness import compare
from trainings import planted


@pytest.mark.parametrize("side", ["recorded", "made"])
def test_comparing_checkpoints_runs_nothing_of_either(tmp_path, side):
    for name in ("recorded", "made"):
        (tmp_path / name).mkdir()
        torch.save({"a": torch.zeros(2)}, tmp_path / name / "x.pth")
    planted(tmp_path / side / "x.pth", tmp_path / "it ran")
    with pytest.raises(StudyError, match="holds more than weights"):
        compare(tmp_path / "recorded/x.pth", tmp_path / "made/x.pth")
    assert not (tmp_path / "it ran").exists()
