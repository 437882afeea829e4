"""What a GPU does not keep, and what steps ask of a machine."""

from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.readying import check_promise
from cordstudy.provenance.running.machine import Machine
from cordstudy.study.closure import commands
from cordstudy.study.needs import NEEDS
from helpers import REPOSITORY, steps_of


def machine(device: str) -> Machine:
    return Machine(scratch=Path("scratch"), logs=Path("logs"), workers=1, device=device)


def test_the_same_bytes_on_any_processor_are_not_promised_of_a_gpu():
    phantom, full = steps_of(REPOSITORY, "phantom"), steps_of(REPOSITORY, "full")
    check_promise(phantom, machine("cpu"))
    check_promise(full, machine("cuda"))
    with pytest.raises(StudyError, match=r"train:\S+ promises .* the device is cuda:1") as raised:
        check_promise(phantom, machine("cuda:1"))
    assert "identical" in raised.value.hint


def test_a_device_of_the_environment_counts_where_no_other_is_told(monkeypatch):
    monkeypatch.setenv("CORDSTUDY_DEVICE", "cuda")
    with pytest.raises(StudyError, match="the device is cuda"):
        check_promise(steps_of(REPOSITORY, "phantom"), machine(""))
    check_promise(steps_of(REPOSITORY, "phantom"), machine("cpu"))


def test_every_step_command_says_what_it_asks_for():
    assert set(NEEDS) == set(commands()) - {"phantom"}
