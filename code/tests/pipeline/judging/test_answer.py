"""The answer in words: no more than is shown, and never against its own test."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.judging.answer import BETTER, WORSE, answer, grouped
from cordstudy.pipeline.judging.comparisons import compare_models
from simulated import differing, settings, simulated

ONE_TRAINING = "Each model was trained once"
UNDO = ", but failures too rare to be seen could undo it"
MISSED = f"Better in the people seen{UNDO}"


def told(difference, testsets: str = "auv"):
    judged = settings(datasets=testsets)
    return answer(compare_models(differing(difference, testsets), judged), judged)


def few_fail(better: int, fail: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.r_[rng.uniform(0.005, 0.02, better), rng.uniform(-0.9, -0.8, fail)]


@pytest.mark.parametrize(
    ("shift", "n", "short", "said"),
    [
        (0.03, 300, "Yes", "better than"),
        (-0.03, 300, "No", "worse than"),
        (0.03, 40, MISSED, "better, in the people seen, than"),
        (0.3, 8, MISSED, "better, in the people seen, than"),
        (0.0, 40, "Not shown", "not shown to differ from"),
    ],
)
def test_the_answer_says_no_more_than_is_shown(shift, n, short, said):
    judged = settings(datasets="abuv")
    scores = simulated(np.random.default_rng(8), n=n, shift=shift, testsets="abuv")
    found = answer(compare_models(scores, judged), judged)
    assert found.short == short and [words for words, _ in grouped(found.unseen)] == [said]
    assert [finding.testset for finding in found.unseen] == ["u", "v"]
    at_home = [(finding.testset, finding.specific) for finding in found.home]
    assert at_home == [("a", "a"), ("b", "b")], "the model that is at home"
    assert any(caveat.startswith(ONE_TRAINING) for caveat in found.caveats)


@pytest.mark.parametrize(
    "difference",
    [
        few_fail(34, 6),
        few_fail(38, 2),
        few_fail(39, 1),
        -few_fail(34, 6),
        np.r_[np.full(12, 0.8), np.full(28, -0.005)],
        np.r_[np.full(39, 0.01), -0.3],
        np.r_[np.full(37, 0.001), 0.0, 0.0, -0.9],
    ],
)
def test_where_mean_and_ranks_disagree_it_depends_and_the_page_says_why(difference):
    found = told(difference)
    assert found.short == "It depends"
    for finding in found.unseen:
        assert finding.verdict == "depends"
        (why, *_) = finding.reasons
        either = "few large differences stand against many small ones", "agree on its direction"
        assert any(words in why for words in either)


FEW_LARGE, AGREE = "few large differences stand against many", "agree on its direction"


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (np.r_[np.full(10, 0.19), np.full(10, -0.001)], AGREE),
        (-np.r_[np.full(10, 0.19), np.full(10, -0.001)], AGREE),
        (np.r_[np.full(10, 0.19), np.full(10, -0.001), 0.0], AGREE),
        (np.r_[np.full(9, 0.19), np.full(11, -0.001)], FEW_LARGE),
        (-np.r_[np.full(9, 0.19), np.full(11, -0.001)], FEW_LARGE),
    ],
)
def test_as_many_better_as_worse_are_no_disagreement_of_directions(difference, said):
    (finding,) = told(difference, "u").unseen
    assert finding.verdict == "depends"
    assert said in finding.reasons[0]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("rank_effect", "words"), [(-0.3, "the other"), (0.0, "no")])
@pytest.mark.parametrize(("better", "worse"), [(10, 10), (11, 9)])
def test_ranks_that_alone_disagree_are_said_to(side, rank_effect, words, better, worse):
    (finding,) = told(np.r_[np.full(10, 0.19), np.full(10, -0.001)], "u").unseen
    counts = (better, worse) if side > 0 else (worse, better)
    row = replace(
        finding.comparison,
        difference=side * 0.05,
        rank_effect=side * rank_effect,
        better=counts[0],
        worse=counts[1],
    )
    (why, *_) = replace(finding, comparison=row).reasons
    assert f"the ranks lie in {words} direction" in why and "few large" not in why
    assert f"{counts[0]} of 20 are better" in why and f"{counts[1]} of 20 are worse" in why


@pytest.mark.parametrize(
    ("n", "testsets", "worse_can_be_shown"),
    [(6, "u", False), (7, "u", True), (7, "uv", False), (8, "uv", True), (40, "uv", True)],
)
def test_what_is_missed_is_told_of_what_could_be_shown_alone(n, testsets, worse_can_be_shown):
    """Of three specific models the best is picked, for which "worse" pays, not "better"."""
    found = told(np.random.default_rng(1).normal(0, 0.02, n), testsets)
    missed = [caveat for caveat in found.caveats if "would be missed" in caveat]
    assert len(missed) == len(testsets)
    for caveat in missed:
        assert ("no test can show that general is worse" not in caveat) == worse_can_be_shown
    all_worse = told(np.full(n, -0.3) + np.linspace(0, 0.1, n), testsets)
    assert {row.verdict.startswith("worse") for row in all_worse.unseen} == {worse_can_be_shown}


def test_no_verdict_contradicts_its_test_or_its_intervals_whatever_the_differences():
    rng = np.random.default_rng(5)
    verdicts = set()
    for n in (2, 7, 9, 40):
        for kind in range(6):
            values = rng.normal(rng.choice([-0.03, 0, 0.01, 0.2]), 0.02, n)
            if kind % 3 == 0:
                values = values.round(2)
            if kind % 2 == 0:
                values[: n // 5] = -0.85
            for finding in told(values, "u").unseen:
                row, verdict = finding.comparison, finding.verdict
                verdicts.add(verdict)
                if verdict in (*BETTER, *WORSE):
                    assert row.p_adjusted < 0.05 and row.p_wilcoxon < 0.05
                    assert (row.difference > 0) == (verdict in BETTER)
                    assert row.rank_effect * row.difference > 0
                    assert not row.low_seen <= 0 <= row.high_seen
                if verdict in ("better", "worse"):
                    assert not row.low <= 0 <= row.high
                if verdict == "":
                    assert row.low_seen <= 0 <= row.high_seen
    assert {"too few", "better as seen", "worse as seen", ""} <= verdicts


@pytest.mark.parametrize("value", [0.0, 0.01, -0.01])
def test_differences_that_are_all_equal_have_a_plain_verdict(value):
    found = told(np.full(40, value))
    assert found.short == {0.0: "Not shown", 0.01: MISSED, -0.01: "No"}[value]
    people = found.unseen[0].in_people
    assert {0.0: "the same in 40", 0.01: "better in 40", -0.01: "worse in 40"}[value] in people
    assert "Neither failed in anyone" in people


def test_too_few_participants_are_said_first_and_have_no_p():
    found = told(np.full(2, 0.3))
    assert found.short.startswith("Cannot be answered with 2 participants: no test can show")
    assert found.caveats[0].startswith("Too few participants on u (2), v (2)")
    for finding in (*found.unseen, *found.home):
        row = finding.comparison
        assert finding.verdict == "too few" and finding.numbers == "+0.300, n = 2"
        assert np.isnan([row.p, row.p_adjusted, row.p_wilcoxon, row.p_equivalence]).all()


@pytest.mark.parametrize(
    ("first", "second", "short"),
    [
        ((0.3, 40), (0.3, 2), "On u: yes. On v: cannot be answered (n = 2)"),
        ((0.0, 40), (0.3, 2), "On u: not shown. On v: cannot be answered (n = 2)"),
        ((0.3, 40), (0.0, 40), "In part: better on u, not shown on v"),
        ((0.02, 40), (0.0, 40), f"In part: better on u, not shown on v{UNDO}"),
    ],
)
def test_test_sets_that_answer_otherwise_are_told_apart(first, second, short):
    judged = settings(datasets="auv")
    parts = []
    for name, (difference, n) in {"u": first, "v": second}.items():
        parts.append(differing(np.full(n, difference), name))
    assert answer(compare_models(pd.concat(parts), judged), judged).short == short


def test_wherever_one_interval_is_told_the_other_is():
    found = told(np.random.default_rng(3).normal(0.0, 0.02, 9))
    for finding in (*found.unseen, *found.home):
        assert "in people like those seen" in finding.numbers
        assert "allowing for failures not seen" in finding.numbers
        lows = finding.comparison.low, finding.comparison.low_seen
        assert all(f"{low:+.3f}".replace("-", "−") in finding.numbers for low in lows)
    assert "no proof that they are alike" in found.unseen[0].reasons[0]


def test_without_an_unseen_test_set_equivalence_is_asked_and_that_said():
    found = told(np.full(40, 0.001), "a")
    assert found.home[0].verdict == "equivalent as seen"
    assert any(caveat.startswith("There is no unseen test set") for caveat in found.caveats)


def test_a_difference_that_rests_on_one_participant_is_said_to():
    found = told(np.r_[np.full(8, -0.006), -0.9])
    assert "without sub-8 the mean difference is −0.006" in found.unseen[0].reasons[-1]
    assert "It failed in 1, a in 0." in found.unseen[0].in_people
    assert "worse in 9" in found.unseen[0].in_people


def test_equivalence_at_home_is_claimed_only_once_the_primary_question_is_answered():
    judged = settings(datasets="auv")
    rng = np.random.default_rng(9)
    shifts = {"a": 0.0, "u": 0.05, "v": -0.05}
    parts = [simulated(rng, n=60, shift=shift, testsets=name) for name, shift in shifts.items()]
    found = answer(compare_models(pd.concat(parts), judged), judged)
    assert found.short == "It depends"
    assert [finding.verdict.split()[0] for finding in found.unseen] == ["better", "worse"]
    assert found.home[0].verdict == "equivalent as seen"
    parts[1] = simulated(rng, n=60, shift=0.0, testsets="u")
    closed = answer(compare_models(pd.concat(parts), judged), judged)
    assert closed.home[0].verdict == "not asked"
    assert any("only once every primary" in caveat for caveat in closed.caveats)


def retrained(first: pd.DataFrame, model: str, more: float) -> pd.DataFrame:
    """With a second training, of which one model is better by `more`."""
    change = np.where(first["model"] == model, more, 0.0)
    return pd.concat([first, first.assign(replicate=2, dice=first["dice"] + change)])


@pytest.mark.parametrize(("more", "yes"), [(-0.2, False), (-0.001, True)])
def test_a_difference_within_the_spread_of_retraining_is_no_yes(more, yes):
    judged = settings(datasets="auv", trainings=2)
    first = simulated(np.random.default_rng(10), n=40, shift=0.05, testsets="auv")
    scores = retrained(first, "general", more)
    found = answer(compare_models(scores, judged), judged)
    assert (found.short == MISSED) == yes
    if not yes:
        assert {finding.verdict for finding in found.unseen} == {"within retraining"}
        assert "gave differences from" in found.unseen[0].reasons[0]
    assert not any(caveat.startswith(ONE_TRAINING) for caveat in found.caveats)


def test_where_one_model_alone_was_trained_again_its_spread_is_used_and_that_said():
    judged = settings(datasets="u")
    first = simulated(np.random.default_rng(10), n=40, shift=0.05, testsets="u")
    again = first[first["model"] == "general"].assign(replicate=2)
    again["dice"] -= 0.2
    rows = compare_models(pd.concat([first, again]), judged)
    assert {row.retrained for row in rows} == {"general"}
    found = answer(rows, judged)
    assert found.unseen[0].verdict == "within retraining"
    assert any("only general was trained more than once" in caveat for caveat in found.caveats)


def test_a_loss_at_home_is_told_though_no_test_is_declared_for_it():
    found = told(np.random.default_rng(1).normal(-0.05, 0.02, 40))
    assert any("a loss on own ground is likely" in caveat for caveat in found.caveats)


def test_a_claim_that_sites_do_not_bear_or_that_few_sites_carry_is_said_to():
    judged = settings(datasets="u")
    difference = [0.2] * 10 + [0.001] * 16 + [-0.001] * 14
    scores = differing(difference, "u")
    number = scores["participant_id"].str.removeprefix("sub-").astype(int)
    rows = compare_models(scores.assign(site="only"), judged)
    told_of = answer([replace(row, p_wilcoxon=0.01) for row in rows], judged).unseen[0]
    assert told_of.verdict == "better as seen"
    assert any("All participants are from one site" in reason for reason in told_of.reasons)
    by_site = scores.assign(site=np.where(number < 10, "x", (number % 8).astype(str)))
    rows = compare_models(by_site, judged)
    told_of = answer([replace(row, p_wilcoxon=0.01) for row in rows], judged).unseen[0]
    assert any("the claim is of these sites alone" in reason for reason in told_of.reasons)


def test_without_a_primary_comparison_there_is_no_answer():
    judged = settings(datasets="a")
    rows = compare_models(differing(np.full(9, 0.01), "a"), judged)
    assert answer(rows, judged).short == "No answer: nothing unseen to judge on"
    rows = [replace(row, role="exploratory") for row in rows]
    assert answer(rows, judged).home == []
