"""Numbers and seeds stay where they are, whatever else joins a study."""

import tomllib
from collections.abc import Iterator

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study, parse_study
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study
from cordstudy.study.step import Step
from cordstudy.study.steps import steps
from helpers import REPOSITORY

FULL = REPOSITORY / "code/studies/full.toml"
TEST_ONLY = {
    "number": 507,
    "path": "inputs/new",
    "role": "test",
    "licence": "CC0",
    "images": ["anat/T2w"],
    "labels": "derivatives/labels",
    "mask": "{stem}_seg",
}
TRAINING = {**TEST_ONLY, "role": "train"}
READ_ALL = {"split", "evaluate", "leakage", "cohort", "report"}
"""Steps whose command names every dataset. `compare` names every model's training set; `notebook`
has the same command as before, and another judging.json to read."""


def full() -> dict:
    return tomllib.loads(FULL.read_text())


def parsed(content: dict) -> Study:
    return parse_study(content, name="full", path=FULL)


def at_every_place(table: dict, name: str, value: object) -> Iterator[dict]:
    """A table with one entry more, at each place in it."""
    for place in range(len(table) + 1):
        entries = list(table.items())
        entries.insert(place, (name, value))
        yield dict(entries)


def changed(before: Study, after: Study) -> tuple[set[str], set[str]]:
    """The steps that are other than they were, and those that are new."""
    old, new = table(before), table(after)
    assert set(old) <= set(new)
    other = {name for name, step in old.items() if step != new[name]}
    return other, set(new) - set(old)


def table(study: Study) -> dict[str, Step]:
    return {step.name: step for step in steps(study)}


def test_a_test_only_source_at_any_place_changes_what_reads_all_test_sets_and_nothing_else():
    content, before = full(), load_study(REPOSITORY, "full")
    predictions = {f"predict:{model}" for model in models_of(before)}
    for datasets in at_every_place(content["datasets"], "new", TEST_ONLY):
        other, new = changed(before, parsed({**content, "datasets": datasets}))
        assert new == {"convert:new"}
        assert other == predictions | READ_ALL


def test_a_training_source_and_its_model_at_any_place_leave_every_other_model_as_it_was():
    content, before = full(), load_study(REPOSITORY, "full")
    predictions = {f"predict:{model}" for model in models_of(before)}
    folds = {f"train:new:fold{fold}" for fold in before.train.folds}
    for datasets in at_every_place(content["datasets"], "new", TRAINING):
        for models in at_every_place(content["models"], "new", ["new"]):
            after = parsed({**content, "datasets": datasets, "models": models})
            other, new = changed(before, after)
            assert new == {"convert:new", "plan:new", "validate:new", "predict:new"} | folds
            assert other == predictions | READ_ALL | {"compare"}


def test_a_training_source_that_the_general_model_learns_from_changes_that_model_alone():
    content, before = full(), load_study(REPOSITORY, "full")
    general = content["models"]["general"]
    learns_from = {**general, "datasets": [*general["datasets"], "new"]}
    for datasets in at_every_place(content["datasets"], "new", TRAINING):
        models = {**content["models"], "general": learns_from}
        other, _ = changed(before, parsed({**content, "datasets": datasets, "models": models}))
        trained = {name for name in other if name.startswith(("merge:", "plan:", "train:"))}
        # its commands name the datasets that it merges; what it trains on has other content then
        assert trained == {"merge:general"}


def test_fairness_models_move_no_number_and_have_their_own():
    content = full()
    plain = parsed(content)
    asked = parsed({**content, "fairness": {"size_matched": True, "leave_one_out": True}})
    before, after = Layout(plain), Layout(asked)
    for name, model in models_of(plain).items():
        assert after.training_set(models_of(asked)[name]) == before.training_set(model)
    folders = [after.training_set(m) for m in models_of(asked).values() if m.merged]
    folders += [after.raw(name) for name in asked.datasets]
    numbers = [folder.rpartition("/Dataset")[2].partition("_")[0] for folder in folders]
    assert len(set(numbers)) == len(numbers) == len(asked.datasets) + 6


@pytest.mark.parametrize("name", ["phantom", "public"])
def test_a_dataset_and_a_model_have_one_number_in_every_study(name):
    study, complete = load_study(REPOSITORY, name), load_study(REPOSITORY, "full")
    for dataset, values in study.datasets.items():
        assert values.number == complete.datasets[dataset].number
    for model, values in study.models.items():
        assert values.number == complete.models[model].number


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epi": {"number": 501}}, "datasets.epi.number: 501 is that of spine-generic"),
        (
            {"epi": {"number": 601}},
            "datasets.epi.number: at most 599, not 601",
        ),
    ],
)
def test_a_number_that_is_taken_or_out_of_range_is_told(change, said):
    content = full()
    for name, values in change.items():
        content["datasets"][name] |= values
    with pytest.raises(StudyError, match=said):
        parsed(content)


def test_a_dataset_without_a_number_is_told_which_is_free():
    content = full()
    content["datasets"]["new"] = {k: v for k, v in TEST_ONLY.items() if k != "number"}
    with pytest.raises(StudyError) as raised:
        parsed(content)
    assert "datasets.new.number: this key or section is missing" in str(raised.value)
    assert "507 is a free number" in raised.value.hint


def test_several_datasets_without_a_number_are_told_how_to_write_it():
    content = full()
    content["models"]["two"] = ["inspired", "canproco"]
    with pytest.raises(StudyError, match=r"models\.two: .*\{ number = 601, datasets = "):
        parsed(content)


def test_a_model_that_is_left_with_one_dataset_learns_from_that_datasets_own():
    content = full()
    content["models"]["general"]["datasets"] = ["inspired", "canproco"]
    study = parsed({**content, "fairness": {"leave_one_out": True}})
    layout, left = Layout(study), models_of(study)["without-inspired"]
    assert not left.merged and layout.training_set(left) == layout.raw("canproco")
