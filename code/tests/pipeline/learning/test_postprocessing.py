"""What is kept of a mask is chosen on the cases that a training held out."""

import json
from pathlib import Path

import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.postprocessing import (
    FILE,
    Held,
    choose,
    dice,
    read_postprocessing,
    write_postprocessing,
)

ONE, TWO = Held("a", 0, 1, 0.8, 0.8), Held("b", 0, 2, 0.5, 0.7)
SPLIT = Held("c", 0, 2, 0.9, 0.4)
"""A cord that the network sees in two."""


@pytest.mark.parametrize(
    ("held", "keep"),
    [
        ([ONE], "all components"),
        ([ONE, TWO], "largest component"),
        ([ONE, TWO, SPLIT], "all components"),
    ],
    ids=["no difference", "a second piece is wrong", "a second piece is the cord"],
)
def test_the_largest_component_alone_is_kept_only_where_held_out_cases_gain_by_it(held, keep):
    chosen = choose(held)
    assert (chosen.keep, chosen.cases) == (keep, len(held))
    assert chosen.dice_all_components == np.mean([case.dice_all_components for case in held])


def test_a_fold_that_held_nothing_out_chooses_nothing():
    with pytest.raises(StudyError, match="no case was held out"):
        choose([])


def test_what_is_kept_is_what_was_chosen(tmp_path):
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[0, 0, :3] = mask[3, 3, 3] = 1
    for held, kept in (([ONE], 4), ([TWO], 3)):
        write_postprocessing(tmp_path, choose(held))
        assert read_postprocessing(tmp_path).kept(mask).sum() == kept


@pytest.mark.parametrize(
    "content", [{}, [], {"keep": "best", "cases": 1}, {"keep": "largest component"}]
)
def test_another_file_in_its_place_is_one_error(content, tmp_path):
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(StudyError, match=FILE):
        read_postprocessing(tmp_path)


def test_a_model_that_was_not_validated_says_which_step_does():
    with pytest.raises(StudyError) as raised:
        read_postprocessing(Path("nowhere"))
    assert "validate" in (raised.value.hint or "")


def test_dice_of_two_empty_masks_is_1():
    empty, full = np.zeros(3), np.ones(3)
    assert [dice(empty, empty), dice(empty, full), dice(full, full)] == [1, 0, 1]
