"""The declared comparisons, against simulated scores of known truth."""

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.judging.answer import answer
from cordstudy.pipeline.judging.comparisons import (
    Comparison,
    compare_models,
    hypotheses,
    of_family,
    read_comparisons,
)
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.statistics import holm
from cordstudy.pipeline.judging.strata import strata
from simulated import SPECIFICS, judged_model, settings, settings_of, simulated, table

MATCHED = judged_model("size-matched", "size-matched", SPECIFICS)
WITHOUT_A = judged_model("without-a", "leave-one-out", "bc", without="a")


def test_a_true_difference_is_found_and_told_with_its_size():
    scores = simulated(np.random.default_rng(4), n=40, shift=0.03)
    rows = compare_models(scores, settings())
    assert [(row.testset, row.specific) for row in rows] == [
        (testset, specific) for testset in "ab" for specific in SPECIFICS
    ]
    for row in rows:
        assert row.family == "general" and row.subjects == 40
        assert row.p_wilcoxon <= row.p_holm < 0.05
        assert row.low < row.difference < row.high
        assert 0.005 < row.detectable < 0.03 and row.effect_dz > 0.5
        assert row.at_home == (row.testset == row.specific)
        if row.at_home:
            assert row.p_equivalence > 0.05, "a difference of 0.03 is not within 0.02"
        else:
            assert np.isnan(row.p_equivalence)
    assert 0.02 < np.mean([row.difference for row in rows]) < 0.04
    assert [row.testset for row in rows if row.best_specific] == ["a", "b"]


def test_the_same_table_gives_the_same_numbers_again_and_from_its_file(tmp_path):
    scores = simulated(np.random.default_rng(6), n=12, shift=0.01)
    rows = pd.DataFrame(compare_models(scores, settings()))
    pd.testing.assert_frame_equal(rows, pd.DataFrame(compare_models(scores, settings())))
    path = tmp_path / "comparisons.tsv"
    write_rows(path, Comparison, compare_models(scores, settings()))
    pd.testing.assert_frame_equal(rows, pd.DataFrame(read_comparisons(path)), atol=1e-6)


def test_a_study_of_one_model_has_no_comparison_and_no_answer(tmp_path):
    scores = table([("only", "t", f"sub-{k}", "T2w", 0.5) for k in range(4)])
    alone = settings_of([judged_model("only", "general", "t")], "t")
    assert compare_models(scores, alone) == [] and strata(scores, alone) == []
    assert answer([], alone).short.startswith("No answer")
    write_rows(tmp_path / "comparisons.tsv", Comparison, [])
    assert read_comparisons(tmp_path / "comparisons.tsv") == []


def test_each_family_compares_what_has_seen_as_much_and_adjusts_by_itself():
    judged = settings(MATCHED, WITHOUT_A)
    declared = [(row.model, row.testset, "".join(row.specifics)) for row in hypotheses(judged)]
    assert declared == [
        ("general", "a", "abc"),
        ("general", "b", "abc"),
        ("size-matched", "a", "abc"),
        ("size-matched", "b", "abc"),
        ("without-a", "a", "bc"),
    ]
    rng = np.random.default_rng(7)
    scores = simulated(rng, n=30, shift=0.01, more=("size-matched", "without-a"))
    rows = compare_models(scores, judged)
    for family, count in (("general", 6), ("size-matched", 6), ("leave-one-out", 2)):
        alike = of_family(rows, family)
        assert len(alike) == count
        adjusted = [row.p_holm for row in alike]
        assert adjusted == pytest.approx(holm([row.p_wilcoxon for row in alike]))
        home = [row for row in alike if row.at_home]
        adjusted = [row.p_equivalence_holm for row in home]
        assert adjusted == pytest.approx(holm([row.p_equivalence for row in home]))
    # More models leave the declared family as it is.
    general = pd.DataFrame(of_family(rows, "general"))
    pd.testing.assert_frame_equal(general, pd.DataFrame(compare_models(scores, settings())))


def test_the_spread_of_retraining_is_that_of_the_model_that_varies_more():
    judged = settings(datasets="a", trainings=2)
    first = simulated(np.random.default_rng(3), n=8, shift=0.0, testsets="a")
    more = np.where(first["model"] == "general", 0.1, 0.0)
    again = first.assign(replicate=2, dice=first["dice"] + more)
    for row in compare_models(pd.concat([first, again]), judged):
        assert row.retraining_sd == pytest.approx(0.1 / 2**0.5)
    for row in compare_models(first, judged):
        assert np.isnan(row.retraining_sd), "one training has none"
