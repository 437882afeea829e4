"""A study of a release: its model judged on test sets, rendered from the TOML alone."""

from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import parameter_files, settings_of
from cordstudy.study.releases import Given
from cordstudy.study.steps import steps
from helpers import TINY

JUDGING = """
models = "models/theirs/General_1.zip"

[unpack]
folds = [0]

[datasets.new]
number = 507
path = "inputs/new"
role = "test"
licence = "CC0"
images = ["anat/T2w"]
labels = "derivatives/labels"
mask = "{stem}_seg"
"""
BASELINE = '\n[baselines]\nbest = { command = "best {image} {mask}" }\n'
UNPACKED = "models/judging/general-1/unpacked"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "code/studies"
    folder.mkdir(parents=True)
    (folder / "tiny.toml").write_text(TINY.read_text())
    (folder / "judging.toml").write_text(JUDGING + BASELINE)
    return tmp_path


def test_a_release_is_unpacked_and_judged_and_nothing_is_trained(root):
    table = {step.name: step for step in steps(load_study(root, "judging"))}
    assert list(table) == [
        "split",
        "convert:new",
        "unpack:general-1",
        "predict:general-1",
        "program:best",
        "evaluate",
        "compare",
        "leakage",
        "cohort",
        "report",
        "notebook",
    ]
    unpack, predict = table["unpack:general-1"], table["predict:general-1"]
    assert "models/theirs/General_1.zip" in unpack.inputs
    network = {f"{UNPACKED}/{name}" for name in ("plans.json", "fold_0/checkpoint_final.pth")}
    assert network < set(unpack.outputs) and network < set(predict.inputs)
    assert f"{UNPACKED}/cases.tsv" in table["leakage"].inputs
    assert f"{UNPACKED}/cases.tsv" in table["compare"].inputs
    words = " ".join(predict.argv)
    assert "--mirror 0 --mirror 1 --mirror 2 --tile-step 0.5 --identical anywhere" in words
    assert "--sha256" not in unpack.argv


def test_what_a_release_should_be_is_told_to_the_step(root):
    path = root / "code/studies/judging.toml"
    digest = "a1" * 32
    said = f'folds = [0, 1]\nsha256 = "{digest}"\ntile_step = 0.75\nidentical = "here"'
    path.write_text(path.read_text().replace("folds = [0]", said))
    table = {step.name: step for step in steps(load_study(root, "judging"))}
    words = " ".join(table["unpack:general-1"].argv)
    assert f"--sha256 {digest} --fold 0 --fold 1 --tile-step 0.75" in words
    assert "--structure spinal cord --orientation RPI" in words
    assert table["predict:general-1"].identical == "here"


def test_nothing_is_claimed_of_a_training_that_is_not_here(root):
    study = load_study(root, "judging")
    settings = settings_of(study)
    assert settings.release == "models/theirs/General_1.zip" and settings.trained_in == ""
    assert not settings.trained_on_phantoms and settings.specifics == []
    [model, _] = settings.models
    assert (model.kind, model.learns_from, model.epochs) == ("general", (), 0)
    other = parameter_files(load_study(root, "tiny"))["code/studies/tiny/judging.json"]
    assert '"release"' not in other, "the files of other studies stay as they are"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models/theirs/general.zip", "general"),
        ("General v1.2.zip", "general-v1-2"),
        ("models/phantom/general/release", "general"),
        ("models/theirs/spine", "spine"),
        ("a/+.zip", "model"),
    ],
)
def test_a_model_is_called_as_its_release(path, name):
    assert Given(path=path).model == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("models/theirs", "/models/theirs", "neither a study's name nor the path of a release"),
        ("models/theirs", "../theirs", "neither a study's name nor the path of a release"),
        ("models/theirs/General_1.zip", "General 1", "neither a study's name nor the path"),
        ("models/theirs/General_1.zip", "tiny", "unpack: it is of a release, and tiny is a study"),
        ("[unpack]", '[task]\norientation = "up"\n[unpack]', "task.orientation"),
        ("folds = [0]", 'sha256 = "abc"', "unpack.sha256: 64 digits"),
        ("folds = [0]", "fold = 0", "unpack.fold: unknown key: did you mean 'folds'?"),
        ("[unpack]", "[train]\nepochs = 1\n[unpack]", "train: unknown key"),
        ('role = "test"', 'role = "train"', 'datasets.new.role: "test"'),
        ("best = {", "general-1 = {", "there is a model of this name"),
    ],
)
def test_what_cannot_be_judged_is_refused(root, old, new, said):
    path = root / "code/studies/judging.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(StudyError) as caught:
        load_study(root, "judging")
    assert said in str(caught.value) and caught.value.hint
