"""Options that keep a comparison fair: what they change in the steps, and in what is trained."""

import json
import tomllib
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.learning.batches import even_chances
from cordstudy.pipeline.report.report import fairness_notes
from cordstudy.study.loading import load_study
from cordstudy.study.schema import Study, parse_study
from cordstudy.study.steps import parameter_files, steps
from helpers import REPOSITORY, TINY, log_of, run, study

GENERAL = "models/tiny/general/Dataset601_general/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
INSPIRED = (
    "models/tiny/inspired/Dataset502_inspired/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
)
RAW = "derivatives/tiny/nnunet-raw"


def with_fairness(**options: object) -> Study:
    """The phantom study with other options of fairness."""
    path = REPOSITORY / "code/studies/phantom.toml"
    content = tomllib.loads(path.read_text())
    return parse_study(content | {"fairness": options}, name="phantom", path=path)


def commands(value: Study, kind: str) -> dict[str, str]:
    """The command of each step of one kind, by model."""
    found = (step for step in steps(value) if step.name.startswith(f"{kind}:"))
    return {step.name.split(":")[1]: " ".join(step.argv) for step in found}


def notes(value: Study, tmp_path) -> str:
    """What the report says of a study's fairness."""
    path = tmp_path / "judging.json"
    path.write_text(parameter_files(value)[value.judging])
    return " ".join(fairness_notes(read_settings(path)))


def test_without_options_models_are_trained_alike_and_plan_for_themselves(tmp_path):
    value = with_fairness()
    assert len(commands(value, "train")) == 5 and not any(
        "--plans" in one for one in commands(value, "plan").values()
    )
    assert not any("--balanced" in one for one in commands(value, "train").values())
    told = notes(value, tmp_path)
    assert "Equal training length: 16 epochs for every model." in told and "Plans per model" in told


def test_shared_plans_are_the_general_models_for_all_but_leave_one_out(tmp_path):
    value = with_fairness(plans="shared", leave_one_out=True, size_matched=True)
    plans = commands(value, "plan")
    shared = f"--plans {value.model('general')}/plans.json"
    assert {name for name, command in plans.items() if shared in command} == {
        "spine-generic",
        "inspired",
        "sci-colorado",
        "canproco",
        "size-matched",
    }
    assert next(iter(plans)) == "general", "a plan comes before those that take it over"
    assert "Shared plans: 6 models" in notes(value, tmp_path)


def test_a_model_without_a_dataset_is_planned_and_trained_without_it(tmp_path):
    value = with_fairness(leave_one_out=True)
    for left in value.models["general"]:
        model = f"without-{left}"
        step = next(one for one in steps(value) if one.name == f"merge:{model}")
        assert (
            not any(value.raw(left) in path for path in step.inputs)
            and len(value.all_models[model].parts) == 3
        )
        assert value.training_set(model) in commands(value, "plan")[model]
        assert f" {value.training_set(model)} " in commands(value, "train")[model]
    plain = load_study(REPOSITORY, "phantom")
    assert [value.raw(name) for name in plain.datasets] == [
        plain.raw(name) for name in plain.datasets
    ]
    assert "Leave one dataset out: 4 general models" in notes(value, tmp_path)


def test_another_training_length_is_a_deviation_that_the_report_shows(tmp_path):
    value = with_fairness(epochs={"general": 26}, sampling="datasets")
    lengths = {
        name: command.split("--epochs ")[1].split()[0]
        for name, command in commands(value, "train").items()
    }
    assert lengths.pop("general") == "26" and set(lengths.values()) == {"16"}
    told = notes(value, tmp_path)
    assert "Not equal in training length: 26 epochs: general; 16 epochs: spine-generic" in told
    assert "Balanced sampling: every dataset has the same chance in a batch of general." in told


@pytest.mark.parametrize(
    ("fairness", "said"),
    [
        ({"epochs": {"genral": 5}}, "fairness.epochs: there is no model 'genral'"),
        ({"plans": "common"}, "fairness.plans: Input should be 'per-model' or 'shared'"),
        ({"balanced": True}, "fairness.balanced: unknown key"),
    ],
)
def test_a_fault_in_the_options_is_told(fairness, said):
    with pytest.raises(StudyError, match=r"phantom\.toml") as raised:
        with_fairness(**fairness)
    assert said in str(raised.value)


def test_options_for_several_datasets_need_a_model_of_several():
    content = tomllib.loads(TINY.read_text()) | {"models": {"inspired": ["inspired"]}}
    with pytest.raises(
        StudyError, match="size_matched and leave_one_out need a model of several datasets"
    ):
        parse_study(content, name="tiny", path=TINY)
    content = tomllib.loads(TINY.read_text())
    content["models"]["size-matched"] = ["inspired"]
    with pytest.raises(
        StudyError, match=r"models\.size-matched: fairness makes a model of this name"
    ):
        parse_study(content, name="tiny", path=TINY)


def test_balanced_sampling_draws_every_dataset_with_like_chance():
    groups = ["a"] * 54 + ["b"] * 5 + ["c"] * 8
    chances = pd.Series(even_chances(groups)).groupby(groups).agg(["sum", "nunique"])
    assert chances["sum"].to_numpy() == pytest.approx(1 / 3) and (chances["nunique"] == 1).all()
    drawn = np.random.default_rng(1).choice(groups, 3000, p=even_chances(groups))
    assert all(900 < count < 1100 for count in Counter(drawn.tolist()).values())


def test_the_recorded_study_has_shared_plans_and_a_size_matched_set(tiny):
    general, inspired = (
        json.loads((tiny / folder / "plans.json").read_text()) for folder in (GENERAL, INSPIRED)
    )
    assert inspired == general | {"dataset_name": "Dataset502_inspired"}
    sizes = {
        path.name: len(list((path / "imagesTr").iterdir()))
        for path in (tiny / RAW).glob("Dataset50[1245]*")
    }
    assert sizes["Dataset701_size-matched"] == max(
        sizes["Dataset502_inspired"], sizes["Dataset504_canproco"]
    )
    cases = pd.read_csv(tiny / RAW / "Dataset701_size-matched/cases.tsv", sep="\t")
    assert set(cases["dataset"]) == {"inspired", "canproco"} and set(cases["fold"]) == {0, 1}
    record = next(
        record
        for subject, (_, record) in log_of(tiny).items()
        if subject.startswith("Train general, fold")
    )
    assert (
        "--balanced" in record["cmd"] and f"{RAW}/Dataset601_general/cases.tsv" in record["inputs"]
    )


@pytest.mark.slow
def test_balanced_sampling_changes_the_model_and_leaving_out_runs(tiny_copy):
    record = next(
        r
        for subject, (_, r) in log_of(tiny_copy).items()
        if subject == "Train general, fold 0, for 4 steps"
    )
    words = record["cmd"].split()
    made = {}
    for name, argv in {
        "balanced": words,
        "by case": [word for word in words if word != "--balanced"],
    }.items():
        out = words[words.index("--out") + 1]
        run(*(name.replace(" ", "-") if word == out else word for word in argv), cwd=tiny_copy)
        made[name] = (tiny_copy / name.replace(" ", "-") / "checkpoint_final.pth").read_bytes()
    kept = (tiny_copy / GENERAL / "fold_0/checkpoint_final.pth").read_bytes()
    assert made["balanced"] == kept != made["by case"]
    run("git", "clean", "-fdq", cwd=tiny_copy)
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(
        toml.read_text().replace("size_matched = true", "size_matched = true\nleave_one_out = true")
    )
    run("git", "commit", "-qam", "test: leave datasets out", cwd=tiny_copy)
    study(tiny_copy, "--study", "tiny", "run", "train:without-inspired:fold0")
    without = next((tiny_copy / "models/tiny/without-inspired").glob("*/*/plans.json"))
    assert json.loads(without.read_text())["dataset_name"] == "Dataset504_canproco"
