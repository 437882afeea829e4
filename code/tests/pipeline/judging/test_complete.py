"""A table of cases that is not whole is refused before any mean is taken."""

from pathlib import Path

import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.complete import check_complete
from simulated import settings, simulated

PATH = Path("cases.tsv")
SETTINGS = settings(datasets="au")


def whole():
    scores = simulated(np.random.default_rng(1), n=6, shift=0.0, testsets="au")
    scores["case_id"] = scores["testset"] + "_" + scores["participant_id"]
    return scores.assign(dice=scores["dice"].clip(0, 1))


def without(**values):
    scores = whole()
    gone = np.logical_and.reduce([scores[name] == value for name, value in values.items()])
    return scores[~gone]


def changed(**values):
    scores = whole()
    for name, value in values.items():
        scores[name] = scores[name].astype(object)
        scores.loc[scores.index[3], name] = value
    return scores.infer_objects()


def test_a_whole_table_is_taken():
    check_complete(whole(), SETTINGS, PATH)


FAULTS = {
    "a case of one model is missing": (
        lambda: whole().drop(index=whole().index[3]),
        "no row of .*, which others were judged on",
    ),
    "a test set of one model is missing": (
        lambda: without(model="general", testset="a"),
        "no row of testset a",
    ),
    "a model is missing": (lambda: without(model="general"), "no row of the model 'general'"),
    "an unseen test set is missing": (lambda: without(testset="u"), "no row of 'u'"),
    "no Dice": (lambda: changed(dice=np.nan), "Dice nan, not between 0 and 1"),
    "an infinite Dice": (lambda: changed(dice=np.inf), "Dice inf, not between 0 and 1"),
    "a Dice above 1": (lambda: changed(dice=1.5), "Dice 1.5, not between 0 and 1"),
    "training 0": (lambda: changed(replicate=0), "there is no training 0"),
    "training 1.5": (lambda: changed(replicate=1.5), "there is no training 1.5"),
    "another training of some cases": (lambda: changed(replicate=2), "no row of"),
    "another test set": (lambda: changed(testset="x"), "the study has no testset 'x'"),
    "another model": (lambda: changed(model="x"), "the study has no model 'x'"),
    "a case of two persons": (lambda: changed(person="other"), "is of two persons"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_not_whole_is_one_error(name):
    scores, said = FAULTS[name]
    with pytest.raises(StudyError, match=said):
        check_complete(scores(), SETTINGS, PATH)
