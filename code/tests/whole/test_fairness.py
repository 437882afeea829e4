"""Options that keep a comparison fair: what they change in the steps, and in what is trained."""

import json
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.batches import even_chances
from cordstudy.pipeline.report.sections import fairness_notes
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study, parse_study
from cordstudy.study.models import models_of
from cordstudy.study.parameters import settings_of
from cordstudy.study.schema import Study
from cordstudy.study.steps import steps
from helpers import REPOSITORY, TINY, log_of, run, study

GENERAL = "models/tiny/general/Dataset601_general/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
INSPIRED = (
    "models/tiny/inspired/Dataset502_inspired/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
)
RAW = "derivatives/tiny/nnunet-raw"


def with_fairness(**options: object) -> Study:
    """The phantom study with other options of fairness, each model trained once."""
    path = REPOSITORY / "code/studies/phantom.toml"
    content = tomllib.loads(path.read_text())
    content["train"].pop("replicates_of", None)
    content |= {"fairness": options, "baselines": {}}
    return parse_study(content, name="phantom", path=path)


def commands(value: Study, command: str) -> dict[str, str]:
    """The command of each step of one kind, by what it is for."""
    chosen = [step for step in steps(value) if step.command == command]
    return {step.of.removesuffix(":fold0"): " ".join(step.argv) for step in chosen}


def notes(value: Study) -> str:
    """What the report says of a study's fairness."""
    return " ".join(fairness_notes(settings_of(value), {}))


def test_without_options_models_are_trained_alike_and_plan_for_themselves():
    value = with_fairness()
    plans, trainings = commands(value, "plan"), commands(value, "train")
    assert set(plans) == set(trainings) == set(value.models)
    assert not any("--plans" in command for command in plans.values())
    assert not any("--balanced" in command for command in trainings.values())
    told = notes(value)
    epochs = value.train.epochs
    assert f"Equal training length: {epochs} epochs for every model." in told
    assert "Plans per model" in told and "Sampling by case" in told


@pytest.mark.parametrize(("left", "planner"), [([], "general"), (["canproco"], "without-canproco")])
def test_shared_plans_are_those_of_the_largest_model_that_sees_no_left_out_dataset(left, planner):
    value = with_fairness(plans="shared", leave_one_out=left, size_matched=["images", "people"])
    models = models_of(value)
    plans = commands(value, "plan")
    shared = f"--plans {Layout(value).model(models[planner])}/plans.json"
    followers = {name for name, command in plans.items() if shared in command}
    assert followers == {*models} - {planner, *value.baselines}
    assert next(iter(plans)) == planner, "a plan comes before those that take it over"
    assert f"Shared plans: {len(followers) + 1} models" in notes(value)
    assert f"of {planner}'s plans" in notes(value)


def test_a_model_without_a_dataset_is_planned_and_trained_without_it():
    value = with_fairness(leave_one_out=True)
    layout, models = Layout(value), models_of(value)
    seen = value.models["general"].datasets
    by_name = {step.name: step for step in steps(value)}
    for left in seen:
        model = models[f"without-{left}"]
        assert set(model.learns_from) == {*seen} - {left}
        merge = by_name[f"merge:{model.name}"]
        assert not any(layout.raw(left) in path for path in merge.inputs)
        own = layout.training_set(model)
        assert own in commands(value, "plan")[model.name]
        assert f" {own} " in commands(value, "train")[model.name]
    assert f"Leave one dataset out: {len(seen)} general models" in notes(value)


def test_models_that_fairness_adds_move_no_raw_dataset():
    value, plain = with_fairness(leave_one_out=True), load_study(REPOSITORY, "phantom")
    for name in plain.datasets:
        assert Layout(value).raw(name) == Layout(plain).raw(name)


def test_another_training_length_is_a_deviation_that_the_report_shows():
    usual = with_fairness().train.epochs
    value = with_fairness(epochs={"general": usual + 10}, sampling="datasets")
    for name, command in commands(value, "train").items():
        epochs = usual + 10 if name == "general" else usual
        assert f"--epochs {epochs} " in command, name
    told = notes(value)
    assert f"Not equal in training length: {usual + 10} epochs: general; {usual} epochs: " in told
    assert "Balanced sampling: every dataset has the same chance in a batch of general." in told


@pytest.mark.parametrize(
    ("fairness", "said"),
    [
        ({"epochs": {"genral": 5}}, "fairness.epochs: there is no model 'genral'"),
        ({"plans": "common"}, 'fairness.plans: "per-model" or "shared"'),
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
    general = json.loads((tiny / GENERAL / "plans.json").read_text())
    inspired = json.loads((tiny / INSPIRED / "plans.json").read_text())
    assert inspired == general | {"dataset_name": "Dataset502_inspired"}
    sizes = {}
    for number in (502, 504, 701):
        (raw,) = (tiny / RAW).glob(f"Dataset{number}_*")
        sizes[number] = len(list((raw / "imagesTr").iterdir()))
    assert sizes[701] == max(sizes[502], sizes[504])
    cases = pd.read_csv(tiny / RAW / "Dataset701_size-matched/cases.tsv", sep="\t")
    assert set(cases["dataset"]) == {"inspired", "canproco"} and set(cases["fold"]) == {0, 1}
    record = record_of(tiny, "Train general, fold 0, ")
    assert "--balanced" in record["cmd"]
    assert f"{RAW}/Dataset601_general/cases.tsv" in record["inputs"]


def record_of(folder: Path, start: str) -> dict:
    """The record whose subject starts so."""
    (record,) = [
        value for subject, (_, value) in log_of(folder).items() if subject.startswith(start)
    ]
    return record


@pytest.mark.slow
def test_balanced_sampling_changes_the_model_and_leaving_out_runs(tiny_copy):
    words = record_of(tiny_copy, "Train general, fold 0, ")["cmd"].split()
    out = words.index("--out") + 1
    plain = [word for word in words if word != "--balanced"]
    made = {}
    for name, argv in (("balanced", words), ("by-case", plain)):
        run(*[name if word == words[out] else word for word in argv], cwd=tiny_copy)
        made[name] = (tiny_copy / name / "checkpoint_final.pth").read_bytes()
    kept = (tiny_copy / GENERAL / "fold_0/checkpoint_final.pth").read_bytes()
    assert made["balanced"] == kept != made["by-case"]
    run("git", "clean", "-fdq", cwd=tiny_copy)
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(
        toml.read_text().replace("size_matched = true", "size_matched = true\nleave_one_out = true")
    )
    run("git", "commit", "-qam", "test: leave datasets out", cwd=tiny_copy)
    study(tiny_copy, "--study", "tiny", "run", "train:without-inspired:fold0")
    without = next((tiny_copy / "models/tiny/without-inspired").glob("*/*/plans.json"))
    assert json.loads(without.read_text())["dataset_name"] == "Dataset504_canproco"
