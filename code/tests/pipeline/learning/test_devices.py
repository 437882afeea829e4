"""The device that networks compute on."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.devices import torch_device


def test_the_processor_is_the_device_unless_another_is_asked_for(monkeypatch):
    monkeypatch.delenv("CORDSTUDY_DEVICE", raising=False)
    assert torch_device().type == "cpu"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cuda:99", "cuda:99: this machine has"),
        ("gpu", "there is no device 'gpu'"),
        ("cuda:x", "there is no device 'cuda:x'"),
        ("mps", "mps: steps compute on cpu or cuda"),
    ],
)
def test_a_device_that_is_not_here_is_named_with_what_to_set(name, said, monkeypatch):
    monkeypatch.setenv("CORDSTUDY_DEVICE", name)
    with pytest.raises(StudyError, match=said) as raised:
        torch_device()
    assert "site.toml" in raised.value.hint
