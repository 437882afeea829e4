"""The statistics, against simulated data of known truth."""

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.judging.answer import answer, grouped
from cordstudy.pipeline.judging.compare import (
    FEWEST,
    compare_models,
    detectable,
    equivalence,
    holm,
    hypotheses,
    interval,
    strata,
    subject_means,
    summarise,
    wilcoxon,
)
from cordstudy.pipeline.judging.settings import Dataset, Model, Settings


def judging(*extra: Model, datasets: str = "ab", trainings: int = 1) -> Settings:
    """General of three specific models a, b, c, and further models."""
    told = {"plans_of": "general", "epochs": 1, "balanced": False}
    models = [Model("general", "general", ["a", "b", "c"], "", **told)]
    models += [Model(name, "specific", [name], "", **told) for name in "abc"]
    sets = [Dataset(name, f"inputs/{name}", False) for name in datasets]
    return Settings("s", [*models, *extra], sets, trainings, 1.0, 0.02, 500, 1)


TOLD = judging()


def table(rows: list[tuple]) -> pd.DataFrame:
    """A cases.tsv of (model, testset, participant, contrast, dice), other measures 0."""
    frame = pd.DataFrame(rows, columns=["model", "testset", "participant_id", "contrast", "dice"])
    for column in ("iou", "nsd", "hd95_mm", "assd_mm", "relative_volume_error", "csa_error_mm2"):
        frame[column] = 0.0
    return frame.assign(replicate=1, vendor="Siemens", pathology="HC", label_origin="manual")


def simulated(
    rng: np.random.Generator,
    *,
    n: int,
    shift: float,
    testsets: str = "ab",
    more: tuple[str, ...] = (),
) -> pd.DataFrame:
    """General better by `shift` than the other models at each test set, subjects of unlike difficulty."""
    rows = []
    for testset in testsets:
        ease = rng.normal(0.85, 0.05, n)
        for model in ("general", "a", "b", "c", *more):
            own = ease + rng.normal(0, 0.02, n) + (shift if model == "general" else 0)
            rows += [(model, testset, f"sub-{k}", "T2w", value) for k, value in enumerate(own)]
    return table(rows)


@pytest.mark.parametrize(
    ("kind", "n", "least"),
    [("normal", 5, 0.89), ("normal", 10, 0.92), ("normal", 60, 0.92), ("skewed", 60, 0.9)],
)
def test_the_interval_covers_the_true_difference_about_as_often_as_it_says(kind, n, least):
    rng = np.random.default_rng(2)
    draw = {
        "normal": lambda: rng.normal(0.02, 0.02, n),
        "skewed": lambda: rng.exponential(0.02, n),
    }[kind]
    found = [interval(draw(), resamples=2000, seed=1) for _ in range(300)]
    assert least <= np.mean([low <= 0.02 <= high for low, high in found]) <= 0.98


@pytest.mark.slow
def test_the_family_wise_error_holds_where_nothing_differs():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(150):
        differences = rng.normal(0, 0.02, (6, 12))
        hits += bool((holm([wilcoxon(one) for one in differences]) < 0.05).any())
    assert hits / 150 <= 0.09


def test_a_true_difference_is_found_and_told_with_its_size():
    found = compare_models(simulated(np.random.default_rng(4), n=40, shift=0.03), TOLD)
    assert (
        len(found) == 6
        and (found["p_holm"] < 0.05).all()
        and (found["p_holm"] >= found["p_wilcoxon"]).all()
    )
    assert 0.02 < found["difference"].mean() < 0.04
    assert ((found["low"] < found["difference"]) & (found["difference"] < found["high"])).all()
    assert found.groupby("testset")["best_specific"].sum().tolist() == [1, 1]
    assert set(found["family"]) == {"general"}
    assert found["detectable"].between(0.005, 0.03).all() and (found["effect_dz"] > 0.5).all()
    home = found[found["at_home"]]
    assert home[["testset", "specific"]].values.tolist() == [["a", "a"], ["b", "b"]]
    assert (home["p_equivalence"] > 0.05).all(), "a difference of 0.03 is not within 0.02"
    assert found[~found["at_home"]]["p_equivalence"].isna().all()


def test_no_difference_at_home_is_shown_as_equivalence_and_not_by_a_missing_difference():
    rng = np.random.default_rng(5)
    assert equivalence(rng.normal(0, 0.02, 40), 0.02) < 0.05
    assert equivalence(rng.normal(0, 0.02, 4), 0.02) > 0.05, "few subjects show nothing"
    assert equivalence(rng.normal(0.03, 0.02, 40), 0.02) > 0.5


def test_contrasts_of_a_subject_are_averaged_before_subjects_are():
    rows = [
        ("m", "t", "sub-1", "T1w", 0.2),
        ("m", "t", "sub-1", "T2w", 0.6),
        ("m", "t", "sub-2", "T1w", 0.8),
    ]
    assert subject_means(table(rows))["m"].tolist() == pytest.approx([0.4, 0.8])
    summary = summarise(table(rows)).iloc[0]
    assert (summary.dice, summary.participants, summary.cases) == (pytest.approx(0.6), 2, 3)


def test_a_stratum_has_the_cases_of_its_kind_and_masks_that_no_model_made_are_one():
    rows = [
        ("sub-1", "T1w", 0.2, "manual"),
        ("sub-1", "T2w", 0.6, "model"),
        ("sub-2", "T1w", 0.8, "corrected"),
    ]
    cases = [
        (model, "a", subject, contrast, dice + (model == "general") / 10)
        for model in ("general", "a", "b", "c")
        for subject, contrast, dice, _ in rows
    ]
    scores = (
        table(cases)
        .assign(label_origin=[origin for *_, origin in rows] * 4)
        .assign(case_id=range(12))
    )
    found = strata(scores, TOLD)
    found = found[found["specific"] == "b"].set_index(["stratum", "value"])
    assert found.loc[("contrast", "T1w"), ["subjects", "cases"]].tolist() == [2, 2]
    assert found.loc[("contrast", "T1w"), "specific_mean"] == pytest.approx(0.5)
    assert found.loc[("reference", "not made by a model"), "general_mean"] == pytest.approx(0.6)
    assert found["difference"].to_numpy() == pytest.approx(0.1)
    assert found.loc[("label_origin", "model"), "subjects"] == 1
    people = strata(scores.assign(label_origin="manual"), TOLD)
    assert "reference" not in set(people["stratum"]), "told only where some masks are a model's"


def test_few_or_equal_subjects_give_no_interval_that_they_cannot_carry():
    assert np.isnan(interval(np.linspace(0.1, 0.2, FEWEST - 1), resamples=100, seed=1)).all()
    assert np.isfinite(interval(np.linspace(0.1, 0.2, FEWEST), resamples=100, seed=1)).all()
    assert interval(np.full(5, 0.1), resamples=100, seed=1) == (0.1, 0.1)
    assert (
        wilcoxon(np.zeros(5)) == 1.0
        and np.isnan(detectable(2, 0.1))
        and np.isnan(detectable(5, 0.0))
    )
    assert wilcoxon(np.arange(1, 9.0)) == pytest.approx(2 / 2**8), (
        "eight subjects, all the same way: the least there can be"
    )


def test_the_same_table_gives_the_same_numbers_again():
    scores = simulated(np.random.default_rng(6), n=12, shift=0.01)
    pd.testing.assert_frame_equal(compare_models(scores, TOLD), compare_models(scores, TOLD))


def test_a_study_of_one_model_has_no_comparison_and_no_answer():
    scores = table([("only", "t", f"sub-{k}", "T2w", 0.5) for k in range(4)])
    alone = Settings(
        "s",
        [Model("only", "general", ["t"], "", "only", 1, False)],
        [Dataset("t", "inputs/t", False)],
        1,
        1.0,
        0.02,
        500,
        1,
    )
    found = compare_models(scores, alone)
    assert (
        len(found) == 0
        and answer(found, alone).short.startswith("No answer")
        and len(strata(scores, alone)) == 0
    )


MATCHED = Model("size-matched", "size-matched", ["a", "b", "c"], "", "general", 1, False)
WITHOUT_A = Model("without-a", "leave-one-out", ["b", "c"], "a", "without-a", 1, False)


def test_each_family_compares_what_has_seen_as_much_and_adjusts_by_itself():
    told = judging(MATCHED, WITHOUT_A, datasets="ab")
    assert [(model, testset, specifics) for _, model, testset, specifics in hypotheses(told)] == [
        ("general", "a", ["a", "b", "c"]),
        ("general", "b", ["a", "b", "c"]),
        ("size-matched", "a", ["a", "b", "c"]),
        ("size-matched", "b", ["a", "b", "c"]),
        ("without-a", "a", ["b", "c"]),
    ]
    scores = simulated(
        np.random.default_rng(7), n=30, shift=0.01, more=("size-matched", "without-a")
    )
    found = compare_models(scores, told)
    assert found["family"].value_counts().to_dict() == {
        "general": 6,
        "size-matched": 6,
        "leave-one-out": 2,
    }
    for _, family in found.groupby("family"):
        assert family["p_holm"].to_numpy() == pytest.approx(holm(family["p_wilcoxon"].to_numpy()))
        home = family[family["at_home"]]
        assert home["p_equivalence_holm"].to_numpy() == pytest.approx(
            holm(home["p_equivalence"].to_numpy())
        )
    alone = compare_models(scores, judging())
    general = found[found["family"] == "general"].reset_index(drop=True)
    pd.testing.assert_frame_equal(general, alone)  # more models leave the declared family as it is


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
    told = judging(datasets="abuv")
    scores = simulated(np.random.default_rng(8), n=n, shift=shift, testsets="abuv")
    found = answer(compare_models(scores, told), told)
    assert found.short == short and [words for words, _ in grouped(found.unseen)] == [said]
    assert [one.testset for one in found.unseen] == ["u", "v"]
    assert [(one.testset, one.specific) for one in found.home] == [("a", "a"), ("b", "b")], (
        "the model that is at home"
    )
    few = [caveat for caveat in found.caveats if "at least 9 participants" in caveat]
    assert bool(few) == (n == 8), "eight subjects cannot show anything among twelve comparisons"
    assert any("trained once" in caveat for caveat in found.caveats)


def test_no_difference_at_home_can_be_equivalence_and_unseen_data_of_two_kinds_depend():
    told = judging(datasets="auv")
    rng = np.random.default_rng(9)
    scores = pd.concat(
        [
            simulated(rng, n=60, shift=0.0, testsets="a"),
            simulated(rng, n=60, shift=0.05, testsets="u"),
            simulated(rng, n=60, shift=-0.05, testsets="v"),
        ]
    )
    found = answer(compare_models(scores, told), told)
    assert found.short == "It depends on the data" and found.home[0].verdict == "equivalent"
    assert [one.verdict for one in found.unseen] == ["better", "worse"]


def test_a_difference_below_the_spread_of_retraining_is_said_to_be_so():
    told = judging(datasets="au", trainings=2)
    rng = np.random.default_rng(10)
    first = simulated(rng, n=40, shift=0.01, testsets="au")
    again = first.assign(
        replicate=2, dice=first["dice"] + np.where(first["model"] == "general", 0.1, 0.0)
    )
    found = answer(compare_models(pd.concat([first, again]), told), told)
    assert found.caveats == ["On a, u the difference is smaller than the spread of retraining."]
