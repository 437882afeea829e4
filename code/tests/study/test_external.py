"""A study that trains nothing: the models of another, judged on other test sets."""

from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.parameters import settings_of
from cordstudy.study.steps import steps
from helpers import REPOSITORY, TINY

JUDGING = """
models = "tiny"

[datasets.new]
number = 507
path = "inputs/new"
role = "test"
licence = "CC0"
images = ["anat/T2w"]
labels = "derivatives/labels"
mask = "{stem}_seg"
"""
BASELINE = '\n[baselines]\nbest = { command = "best {image} {mask}", trained_on = ["new"] }\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "code/studies"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(TINY.read_text())
    (folder / "judging.toml").write_text(JUDGING + BASELINE)
    return tmp_path


def test_the_models_of_another_study_are_judged_and_nothing_is_trained(root):
    study, other = load_study(root, "judging"), load_study(root, "tiny")
    table = {step.name: step for step in steps(study)}
    kinds = {step.command for step in table.values()}
    assert not kinds & {"train", "plan", "merge", "validate", "package"}
    assert list(models_of(study)) == list(models_of(other))
    own = [name for name in table if name.startswith(("predict:", "program:"))]
    assert len(own) == len([step for step in steps(other) if step.command == "predict"]) + 1
    predict = table["predict:inspired.2"]
    folder = Layout(other).replicate(models_of(other)["inspired"], 2)
    assert folder.startswith("models/tiny/inspired/")
    assert f"{folder}/fold_0/checkpoint_final.pth" in predict.inputs
    assert predict.outputs[0] == "derivatives/judging/predictions/inspired.2/new/*"
    learned = "derivatives/tiny/nnunet-raw/Dataset601_general/cases.tsv"
    assert learned in table["leakage"].inputs and learned in table["compare"].inputs


def test_every_test_set_is_one_that_no_model_has_seen(root):
    settings = settings_of(load_study(root, "judging"))
    assert settings.trained_in == "tiny" and settings.trained_on_phantoms
    assert settings.unseen == ["new"] and settings.general == "general"
    assert settings_of(load_study(root, "tiny")).trained_in == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('role = "test"', 'role = "train"', 'datasets.new.role: "test"'),
        ("datasets.new", "datasets.inspired", "models of tiny learned from inspired"),
        ("inputs/new", "inputs/tiny-canproco", "models of tiny learned from canproco"),
        ("[baselines]", "[split]\nseed = 1\n[baselines]", "split: unknown key"),
        ("best = {", "general = {", "there is a model of this name"),
        (
            'command = "best {image} {mask}", trained_on = ["new"]',
            'shape = "mean"',
            "needs command",
        ),
        ('trained_on = ["new"]', 'trained_on = ["inspired"]', "there is no dataset 'inspired'"),
        ('models = "tiny"', 'models = "judging"', "judging trains none either"),
        ('models = "tiny"', 'models = "huge"', "there is no study 'huge'"),
    ],
)
def test_what_cannot_be_judged_is_refused(root, old, new, said):
    path = root / "code/studies/judging.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(StudyError) as caught:
        load_study(root, "judging")
    assert said in str(caught.value)


def test_the_study_of_real_images_takes_the_models_of_the_phantom_study():
    study = load_study(REPOSITORY, "real")
    assert study.trained_in == load_study(REPOSITORY, "phantom")
    assert not any(dataset.phantom for dataset in study.datasets.values())
