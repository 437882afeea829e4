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
    of_role,
    read_comparisons,
)
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.sizes import Size, by_model
from cordstudy.pipeline.judging.strata import strata
from simulated import SPECIFICS, differing, judged_model, settings, settings_of, simulated, table

MATCHED = judged_model("size-matched", "size-matched", SPECIFICS)
WITHOUT_A = judged_model("without-a", "leave-one-out", "bc", without="a")


SIZES = by_model(
    [Size(name, 100, 20, 0) for name in "ab"]
    + [Size("c", 500, 99, 0), Size("size-matched", 100, 40, 0)]
)


def test_a_true_difference_is_found_and_told_with_its_size():
    scores = simulated(np.random.default_rng(4), n=40, shift=0.03, testsets="au")
    rows = compare_models(scores, settings(datasets="au"))
    assert [(row.testset, row.specific) for row in rows] == [
        (testset, specific) for testset in "au" for specific in SPECIFICS
    ]
    for row in rows:
        assert row.family == "general" and row.subjects == 40
        assert row.low < row.low_seen < row.difference < row.high_seen < row.high
        assert 0.005 < row.detectable < 0.03 and row.effect_dz > 0.5
        assert row.better + row.worse == 40 and row.rank_effect > 0.5
        assert row.without_low <= row.difference <= row.without_high
    assert 0.02 < np.mean([row.difference for row in rows]) < 0.04
    assert [row.testset for row in rows if row.best_specific] == ["a", "u"]


def test_the_declared_roles_have_p_values_and_no_other_row_has_one():
    judged = settings(datasets="abuv")
    scores = simulated(np.random.default_rng(4), n=40, shift=0.03, testsets="abuv")
    rows = compare_models(scores, judged)
    for row in rows:
        primary = row.testset in "uv" and row.best_specific
        secondary = row.testset == row.specific
        assert row.role == ["exploratory", "primary", "secondary"][primary + 2 * secondary]
        assert np.isnan(row.p) == np.isnan(row.p_wilcoxon) == (not primary)
        assert np.isnan(row.p_equivalence) == (not secondary)
        assert row.level == pytest.approx(0.975 if primary else 0.95)
        assert row.together == {"primary": 2, "secondary": 2}.get(row.role, 1)
    assert [row.testset for row in of_role(rows, "primary")] == ["u", "v"]
    for row in of_role(rows, "primary"):
        assert row.p_adjusted == pytest.approx(2 * row.p) and row.p_adjusted < 0.05
    for row in of_role(rows, "secondary"):
        assert row.p_equivalence > 0.05, "a difference of 0.03 is not within 0.02"


@pytest.mark.parametrize(("n", "tested"), [(6, False), (7, True)])
def test_there_is_no_p_where_none_could_show_anything(n, tested):
    judged = settings(datasets="uv")
    rows = of_role(compare_models(differing(np.full(n, 0.3)), judged), "primary")
    assert [np.isnan(row.p) for row in rows] == [not tested] * 2
    if tested:
        assert all(row.p_adjusted < 0.05 for row in rows)


def test_what_a_difference_rests_on_stands_beside_it():
    scores = differing([-0.006] * 8 + [-0.9], "u")
    (row,) = of_role(compare_models(scores, settings(datasets="u")), "primary")
    assert (row.influential, row.worse, row.better) == ("sub-8", 9, 0)
    assert row.without_influential == row.without_high == pytest.approx(-0.006)
    assert (row.failed_model_only, row.failed_specific_only, row.failed_both) == (1, 0, 0)
    assert np.isnan(row.p_failures) and row.median == pytest.approx(-0.006)
    assert (row.sites, row.retrained) == (0, "neither")


def test_sites_vary_by_chance_where_they_are_known_and_enough():
    scores = differing(np.random.default_rng(2).normal(0.03, 0.02, 24), "u")
    many = scores.assign(site="site " + scores["participant_id"].str[-1])
    (row,) = of_role(compare_models(many, settings(datasets="u")), "primary")
    assert row.sites == 10 and row.low_sites < row.difference < row.high_sites
    few = scores.assign(site="site " + (scores["participant_id"] == "sub-1").astype(str))
    (row,) = of_role(compare_models(few, settings(datasets="u")), "primary")
    assert row.sites == 2 and np.isnan(row.low_sites)
    unknown = many.assign(site=many["site"].replace("site 1", "n/a"))
    (row,) = of_role(compare_models(unknown, settings(datasets="u")), "primary")
    assert row.sites == 0 and np.isnan(row.low_sites)


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


def test_each_family_compares_what_has_seen_as_much_and_sizes_that_match():
    baseline = judged_model("threshold", "baseline", "u")
    judged = settings(MATCHED, WITHOUT_A, baseline, datasets="abu")
    declared = [
        (row.model, row.testset, "".join(row.specifics)) for row in hypotheses(judged, SIZES)
    ]
    assert declared == [
        ("general", "a", "abc"),
        ("general", "b", "abc"),
        ("general", "u", "abc"),
        ("size-matched", "a", "ab"),
        ("size-matched", "b", "ab"),
        ("size-matched", "u", "ab"),
        ("without-a", "a", "bc"),
    ]
    assert judged.unseen == ["u"], "a baseline takes nothing away"
    rng = np.random.default_rng(7)
    more = ("size-matched", "without-a", "threshold")
    scores = simulated(rng, n=30, shift=0.01, testsets="abu", more=more)
    rows = compare_models(scores, judged, SIZES)
    for family, count in (("general", 9), ("size-matched", 6), ("leave-one-out", 2)):
        assert len(of_family(rows, family)) == count
    assert {row.role for row in rows if row.family != "general"} == {"exploratory"}
    assert not of_family(compare_models(scores, judged), "size-matched"), "sizes are not known"
    # More models leave the declared family as it is.
    general = pd.DataFrame(of_family(rows, "general"))
    alone = compare_models(scores, settings(datasets="abu"))
    pd.testing.assert_frame_equal(general, pd.DataFrame(alone))


def test_the_spread_of_retraining_is_that_of_the_difference():
    judged = settings(datasets="a", trainings=2)
    first = simulated(np.random.default_rng(3), n=8, shift=0.0, testsets="a")
    more = np.select([first["model"] == "general", first["model"] == "a"], [0.1, -0.1], 0.0)
    again = first.assign(replicate=2, dice=first["dice"] + more)
    for row in compare_models(pd.concat([first, again]), judged):
        other = 0.01 if row.specific == "a" else 0.0
        assert row.retraining_sd == pytest.approx(((0.01 + other) / 2) ** 0.5)
        assert row.trainings_low <= row.difference_trainings <= row.trainings_high
        assert row.retrained == "both"
    for row in compare_models(first, judged):
        assert np.isnan(row.retraining_sd), "one training has none"
