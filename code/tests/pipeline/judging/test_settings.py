"""A judging file of values that cannot be is refused, and so is the study's TOML that has them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.answer import answer
from cordstudy.pipeline.judging.comparisons import compare_models
from cordstudy.pipeline.judging.complete import check_complete
from cordstudy.pipeline.judging.scores import summarise
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.judging.strata import strata
from cordstudy.study.loading import load_study, parse_study
from cordstudy.study.parameters import settings_of
from cordstudy.study.schema import Study
from helpers import REPOSITORY
from simulated import settings, simulated

OF_JUDGE = [
    ("margin", -0.02),
    ("margin", 0),
    ("margin", 1),
    ("margin", math.nan),
    ("margin", "0.02"),
    ("margin", True),
    ("resamples", 0),
    ("resamples", -1),
    ("resamples", 499),
    ("resamples", 1e4),
    ("seed", -1),
    ("seed", 0.5),
    ("failure_dice", 0),
    ("failure_dice", -0.1),
    ("failure_dice", 1.01),
    ("failure_dice", math.inf),
    ("failure_dice", "nan"),
    ("nsd_tolerance_mm", 0),
    ("nsd_tolerance_mm", -1),
    ("nsd_tolerance_mm", math.inf),
]


def refused(folder: Path, content: dict) -> str:
    (folder / "judging.json").write_text(json.dumps(content))
    with pytest.raises(StudyError, match=r"judging\.json: not a study's judging file: ") as raised:
        read_settings(folder / "judging.json")
    assert raised.value.hint and "\n" not in str(raised.value)
    return str(raised.value).rpartition("judging file: ")[2]


def content() -> dict:
    return json.loads(settings().model_dump_json())


@pytest.mark.parametrize(("key", "value"), OF_JUDGE)
def test_a_value_that_cannot_be_is_told_with_its_key_of_either_file(tmp_path, key, value):
    assert refused(tmp_path, content() | {key: value}).startswith(f"{key}: ")
    study = load_study(REPOSITORY, "phantom").model_dump(exclude={"name"}, exclude_none=True)
    parse_study(study, name="phantom", path=Path("phantom.toml"))
    study["judge"][key] = value
    with pytest.raises(StudyError, match=rf"phantom\.toml: judge\.{key}: "):
        parse_study(study, name="phantom", path=Path("phantom.toml"))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
@pytest.mark.parametrize("key", ["trainings", "models.0.trainings"])
def test_there_is_at_least_one_training(tmp_path, key, value):
    changed = content()
    place = changed["models"][0] if key.startswith("models") else changed
    place["trainings"] = value
    assert refused(tmp_path, changed).startswith(f"{key}: ")


def without(kind: str) -> dict:
    changed = content()
    changed["models"] = [model for model in changed["models"] if model["kind"] != kind]
    return changed


def repeated(key: str, **values: str) -> dict:
    changed = content()
    changed[key].append(changed[key][0] | values)
    return changed


def learning_twice() -> dict:
    changed = content()
    changed["models"][1]["learns_from"] *= 2
    return changed


FAULTS = {
    "no general model": (lambda: without("general"), "models: one has the kind general"),
    "no model": (lambda: content() | {"models": []}, "models: one has the kind general"),
    "two general models": (
        lambda: repeated("models", name="other"),
        "models: one has the kind general, and no other: general, other",
    ),
    "a test set twice": (lambda: repeated("datasets"), "datasets: 'a' stands there twice"),
    "a test set twice elsewhere": (
        lambda: repeated("datasets", path="inputs/other"),
        "datasets: 'a' stands there twice",
    ),
    "a model twice": (
        lambda: repeated("models", kind="baseline"),
        "models: 'general' stands there twice",
    ),
    "no test set": (lambda: content() | {"datasets": []}, "datasets: "),
    "no name": (lambda: repeated("datasets", name=""), "datasets.2.name: "),
    "a dataset learned from twice": (learning_twice, "models: a: learns_from has a dataset twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_models_and_test_sets_that_make_no_question_are_told(tmp_path, fault):
    changed, said = FAULTS[fault]
    assert refused(tmp_path, changed()).startswith(said)


def test_a_general_model_alone_is_summarised_and_has_no_answer(tmp_path):
    """As in the study `public`."""
    (tmp_path / "judging.json").write_text(json.dumps(without("specific")))
    judged = read_settings(tmp_path / "judging.json")
    scores = simulated(np.random.default_rng(1), n=9, shift=0.0, testsets="a")
    alone = scores[scores["model"] == "general"].assign(case_id=lambda rows: rows["person"])
    check_complete(alone, judged, tmp_path / "cases.tsv")
    assert len(summarise(alone, judged.failure_dice)) == 1
    rows = compare_models(alone, judged)
    assert rows == [] and strata(alone, judged) == []
    assert answer(rows, judged).short.startswith("No answer")


@pytest.mark.parametrize("name", ["phantom", "public", "full"])
def test_what_a_study_renders_is_never_refused(name):
    study: Study = load_study(REPOSITORY, name)
    assert settings_of(study).general in study.models
