"""The models of a study: how often each is trained, of what size, by whose plans; baselines."""

import json
import tomllib

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study, parse_study
from cordstudy.study.models import models_of, planned_by, replicates, shared_planner
from cordstudy.study.parameters import parameter_files, settings_of
from cordstudy.study.schema import Study
from cordstudy.study.step import Step
from cordstudy.study.steps import steps
from helpers import REPOSITORY

FULL = REPOSITORY / "code/studies/full.toml"
SETS = ("spine-generic", "inspired", "sci-colorado", "canproco")
REDUCED = {
    "spacing_mm": [1.5, 1.5, 1.5],
    "patch_size": [8, 8, 8],
    "batch_size": 2,
    "features": [4, 8, 8],
    "convolutions": 1,
}
FLAT = REDUCED | {"spacing_mm": [1.5, 1.5], "patch_size": [8, 8]}
SCT = {
    "command": "sct_deepseg spinalcord -i {image} -o {mask}",
    "trained_on": ["spine-generic", "epi"],
}


def full(**tables: object) -> Study:
    """The full study with more in some of its tables."""
    content = tomllib.loads(FULL.read_text())
    for name, values in tables.items():
        content[name] = {**content.get(name, {}), **values}
    return parse_study(content, name="full", path=FULL)


def by_name(study: Study) -> dict[str, Step]:
    return {step.name: step for step in steps(study)}


def refusal(**tables: object) -> StudyError:
    with pytest.raises(StudyError, match=r"full\.toml: ") as raised:
        full(**tables)
    return raised.value


def plans(study: Study) -> dict[str, str]:
    """Whose plans each model has."""
    return {name: planned_by(study, model) for name, model in models_of(study).items()}


def test_a_model_can_be_trained_more_often_than_the_others_each_time_with_a_seed_of_its_own():
    study = full(train={"folds": [0], "replicates_of": {"general": 3, "canproco": 2}})
    trained = [step for step in steps(study) if step.command == "train"]
    seeds = {step.of: step.argv[step.argv.index("--seed") + 1] for step in trained}
    assert seeds.pop("general.2:fold0") == seeds.pop("canproco.2:fold0") == "2"
    assert seeds.pop("general.3:fold0") == "3"
    assert seeds == {f"{name}:fold0": "1" for name in study.models}
    names = [step.of.partition(":")[0] for step in trained]
    assert names[len(study.models) :] == ["general.2", "canproco.2", "general.3"]


def test_all_trainings_are_predicted_and_judged_and_judging_knows_how_many_there_are():
    study = full(train={"replicates_of": {"general": 3}})
    table, layout, general = by_name(study), Layout(study), models_of(study)["general"]
    for number in (1, 2, 3):
        folder = layout.predictions(general, number)
        assert folder in table["evaluate"].argv
        assert (folder in table["report"].argv) == (number == 1)
    assert "predict:general.3" in table and "predict:inspired.2" not in table
    told = {model.name: model.trainings for model in settings_of(study).models}
    assert told == {name: 1 for name in study.models} | {"general": 3}
    assert settings_of(study).trainings == 3


def test_a_number_for_all_holds_where_a_model_has_none_of_its_own():
    study = full(train={"replicates": 2, "replicates_of": {"inspired": 1}})
    counts = {name: replicates(study, model) for name, model in models_of(study).items()}
    assert counts == {name: 2 for name in study.models} | {"inspired": 1}


def test_a_training_of_a_model_that_is_not_there_is_told_with_the_nearest():
    error = refusal(train={"replicates_of": {"genral": 3}})
    told = "train.replicates_of: there is no model 'genral'; did you mean 'general'?"
    assert told in str(error)


def test_a_general_model_is_matched_by_images_and_by_people():
    study = full(fairness={"size_matched": ["images", "people"]})
    table, settings = by_name(study), settings_of(study)
    for name, by in (("size-matched", "images"), ("size-matched-people", "people")):
        argv = table[f"merge:{name}"].argv
        assert argv[-4:] == ("--match-largest", "50", "--by", by)
        assert [model.kind for model in settings.models if model.name == name] == [name]
    assert full(fairness={"size_matched": True}).fairness.size_matched == ["images"]
    assert full(fairness={"size_matched": False}).fairness.size_matched == []


def test_no_two_training_sets_have_one_number():
    content = {"size_matched": ["people", "images"], "leave_one_out": True}
    for number in (601, 699):
        general = {"general": {"number": number, "datasets": list(SETS)}}
        study = full(fairness=content, models=general, baselines={"flat": {"configuration": "2d"}})
        layout = Layout(study)
        folders = [
            layout.training_set(model) for model in models_of(study).values() if model.merged
        ]
        folders += [layout.raw(name) for name in study.datasets]
        numbers = {folder.rpartition("/Dataset")[2].partition("_")[0] for folder in folders}
        assert len(numbers) == len(folders) == 6 + 1 + 2 + 4


def test_shared_plans_never_saw_the_dataset_that_is_left_out():
    study = full(fairness={"plans": "shared", "leave_one_out": ["canproco"]})
    assert set(plans(study).values()) == {"without-canproco"}
    layout, table = Layout(study), by_name(study)
    for name in models_of(study):
        if name != "without-canproco":
            own = f"{layout.model(models_of(study)['without-canproco'])}/plans.json"
            assert own in table[f"plan:{name}"].inputs
    seen = " ".join(table["plan:without-canproco"].inputs + table["merge:without-canproco"].inputs)
    assert "canproco/" not in seen.replace("without-canproco/", "")
    assert "--plans" not in table["plan:without-canproco"].argv


@pytest.mark.parametrize("left", [SETS[1:], SETS[:3], ("inspired", "sci-colorado", "canproco")])
def test_shared_plans_come_from_what_no_model_leaves_out(left):
    study = full(fairness={"plans": "shared", "leave_one_out": list(left)})
    (planner,) = set(plans(study).values())
    assert not set(left).intersection(models_of(study)[planner].learns_from)


def test_without_a_left_out_dataset_all_share_the_plans_of_the_general_model():
    study = full(fairness={"plans": "shared", "size_matched": ["images", "people"]})
    assert set(plans(study).values()) == {"general"}


def test_where_every_dataset_is_left_out_plans_are_fixed_values_or_there_are_none_to_share():
    every = {"plans": "shared", "leave_one_out": True}
    assert "plans that all share would come from a dataset" in str(refusal(fairness=every))
    study = full(fairness=every, plan={"reduction": REDUCED})
    assert shared_planner(study) == "" and all(name == of for name, of in plans(study).items())
    table = by_name(study)
    options = {
        step.argv[step.argv.index("--folds") :] for step in table.values() if step.command == "plan"
    }
    assert len(options) == 1 and "--spacing" in next(iter(options))


def test_only_a_dataset_of_the_general_model_can_be_left_out():
    error = refusal(fairness={"leave_one_out": ["epi"]})
    assert "fairness.leave_one_out: the general model does not see 'epi'" in str(error)


def test_a_network_as_a_baseline_learns_from_the_general_models_set_by_plans_of_its_own():
    study = full(
        baselines={"general-2d": {"configuration": "2d", "reduction": FLAT}},
        fairness={"plans": "shared"},
        plan={"reduction": REDUCED},
    )
    layout, table, model = Layout(study), by_name(study), models_of(study)["general-2d"]
    general = models_of(study)["general"]
    assert layout.training_set(model) == layout.training_set(general)
    assert layout.model(model).endswith(
        "Dataset601_general/nnUNetTrainerRepeatable__nnUNetPlans__2d"
    )
    assert "merge:general-2d" not in table
    plan, train = table["plan:general-2d"].argv, table["train:general-2d:fold0"].argv
    assert "--plans" not in plan and plan[plan.index("--spacing") + 1] == "1.5,1.5"
    for argv in (plan, train):
        assert argv[argv.index("--configuration") + 1] == "2d"
    lengths = {s.argv[s.argv.index("--epochs") :] for s in table.values() if s.command == "train"}
    assert len(lengths) == 1
    assert layout.predictions(model, 1) in table["evaluate"].argv
    assert "general-2d" in table["leakage"].argv


def test_a_mean_shape_is_learned_from_the_general_models_masks_and_judged_as_any_model():
    study = full(baselines={"mean-shape": {"shape": "mean"}})
    table, layout = by_name(study), Layout(study)
    step = table["shape:mean-shape"]
    training = layout.training_set(models_of(study)["general"])
    assert step.argv[:3] == ("code/study", "shape", training)
    assert f"{training}/labelsTr/*" in step.inputs and f"{training}/imagesTr/*" not in step.inputs
    for name in ("evaluate", "report"):
        assert "derivatives/full/predictions/mean-shape" in table[name].argv
    assert "mean-shape" not in table["leakage"].argv
    names = [step.name for step in steps(study)]
    assert names.index("shape:mean-shape") < names.index("evaluate")
    (told,) = settings_of(study).of_kind("baseline")
    assert (told.name, told.epochs, told.trained_on) == ("mean-shape", 0, ())


def test_a_program_is_told_what_it_was_trained_on_and_learns_from_nothing_here():
    study = full(baselines={"sct-deepseg": SCT})
    step = by_name(study)["program:sct-deepseg"]
    assert step.argv[-2:] == ("--command", SCT["command"])
    assert not any("Tr/" in path for path in step.inputs)
    (told,) = settings_of(study).of_kind("baseline")
    assert told.trained_on == ("spine-generic", "epi") and told.learns_from == ()
    assert settings_of(study).unseen == ["basel-mp2rage", "epi"]


def test_a_baseline_changes_nothing_of_what_is_trained():
    plain, beside = by_name(full()), by_name(full(baselines={"a": {"shape": "mean"}, "b": SCT}))
    changed = {name for name, step in plain.items() if step != beside[name]}
    assert changed == {"evaluate", "report"}
    assert set(beside) - set(plain) == {"shape:a", "program:b"}


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ({}, "needs one of shape, configuration and command"),
        ({"shape": "mean", "configuration": "2d"}, "needs one of shape, configuration and command"),
        ({"shape": "mode"}, '"mean", not "mode"'),
        ({"command": "x -i {image}"}, "command: {mask} must stand in it"),
        ({"command": "x '{image} {mask}"}, "command: No closing quotation"),
        ({"shape": "mean", "trained_on": ["epi"]}, "trained_on: it is of a program"),
        ({"shape": "mean", "version": "sct_deepseg -h"}, "version: it is of a program"),
        ({**SCT, "version": "sct_deepseg '"}, "version: No closing quotation"),
        ({**SCT, "version": " "}, "version: "),
        ({"shape": "mean", "reduction": FLAT}, "reduction: it is of a network"),
        ({"configuration": "2d", "reduction": REDUCED}, "reduction.spacing_mm: 2d has 2 axes"),
        ({**SCT, "trained_on": ["epy"]}, "trained_on: there is no dataset 'epy'"),
    ],
)
def test_a_fault_in_a_baseline_is_told(baseline, said):
    error = refusal(baselines={"beside": baseline})
    assert "baselines.beside" in str(error) and said in str(error)


def test_a_program_is_asked_for_its_version_where_the_study_says_how():
    asked = by_name(full(baselines={"sct": {**SCT, "version": "sct_deepseg -h"}}))["program:sct"]
    plain = by_name(full(baselines={"sct": SCT}))["program:sct"]
    assert asked.argv == (*plain.argv, "--version-command", "sct_deepseg -h")
    assert asked.outputs == plain.outputs and asked.outputs[-1].endswith("/sct/program.json")


def test_a_baseline_has_a_name_of_its_own_and_a_reduction_of_its_own():
    told = str(refusal(baselines={"general": {"shape": "mean"}}))
    assert "baselines.general: there is a model of this name" in told
    told = str(refusal(baselines={"flat": {"configuration": "2d"}}, plan={"reduction": REDUCED}))
    assert "baselines.flat: [plan] has a reduction, so it needs one of its own" in told


@pytest.mark.parametrize("name", ["phantom", "public", "full"])
def test_a_judging_file_of_before_still_reads(name, tmp_path):
    from cordstudy.pipeline.judging.settings import read_settings

    study = load_study(REPOSITORY, name)
    content = json.loads(parameter_files(study)[Layout(study).judging])
    for model in content["models"]:
        del model["trainings"], model["trained_on"]
    (tmp_path / "judging.json").write_text(json.dumps(content))
    settings = read_settings(tmp_path / "judging.json")
    assert {model.trainings for model in settings.models} == {1}
