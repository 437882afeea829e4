"""The files that describe a model name nnU-Net's own networks and layers, and nothing else."""

import json
import pydoc

import pytest
import torch

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.plans import (
    check_dataset,
    check_plans,
    layers,
    read_folds,
    read_plans,
)
from trainings import ARCHITECTURE, CHOSEN, PLANS, WALKED, changed

KWARGS = ("conv_op", "norm_op", "dropout_op", "nonlin")
CALLED = ("network_class_name", *(f"arch_kwargs {key}" for key in KWARGS))
"""Where an architecture names what is called."""
REFUSED = {
    "reader": ("image_reader_writer", "recursive_find_python_class"),
    "labels": ("label_manager", "repeat"),
    "preprocessor": (f"{CHOSEN} preprocessor_name", "ThreadPool"),
    "one of the schemes": (f"{CHOSEN} normalization_schemes", ["ZScoreNormalization", "ABC"]),
    "resampling": (f"{CHOSEN} resampling_fn_data", "recursive_find_python_class"),
    "resampling of masks": (f"{CHOSEN} resampling_fn_seg", "map_coordinates"),
    "keyword without a value": (f"{ARCHITECTURE} _kw_requires_import", ["block"]),
    "keywords as a word": (f"{ARCHITECTURE} _kw_requires_import", "nonlin"),
    "keyword that is a number": (f"{ARCHITECTURE} _kw_requires_import", [3]),
    "keyword that is a table": (f"{ARCHITECTURE} _kw_requires_import", [{"nonlin": 1}]),
    "folder elsewhere": (f"{CHOSEN} data_identifier", "../../elsewhere"),
    "dataset elsewhere": ("dataset_name", "/etc"),
    "stage elsewhere": (f"{CHOSEN} previous_stage", "../x"),
    "no table": ("configurations", ["3d_fullres"]),
    "no configuration": (CHOSEN, 3),
    "no architecture": (ARCHITECTURE, None),
    "a layer that is none": (f"{ARCHITECTURE} arch_kwargs nonlin", {"x": 1}),
}
LONG = '{"configurations": ' + "9" * 5000 + "}"
DATASET = {"labels": {"background": 0, "spinal_cord": 1}, "file_ending": ".nii.gz"}


@pytest.mark.parametrize(
    "name",
    [
        "torch.hub.load",
        "os.system",
        "cordstudy.pipeline.learning.trainer.train_fold",
        WALKED,
        "torch.nn.init.xavier_normal_",
        "torch.nn.modules.module.torch.hub.load",
        "torch.nn.Conv3d.__init__.__globals__",
        "torch.nn.Conv3d.forward",
        "dynamic_network_architectures.architectures.unet.torch.os.system",
        "dynamic_network_architectures.building_blocks.helper.np.load",
        "torch.nn.modules.conv.F.torch.load",
    ],
)
def test_plans_call_networks_and_layers_only(tmp_path, name):
    check_plans(PLANS, tmp_path)
    expected = f"it names {name} as .*refused before anything of it ran"
    for place in CALLED:
        with pytest.raises(StudyError, match=expected):
            check_plans(changed(PLANS, f"{ARCHITECTURE} {place}", name), tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_plans_name_nothing_else_of_nnunet_and_no_other_place(tmp_path, name):
    with pytest.raises(StudyError, match=str(tmp_path)) as raised:
        check_plans(changed(PLANS, *REFUSED[name]), tmp_path)
    assert raised.value.hint


def test_a_configuration_without_a_network_inherits_one_or_is_refused(tmp_path):
    inherited = {"data_identifier": "low", "inherits_from": "3d_fullres"}
    check_plans(changed(PLANS, "configurations low", inherited), tmp_path)
    with pytest.raises(StudyError, match=r"configurations\.low has no architecture"):
        check_plans(changed(PLANS, "configurations low", {"data_identifier": "low"}), tmp_path)


def test_every_layer_that_plans_may_name_is_a_layer_where_nnunet_finds_it():
    assert {"torch.nn.Conv3d", "torch.nn.modules.conv.Conv3d", "torch.nn.LeakyReLU"} <= layers()
    for name in layers():
        layer = pydoc.locate(name)
        assert issubclass(layer, torch.nn.Module), name
        assert layer.__module__.startswith("torch.nn.modules."), name


@pytest.mark.parametrize(
    "content", ["[", "[" * 20_000, LONG, '{"a": "\\u0000"}', "3", "", "{}"], ids=range(7)
)
@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "splits_final.json"])
def test_files_of_a_model_that_are_none_are_one_error(tmp_path, name, content):
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    (tmp_path / "dataset.json").write_text(json.dumps(DATASET))
    (tmp_path / "splits_final.json").write_text('[{"train": ["a_1"], "val": ["a_2"]}]')
    assert read_plans(tmp_path) == (PLANS, DATASET) and read_folds(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(StudyError, match=name):
        read_folds(tmp_path) if name == "splits_final.json" else read_plans(tmp_path)


@pytest.mark.parametrize(
    "folds",
    [[], [3], [{"train": ["a"]}], [{"train": ["a"], "val": "a"}], [{"train": [], "val": ["../a"]}]],
    ids=range(5),
)
def test_folds_are_lists_of_plain_names(tmp_path, folds):
    (tmp_path / "splits_final.json").write_text(json.dumps(folds))
    with pytest.raises(StudyError, match=r"splits_final\.json"):
        read_folds(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"overwrite_image_reader_writer": "load_json"},
        {"dataset": {"x": {"label": "/etc/passwd"}}},
        {"file_ending": "/../x.nii.gz"},
    ],
)
def test_a_dataset_json_names_no_reader_and_no_file_elsewhere(tmp_path, change):
    check_dataset(DATASET, tmp_path)
    with pytest.raises(StudyError, match=str(tmp_path)):
        check_dataset(DATASET | change, tmp_path)
