"""Models whose files hold a command: each command that takes a model refuses, before it runs."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.learning.resuming import store
from helpers import run
from trainings import ARCHITECTURE, FINAL, MODEL, PREDICT, RAW, WALKED, changed, command, planted

COMMANDS = ["segment", "predict", "train"]


def words(name: str, folder: Path) -> list[str | Path]:
    """The words of a command that reads the model; what it writes goes into `folder`."""
    if name == "segment":
        image = folder / "x.nii.gz"
        nib.save(
            nib.Nifti1Image(np.arange(4096, dtype=np.int16).reshape(16, 16, 16), np.eye(4)), image
        )
        options = ("--model", "inspired", "--out", folder / "out")
        return ["--study", "tiny", "segment", image, *options]
    if name == "predict":
        return ["predict", MODEL, RAW, "--out", folder / "out", *PREDICT]
    return [*command(folder / "out/fold_0", epochs=3)[1:]]


def machine(folder: Path) -> dict[str, str]:
    """Settings that keep what a command leaves on a machine in `folder`."""
    return {
        "CORDSTUDY_CACHE": str(folder / "cache"),
        "CORDSTUDY_PROGRESS": str(folder / "progress"),
    }


def refusal(study: Path, name: str, folder: Path) -> CompletedProcess[str]:
    """What a command says that has to refuse."""
    argv = words(name, folder)
    failed = run(study / "code/study", *argv, cwd=study, check=False, **machine(folder))
    assert failed.returncode == 1, failed.stderr
    said = [line.partition(":")[0] for line in failed.stderr.splitlines()]
    told = ["segmenting 1 images with inspired on cpu"] if name == "segment" else []
    assert said == [*told, "error", "hint"], failed.stderr
    return failed


@pytest.mark.parametrize("name", COMMANDS)
def test_a_checkpoint_that_holds_a_command_is_refused_before_it_runs(tiny_copy, tmp_path, name):
    mark = tmp_path / "it ran"
    checkpoint = planted(tiny_copy / FINAL, mark, like=tiny_copy / FINAL)
    if name == "train":  # there, one in progress
        argv = words(name, tmp_path)
        run(tiny_copy / "code/study", *argv, cwd=tiny_copy, **machine(tmp_path))
        (progress,) = (tmp_path / "progress").iterdir()
        store(progress, 1, lambda path: path.write_bytes(checkpoint.read_bytes()))
    failed = refusal(tiny_copy, name, tmp_path)
    assert "it holds more than weights" in failed.stderr
    assert "refused before anything of it ran" in failed.stderr
    assert not mark.exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_plans_that_hold_a_command_are_refused_before_it_runs(tiny_copy, tmp_path, name):
    path, mark = tiny_copy / MODEL / "plans.json", tmp_path / "it ran"
    kwargs = f"{ARCHITECTURE} arch_kwargs"
    plans = changed(json.loads(path.read_text()), f"{kwargs} nonlin", WALKED)
    plans = changed(plans, f"{kwargs} nonlin_kwargs", {"command": f"touch '{mark}'"})
    path.write_text(json.dumps(plans))
    assert f"it names {WALKED}" in refusal(tiny_copy, name, tmp_path).stderr
    assert not mark.exists()
