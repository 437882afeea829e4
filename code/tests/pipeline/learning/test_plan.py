"""The command line of `plan`, and what a reduction changes."""

import json

import pytest
from click.testing import CliRunner

from cordstudy.pipeline.learning.plan import command
from cordstudy.pipeline.learning.planner import PlanReduction

REDUCTION = {
    "--spacing": "3,3,3",
    "--patch": "16,16,8",
    "--batch": "2",
    "--features": "4,8",
    "--convolutions": "1",
}


def refusal(folder, options: dict[str, str]) -> str:
    """What the command says that has to refuse its options."""
    argv = [str(folder), "--out", str(folder / "out"), "--configuration", "2d", "--folds", "2"]
    for name, value in options.items():
        argv += [name, value]
    done = CliRunner().invoke(command, argv)
    assert done.exit_code == 2
    return " ".join(done.output.split())


@pytest.mark.parametrize("lacking", REDUCTION)
def test_the_options_of_a_reduction_go_together(tmp_path, lacking):
    options = {name: value for name, value in REDUCTION.items() if name != lacking}
    assert "the options from --spacing to --convolutions go together" in refusal(tmp_path, options)


@pytest.mark.parametrize(
    "option, value", [("--spacing", "a"), ("--patch", "1,"), ("--patch", "inf")]
)
def test_an_option_that_is_no_list_of_numbers_is_refused(tmp_path, option, value):
    assert f"{value!r} is not a list of" in refusal(tmp_path, REDUCTION | {option: value})


def test_a_reduction_changes_the_network_and_leaves_the_rest():
    network = {"n_stages": 6, "conv_op": "Conv3d", "strides": []}
    planned = {
        "spacing": [1.0, 1.0, 1.0],
        "patch_size": [64, 64, 64],
        "batch_size": 8,
        "data_identifier": "x",
        "architecture": {"network_class_name": "N", "arch_kwargs": network},
    }
    before = json.dumps(planned)
    reduced = PlanReduction((3, 3, 3), (16, 16, 8), 2, (4, 8), 1).apply(planned)
    assert json.dumps(planned) == before
    assert reduced["spacing"] == [3, 3, 3] and reduced["patch_size"] == [16, 16, 8]
    assert reduced["batch_size"] == 2 and reduced["data_identifier"] == "x"
    assert reduced["architecture"]["network_class_name"] == "N"
    assert reduced["architecture"]["arch_kwargs"] == {
        "n_stages": 2,
        "conv_op": "Conv3d",
        "features_per_stage": [4, 8],
        "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
    }
