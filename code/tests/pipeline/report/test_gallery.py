"""Which cases are shown, and what of them is told."""

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.report.gallery import Gallery
from simulated import settings, simulated


@pytest.fixture
def gallery() -> Gallery:
    """Of six cases on each of two test sets; without files."""
    scores = simulated(np.random.default_rng(1), n=6, shift=0.0)
    names = scores["testset"] + "_" + scores["participant_id"]
    return Gallery(
        scores=scores.assign(case_id=names),
        settings=settings(),
        best_specific={"a": "a", "b": "c"},
        raws={},
        predictions={},
    )


def general(scores: pd.DataFrame, testset: str) -> list[str]:
    """Cases of a test set from the lowest Dice of the general model."""
    rows = scores.query("model == 'general' and testset == @testset").sort_values("dice")
    return rows["case_id"].tolist()


def test_the_two_worst_of_each_test_set_are_shown_lowest_first(gallery):
    worst = gallery.worst_names()
    expected = {*general(gallery.scores, "a")[:2], *general(gallery.scores, "b")[:2]}
    assert len(worst) == 4 and set(worst) == expected
    dice = [gallery.shown(name).dice["general"] for name in worst]
    assert dice == sorted(dice)


def test_the_one_in_the_middle_is_neither_the_best_nor_the_worst(gallery):
    middle = {name.partition("_")[0]: name for name in gallery.middle_names()}
    assert middle == {testset: general(gallery.scores, testset)[3] for testset in "ab"}


def test_a_case_is_told_with_the_best_specific_model_of_its_test_set(gallery):
    case = gallery.shown("b_sub-1")
    assert case.models == ["general", "c"] == list(case.dice)
    general_dice, specific_dice = case.dice.values()
    told = f"b, Dice {general_dice:.3f} (general), {specific_dice:.3f} (c)."
    assert case.told == told
