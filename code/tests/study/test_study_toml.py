"""What may stand in a study's TOML, and what its steps are."""

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.dataset_json import content_of
from cordstudy.provenance.history.paths import covers
from cordstudy.study.loading import load_study, parse_study
from cordstudy.study.parameters import parameter_files, settings_of
from cordstudy.study.schema import Study
from cordstudy.study.source_files import source_files
from cordstudy.study.steps import steps
from helpers import REPOSITORY, TINY, commit, git, study


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[split]", "[splitt]", "splitt: unknown key: did you mean 'split'?"),
        ("[models]", "[modls]", "modls: unknown key: did you mean 'models'?"),
        (
            "epochs = 1\n",
            "epochs = 1\nepoch = 2\n",
            "train.epoch: unknown key: did you mean 'epochs'?",
        ),
        ('labels = "derivatives/label"', "", "datasets.epi.labels: this key or section is missing"),
        ("seed = 3", 'seed = "three"', 'split.seed: a whole number, not "three"'),
        (
            "test_fraction = 0.25",
            "test_fraction = 1.5",
            "split.test_fraction: below 1.0, not 1.5",
        ),
        ("folds = [0]", "folds = [2]", "train.folds: there is no fold 2, split.folds is 2"),
        (
            'inspired = ["inspired"]',
            'inspired = ["epi"]',
            "models.inspired: 'epi' is not a dataset with role",
        ),
        (
            'path = "inputs/tiny-epi"',
            'path = "/data/epi"',
            "datasets.epi.path: a subdataset below inputs, such as inputs/site-a, not ",
        ),
        ("folds = [0]", "folds = [0, 0]", "train.folds: 0 stands there twice"),
        (
            'inspired = ["inspired"]',
            'inspired = { number = 609, datasets = ["inspired", "inspired"] }',
            "models.inspired.datasets: 'inspired' stands there twice",
        ),
        ("tile_step = 1.0", "tile_step = nan", "predict.tile_step: "),
        (
            "tile_step = 1.0",
            "tile_step = 1.0\nmirror_axes = [1, 1]",
            "predict.mirror_axes: 1 stands there twice",
        ),
        ("[predict]", "[judge]\nmargin = inf\n[predict]", "judge.margin: "),
        ("[predict]", "[judge]\nfailure_dice = 0\n[predict]", "judge.failure_dice: "),
        ("test_fraction = 0.25", "test_fraction = nan", "split.test_fraction: "),
        (
            "test_fraction = 0.25",
            'test_fraction = 0.25\nstratify = ["sex", "sex"]',
            "split.stratify: 'sex' stands there twice",
        ),
        ('role = "test"', 'role = "test"\nlicence = " "', "datasets.epi.licence: "),
        ('role = "test"', 'role = "test"\nsplit = "code/../../x.tsv"', "datasets.epi.split: "),
        ('role = "test"', 'role = "tets"', 'datasets.epi.role: "train" or "test", not "tets"'),
        ("[split]", "[split", "Expected ']'"),
    ],
)
def test_a_fault_in_the_toml_is_told_with_file_and_key(tmp_path, old, new, said):
    text = TINY.read_text()
    assert old in text
    path = tmp_path / "code/studies/tiny.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new))
    with pytest.raises(StudyError) as raised:
        load_study(tmp_path, "tiny")
    assert str(raised.value).startswith(f"{path}: ") and said in str(raised.value)


def test_every_fault_has_a_line_of_its_own_that_says_what_should_stand_there(tmp_path):
    path = tmp_path / "code/studies/tiny.toml"
    path.parent.mkdir(parents=True)
    text = TINY.read_text().replace("[datasets.epi]", "[datasets.EPI]")
    text = text.replace('role = "test"', 'role = "Test"\nrol = 1')
    text = text.replace('images = ["anat/T2w"]', 'images = ["T2w"]')
    text = text.replace("epochs = 1", "epochs = 0")
    text += "leave_one_out = 3\n"
    path.write_text(text)
    with pytest.raises(StudyError) as raised:
        load_study(tmp_path, "tiny")
    first, *lines = str(raised.value).splitlines()
    assert first == f"{path}: 6 faults"
    assert lines == [
        '  datasets.canproco.images: <datatype>/<entities>_<suffix>, such as anat/T2w, not "T2w"',
        '  datasets.EPI: lower-case letters, digits and -, not "EPI"',
        '  datasets.EPI.role: "train" or "test", not "Test"',
        "  datasets.EPI.rol: unknown key: did you mean 'role'?",
        "  train.epochs: above 0, not 0",
        "  fairness.leave_one_out: true or false, not 3 or a list in [ ], not 3",
    ]


def test_a_study_of_datasets_and_models_alone_is_whole(tmp_path):
    text = TINY.read_text().partition("[split]")[0]
    path = tmp_path / "code/studies/tiny.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    study = load_study(tmp_path, "tiny")
    assert study.train.folds == [0, 1, 2, 3, 4] and study.train.epochs == 1000
    path.write_text(f"{text}\n[split]\nfolds = 2\n")
    assert load_study(tmp_path, "tiny").train.folds == [0, 1], "all that there are"


@pytest.mark.parametrize(("key", "value"), [("", 0.1), ("[judge]\nfailure_dice = 0.3\n", 0.3)])
def test_below_which_dice_a_case_is_a_failure_may_be_set(tmp_path, key, value):
    path = tmp_path / "code/studies/tiny.toml"
    path.parent.mkdir(parents=True)
    path.write_text(TINY.read_text().replace("[predict]", f"{key}[predict]"))
    assert settings_of(load_study(tmp_path, "tiny")).failure_dice == value


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "/etc/passwd", "", "A", "x" * 300, "x" * 5000, "a\0b", "a\nb", "a.b", "\u00e9"],
)
def test_what_is_no_studys_name_is_one_error(tmp_path, name):
    (tmp_path / "code/studies").mkdir(parents=True)
    (tmp_path / "code/studies/tiny.toml").write_text("")
    with pytest.raises(StudyError, match="there is no study") as raised:
        load_study(tmp_path, name)
    assert raised.value.hint == "one of: tiny" and len(str(raised.value)) < 200


def test_a_fault_ends_the_command_with_an_error_and_nothing_written(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text() + "\n[extra]\n")
    commit(tiny_copy, "test: unknown section", toml)
    before = git(tiny_copy, "rev-parse", "HEAD")
    failed = study(tiny_copy, "--study", "tiny", "run", check=False)
    assert (
        failed.returncode == 1
        and "extra: unknown key" in failed.stderr
        and "hint: " in failed.stderr
    )
    assert git(tiny_copy, "rev-parse", "HEAD") == before


def test_every_input_of_a_step_is_in_the_sources_the_code_or_made_by_an_earlier_step():
    value = load_study(REPOSITORY, "phantom")
    known = {path for dataset in value.datasets.values() for path in source_files(dataset)}
    known |= set(parameter_files(value))
    tracked = set(git(REPOSITORY, "ls-files").splitlines())
    for step in steps(value):
        for spec in step.inputs:
            stem = spec.split("*")[0]
            assert (
                spec in known
                or spec in tracked
                or any(o.startswith(stem) or stem.startswith(o.split("*")[0]) for o in known)
            )
        known |= set(step.outputs)


@pytest.mark.parametrize(
    ("path", "is_read"),
    [
        ("sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w.nii.gz", True),
        ("sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w.nii", True),
        ("sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w.NII.GZ", True),
        ("sub-a1/ses-M0/anat/sub-a1_ses-M0_run-2_T2w.Nii", True),
        ("sub-a1/ses-M12/anat/sub-a1_ses-M12_T2w.nii.gz", True),
        ("sub-a1/anat/sub-a1_T2w.nii.gz", True),
        ("derivatives/labels/sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w_seg-manual.nii.gz", True),
        ("derivatives/labels/sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w_seg-manual.Nii", True),
        ("derivatives/labels/sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w_seg-manual.json", True),
        ("derivatives/labels/sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w_seg-other.nii.gz", False),
        ("sub-a1/ses-M0/anat/sub-a1_ses-M0_T2w.json", True),
        ("sub-a1/ses-M12/anat/sub-a1_ses-M12_T2w.json", False),
        ("T2w.json", True),
        ("acq-sag_T2w.json", True),
        ("T1w.json", True),
        ("sub-a1/ses-M0/func/sub-a1_ses-M0_bold.nii.gz", False),
        ("sub-a1/ses-M0/anat/._sub-a1_ses-M0_T2w.nii.gz", False),
    ],
)
def test_a_conversion_reads_images_with_any_ending_in_any_session_and_the_masks_of_its_own(
    path, is_read
):
    dataset = load_study(REPOSITORY, "phantom").datasets["canproco"]
    assert covers(list(source_files(dataset)), f"{dataset.path}/{path}") == is_read


def test_all_models_of_the_phantom_study_train_for_the_same_number_of_steps():
    trained = [
        step for step in steps(load_study(REPOSITORY, "phantom")) if step.name.startswith("train:")
    ]
    assert len(trained) == 11
    lengths = {step.argv[step.argv.index("--epochs") :] for step in trained}
    assert len(lengths) == 1


@pytest.mark.parametrize("key", ["name", "trained_in"])
def test_what_a_study_has_from_elsewhere_is_no_key_of_its_file(key):
    content = tomllib.loads(TINY.read_text())
    with pytest.raises(StudyError, match=f"{key}: unknown key"):
        parse_study(content | {key: "other"}, name="tiny", path=TINY)


def test_the_command_of_a_step_is_its_whole_parameterisation():
    content = tomllib.loads(TINY.read_text())
    before = steps(parse_study(content, name="tiny", path=TINY))
    content["train"]["epochs"] = 7
    after = steps(parse_study(content, name="tiny", path=TINY))
    changed = [shlex.join(new.argv) for old, new in zip(before, after) if old.argv != new.argv]
    assert len(changed) == 4 and all(command.startswith("code/study train") for command in changed)


@pytest.mark.parametrize("name", ["phantom", "public", "full"])
def test_the_committed_parameter_files_are_those_of_their_study(name):
    for path, content in parameter_files(load_study(REPOSITORY, name)).items():
        assert (REPOSITORY / path).read_text() == content


OF_CORD = {
    "structure": "spinal cord",
    "label": "SC",
    "channel": "MRI",
    "orientation": "RPI",
    "largest_share": 0.25,
    "leaves": ["inferior", "superior"],
    "components": "chosen",
    "areas": True,
    "strata": ["contrast", "vendor", "pathology", "label_origin", "site", "field_strength"],
    "question": "Does training on several datasets make spinal cord segmentation generalize?",
}


def tiny_with(task: dict[str, object]) -> Study:
    """The tiny study with a task."""
    content = tomllib.loads(TINY.read_text()) | {"task": task}
    return parse_study(content, name="tiny", path=TINY)


def test_a_task_is_the_cords_where_nothing_is_said_and_then_is_told_no_step():
    plain = parse_study(tomllib.loads(TINY.read_text()), name="tiny", path=TINY)
    assert plain.task.model_dump() == OF_CORD
    said = tiny_with(OF_CORD)
    assert steps(said) == steps(plain)
    assert parameter_files(said) == parameter_files(plain)
    assert not any("task" in json.loads(text) for text in parameter_files(plain).values())
    told = content_of(
        label=plain.task.label_name,
        channel=plain.task.channel,
        orientation=plain.task.orientation,
        leaves=plain.task.leaves,
    )
    for path in REPOSITORY.glob("derivatives/phantom/nnunet-raw/*/dataset.json"):
        recorded = json.loads(path.read_text())
        assert {
            **told,
            "name": recorded["name"],
            "numTraining": recorded["numTraining"],
        } == recorded


def test_another_structure_has_its_own_label_and_question():
    task = tiny_with({"structure": "gray matter"}).task
    assert (task.label_name, task.label) == ("gray_matter", "GrayMatter")
    assert task.question.endswith("make gray matter segmentation generalize?")
    assert tiny_with({"structure": "left kidney", "label": "kidney"}).task.label == "kidney"


@pytest.mark.parametrize(
    ("task", "changed"),
    [
        ({"orientation": "LPI"}, {"inspired", "canproco", "epi"}),
        ({"question": "Does it?"}, {"judging"}),
        ({"strata": ["vendor"]}, {"judging"}),
        ({"areas": False}, {"judging"}),
        ({"label": "cord"}, set()),
        ({"components": "all"}, set()),
    ],
)
def test_a_parameter_file_has_of_a_task_what_its_steps_read(task, changed):
    plain, told = parameter_files(tiny_with({})), parameter_files(tiny_with(task))
    stems = {Path(path).stem for path in plain if plain[path] != told[path]}
    assert stems == changed


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"orientation": "RAP"}, "task.orientation: 'RAP' is no orientation"),
        ({"structure": "cord; rm"}, "task.structure: "),
        ({"leaves": ["top"]}, "task.leaves"),
        ({"largest_share": 0}, "task.largest_share: "),
    ],
)
def test_a_task_that_cannot_be_is_named(task, said):
    with pytest.raises(StudyError, match=said):
        tiny_with(task)
