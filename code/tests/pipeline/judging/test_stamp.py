"""What comparisons of training and test data let be said: of test sets, of folds, of none."""

import pytest

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.leakage import Overlap, Shared
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.stamp import Stamp, stamp_of


def sides(*hits: str, model: str = "m", fold: str = MISSING, n: int = 2) -> Shared:
    against = "test: epi" if fold == MISSING else "validation"
    return Shared(model, fold, against, 5, n, hits)


def test_an_overlap_with_a_test_set_takes_the_answer_and_names_model_and_set():
    stamp = Stamp([sides(), sides("subject: a = b", model="general"), sides("x", fold="1")])
    assert stamp.heading == "Training and test data overlap"
    assert "overlap: general with epi. What" in stamp.warning
    assert stamp.answer("Yes").startswith("No answer that can be trusted")


def test_an_overlap_of_folds_is_told_apart_and_leaves_the_answer():
    stamp = Stamp([sides(), sides("x", fold="0"), sides("x", fold="2"), sides("y", "z", fold="3")])
    assert stamp.heading == "Folds overlap, training and test data do not"
    assert "m, fold 0, 2 and 3" in stamp.warning and "chosen by validation" in stamp.warning
    assert stamp.answer("Yes") == "Yes"


def test_without_a_hit_it_says_what_was_compared_and_not_that_nothing_can_leak():
    stamp = Stamp([sides(), sides(n=0), sides(fold="0")])
    assert stamp.warning == "" and stamp.heading == "Training and test data: no overlap found"
    assert "Compared were 2 pairs" in stamp.compared and "1 pairs" in stamp.compared
    assert "image voxels" in stamp.compared and "In 1 of them a side is empty" in stamp.compared


def test_a_study_whose_data_were_not_compared_says_so():
    for empty in (Stamp([]), Stamp([sides(fold="0")])):
        assert "not compared" in empty.heading and "was not looked for" in empty.warning


@pytest.mark.parametrize("hits", [0, 1])
def test_a_stamp_is_made_of_the_table_of_the_step(tmp_path, hits):
    row = Overlap("m", MISSING, "test: epi", "subject", 4, 2, hits, "a = b" if hits else "none")
    write_rows(tmp_path / "leakage.tsv", Overlap, [row])
    assert bool(stamp_of(tmp_path / "leakage.tsv").warning) == bool(hits)
