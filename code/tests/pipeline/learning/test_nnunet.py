"""What nnU-Net needs set lasts as long as the call, however that ends."""

import os
from pathlib import Path
from types import ModuleType

import pytest

from cordstudy.pipeline.learning.nnunet import environment, in_place_of, nnunet_folders, quiet


def test_folders_are_set_for_a_while_and_what_was_there_comes_back(monkeypatch):
    monkeypatch.setenv("nnUNet_raw", "before")
    monkeypatch.delenv("nnUNet_results", raising=False)
    with pytest.raises(ZeroDivisionError), nnunet_folders(raw=Path("a"), results=Path("b")):
        assert os.environ["nnUNet_raw"] == "a" and os.environ["nnUNet_results"] == "b"
        raise ZeroDivisionError
    assert os.environ["nnUNet_raw"] == "before" and "nnUNet_results" not in os.environ


def test_a_variable_that_something_else_sets_meanwhile_stays(monkeypatch):
    monkeypatch.delenv("OTHER", raising=False)
    with environment(nnUNet_raw="a"):
        monkeypatch.setenv("OTHER", "1")
    assert os.environ["OTHER"] == "1"


def test_ours_stands_in_place_of_nnunets_for_a_while():
    module = ModuleType("theirs")
    module.load = "theirs"
    with pytest.raises(ZeroDivisionError), in_place_of(module, "load", "ours"):
        assert module.load == "ours"
        raise ZeroDivisionError
    assert module.load == "theirs"


def test_what_nnunet_prints_is_not_seen(capsys):
    with quiet():
        print("talk")
    print("said")
    assert capsys.readouterr().out == "said\n"
