"""What nnU-Net needs set lasts as long as the call, however that ends."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cordstudy.pipeline.learning.nnunet import (
    environment,
    in_place_of,
    nnunet_folders,
    quiet,
    stand_in,
)
from helpers import run


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


def test_a_module_that_is_imported_and_not_called_can_be_stood_in_for():
    with stand_in("cordstudy.stood_in", Name=int):
        from cordstudy.stood_in import Name
    assert Name is int and "cordstudy.stood_in" not in sys.modules
    with stand_in("json", loads=None):  # is loaded
        assert sys.modules["json"].loads


def test_a_prediction_starts_without_torchs_compiler_which_can_be_had_after():
    script = (
        "import sys, cordstudy.pipeline.learning.predictor\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "import torch._dynamo\n"
        "assert torch._dynamo.OptimizedModule"
    )
    run(sys.executable, "-P", "-c", script, cwd=Path.cwd())


def test_memory_that_is_freed_is_taken_again_without_asking_the_kernel():
    script = (
        "import resource\n"
        "import numpy as np\n"
        "from cordstudy.pipeline.learning.memory import keep_freed_memory\n"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def step():\n"
        "    arrays = [np.ones(2**19) for _ in range(20)]\n"
        "def pages():\n"
        "    step()\n"
        "    before = faults()\n"
        "    step()\n"
        "    return faults() - before\n"
        "plain = pages()\n"
        "keep_freed_memory()\n"
        "print(plain, pages())"
    )
    plain, kept = map(int, run(sys.executable, "-P", "-c", script, cwd=Path.cwd()).stdout.split())
    assert plain > 1000 and kept < 100


def test_what_nnunet_prints_is_not_seen(capsys):
    with quiet():
        print("talk")
    print("said")
    assert capsys.readouterr().out == "said\n"
