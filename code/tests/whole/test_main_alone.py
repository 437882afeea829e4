"""A clone of `main` alone, as the README tells to use it, word for word."""

import re

import nibabel as nib
import numpy as np
import pytest

from helpers import REPOSITORY, git, run, study
from readme_blocks import commands_under, headings

pytestmark = pytest.mark.slow
HERE = ("Take a model", "Ask how a number was made", "Get what nobody has", "Take a release")
IN_DEMO = ("Look around", "What was found, left out, and kept apart", "The true sources")
OTHERS = ("Make all of it again", "Test it")
"""What the demo's fixture and the gate run."""
MODEL = "models/phantom/general/*/*/fold_0/checkpoint_final.pth"


def test_every_command_of_the_readme_is_run_by_a_test():
    assert sorted(headings()) == sorted([*HERE, *IN_DEMO, *OTHERS])


def test_models_are_there_and_what_nobody_has_comes_back(tmp_path):
    commands = commands_under(*HERE)
    source = f"--single-branch file://{REPOSITORY}"
    assert "git clone URL cordstudy\n" in commands
    script = "set -eu\n" + commands.replace("git clone URL", f"git clone -q {source}")
    done = run("bash", "-c", script, cwd=tmp_path)
    clone = tmp_path / "cordstudy"
    assert "6 of 6 are here, made and at their pin" in done.stdout
    assert "[DATALAD RUNCMD] Train general, fold 0" in done.stdout
    assert "the chain is whole" in done.stdout and "nothing found" in done.stdout
    assert "from carried" in done.stdout and re.search(
        r"rerun: run \w+ again: Convert", done.stdout
    )
    assert len(list((tmp_path / "masks").glob("*.nii.gz"))) == 2
    by_stock, by_us = (
        np.asarray(nib.load(tmp_path / name).dataobj)
        for name in ("kept/nwM01.nii.gz", "masks/nwM01_0000_seg.nii.gz")
    )
    assert by_us.any() and np.array_equal(by_stock, by_us)
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "rev-parse", "HEAD") == git(REPOSITORY, "rev-parse", "HEAD")
    here = git(clone, "annex", "find", "--in=here", "models", "derivatives").splitlines()
    assert here and not [path for path in here if "Dataset506_epi" in path], "it was dropped"
    run("git", "annex", "fsck", "-q", "--in=here", "models", cwd=clone)
    listed = study(clone, "carried").stdout.splitlines()
    carried = [line.split()[2] for line in listed[1:-1] if "not yet" not in line]
    run("datalad", "-l", "error", "get", *carried, cwd=clone)
    assert carried and all((clone / path).exists() for path in carried)
    moved = clone.rename(tmp_path / "moved")
    masks = "derivatives/phantom/nnunet-raw/Dataset506_epi/labelsTs"
    run(moved / "code/study", "exec", "datalad", "get", masks, cwd=moved)
    assert git(moved, "annex", "find", "--in=here", masks), "the program is found by its place"


def test_commands_say_that_a_clone_is_not_set_up_and_answer_all_the_same(tmp_path):
    git(tmp_path, "clone", "-q", "--single-branch", f"file://{REPOSITORY}", "clone")
    for words in (("results",), ("audit", "--all"), ("status",)):
        told = study(tmp_path / "clone", *words)
        assert "code/study setup" in told.stderr and told.stdout
