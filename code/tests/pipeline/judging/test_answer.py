"""The answer in words: no more than is shown."""

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.judging.answer import answer, grouped
from cordstudy.pipeline.judging.comparisons import compare_models
from simulated import settings, simulated


@pytest.mark.parametrize(
    ("shift", "n", "short", "said"),
    [
        (0.03, 40, "Yes", "better than"),
        (-0.03, 40, "No", "worse than"),
        (0.0, 40, "Not shown", "not shown to differ from"),
        (0.3, 8, "Not shown", "not shown to differ from"),
    ],
)
def test_the_answer_says_no_more_than_is_shown(shift, n, short, said):
    judged = settings(datasets="abuv")
    scores = simulated(np.random.default_rng(8), n=n, shift=shift, testsets="abuv")
    told = answer(compare_models(scores, judged), judged)
    assert told.short == short and [words for words, _ in grouped(told.unseen)] == [said]
    assert [finding.testset for finding in told.unseen] == ["u", "v"]
    at_home = [(finding.testset, finding.specific) for finding in told.home]
    assert at_home == [("a", "a"), ("b", "b")], "the model that is at home"
    few = [caveat for caveat in told.caveats if "at least 9 participants" in caveat]
    assert bool(few) == (n == 8), "eight subjects cannot show anything among twelve comparisons"
    assert any("trained once" in caveat for caveat in told.caveats)


def test_no_difference_at_home_can_be_equivalence_and_unseen_data_of_two_kinds_depend():
    judged = settings(datasets="auv")
    rng = np.random.default_rng(9)
    shifts = {"a": 0.0, "u": 0.05, "v": -0.05}
    parts = [simulated(rng, n=60, shift=shift, testsets=name) for name, shift in shifts.items()]
    told = answer(compare_models(pd.concat(parts), judged), judged)
    assert told.short == "It depends on the data" and told.home[0].verdict == "equivalent"
    assert [finding.verdict for finding in told.unseen] == ["better", "worse"]


def test_a_difference_below_the_spread_of_retraining_is_said_to_be_so():
    judged = settings(datasets="au", trainings=2)
    rng = np.random.default_rng(10)
    first = simulated(rng, n=40, shift=0.01, testsets="au")
    more = np.where(first["model"] == "general", 0.1, 0.0)
    again = first.assign(replicate=2, dice=first["dice"] + more)
    told = answer(compare_models(pd.concat([first, again]), judged), judged)
    assert told.caveats == ["On a, u the difference is smaller than the spread of retraining."]
