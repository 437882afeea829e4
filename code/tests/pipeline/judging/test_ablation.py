"""Dice with all components of masks and with the largest alone, side by side."""

import pandas as pd
import pytest

from cordstudy.pipeline.judging.ablation import Ablation, ablations, read_ablations
from cordstudy.pipeline.judging.rows import write_rows


def scores() -> pd.DataFrame:
    """Two persons, one with two images; one cord was found in two pieces."""
    rows = [("a", 0.9, 0.9), ("a", 0.7, 0.8), ("b", 0.9, 0.4)]
    table = pd.DataFrame(rows, columns=["person", "dice_all_components", "dice_largest_component"])
    return table.assign(model="m", testset="t", replicate=1, keep="all components")


def test_both_are_means_over_persons_and_who_loses_is_counted(tmp_path):
    (row,) = ablations(scores())
    assert (row.participants, row.lost, row.keep) == (2, 1, "all components")
    assert row.dice_all_components == pytest.approx((0.8 + 0.9) / 2)
    assert row.dice_largest_component == pytest.approx((0.85 + 0.4) / 2)
    write_rows(tmp_path / "components.tsv", Ablation, [row])
    (told,) = read_ablations(tmp_path / "components.tsv")
    assert told.dice_all_components == pytest.approx(row.dice_all_components)


def test_other_trainings_and_tables_without_both_are_left_alone():
    assert ablations(scores().assign(replicate=2)) == []
    assert ablations(scores().drop(columns="dice_all_components")) == []
