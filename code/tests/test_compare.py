"""The statistics, against simulated data of known truth."""

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.compare import (
    Settings,
    compare_models,
    detectable,
    equivalence,
    holm,
    interval,
    strata,
    subject_means,
    summarise,
    wilcoxon,
)

SETTINGS = Settings(margin=0.02, resamples=500, seed=1)


def table(rows: list[tuple]) -> pd.DataFrame:
    """A cases.tsv of (model, testset, participant, contrast, dice), other measures 0."""
    frame = pd.DataFrame(rows, columns=["model", "testset", "participant_id", "contrast", "dice"])
    for column in ("iou", "nsd", "hd95_mm", "assd_mm", "relative_volume_error", "csa_error_mm2"):
        frame[column] = 0.0
    return frame.assign(replicate=1, vendor="Siemens", pathology="HC", label_origin="manual")


def simulated(rng: np.random.Generator, *, n: int, shift: float) -> pd.DataFrame:
    """General better by `shift` than three specific models at two test sets, subjects of unlike difficulty."""
    rows = []
    for testset in ("a", "b"):
        ease = rng.normal(0.85, 0.05, n)
        for model in ("general", "a", "b", "c"):
            own = ease + rng.normal(0, 0.02, n) + (shift if model == "general" else 0)
            rows += [(model, testset, f"sub-{k}", "T2w", value) for k, value in enumerate(own)]
    return table(rows)


@pytest.mark.parametrize(("kind", "least"), [("normal", 0.92), ("skewed", 0.88)])
def test_the_interval_covers_the_true_difference_about_as_often_as_it_says(kind, least):
    rng = np.random.default_rng(2)
    draw = {"normal": lambda: rng.normal(0.02, 0.02, 60), "skewed": lambda: rng.exponential(0.02, 60)}[kind]
    found = [interval(draw(), resamples=500, seed=1) for _ in range(300)]
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
    found = compare_models(simulated(np.random.default_rng(4), n=40, shift=0.03), "general", SETTINGS)
    assert len(found) == 6 and (found["p_holm"] < 0.05).all() and (found["p_holm"] >= found["p_wilcoxon"]).all()
    assert 0.02 < found["difference"].mean() < 0.04
    assert ((found["low"] < found["difference"]) & (found["difference"] < found["high"])).all()
    assert found.groupby("testset")["best_specific"].sum().tolist() == [1, 1]
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
    rows = [("m", "t", "sub-1", "T1w", 0.2), ("m", "t", "sub-1", "T2w", 0.6), ("m", "t", "sub-2", "T1w", 0.8)]
    assert subject_means(table(rows))["m"].tolist() == pytest.approx([0.4, 0.8])
    summary = summarise(table(rows)).iloc[0]
    assert (summary.dice, summary.participants, summary.cases) == (pytest.approx(0.6), 2, 3)
    found = strata(table(rows))
    by_contrast = found[found["stratum"] == "contrast"].set_index("value")
    assert by_contrast.loc["T1w", "dice"] == pytest.approx(0.5) and by_contrast.loc["T1w", "participants"] == 2


def test_few_or_equal_subjects_give_no_interval_that_they_cannot_carry():
    assert np.isnan(interval(np.array([0.1, 0.2]), resamples=100, seed=1)).all()
    assert interval(np.full(5, 0.1), resamples=100, seed=1) == (0.1, 0.1)
    assert wilcoxon(np.zeros(5)) == 1.0 and np.isnan(detectable(2, 0.1)) and np.isnan(detectable(5, 0.0))
    assert wilcoxon(np.arange(1, 9.0)) == pytest.approx(2 / 2**8), (
        "eight subjects, all the same way: the least there can be"
    )


def test_the_same_table_gives_the_same_numbers_again():
    scores = simulated(np.random.default_rng(6), n=12, shift=0.01)
    pd.testing.assert_frame_equal(
        compare_models(scores, "general", SETTINGS), compare_models(scores, "general", SETTINGS)
    )


def test_a_study_of_one_model_has_no_comparison():
    scores = table([("only", "t", f"sub-{k}", "T2w", 0.5) for k in range(4)])
    assert len(compare_models(scores, "only", SETTINGS)) == 0
