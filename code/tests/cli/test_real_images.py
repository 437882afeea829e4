"""The table about real images, from Dice that are given."""

import hashlib

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.real_images import REAL, digest_rows, found_where, made_by, score_rows

SCORES = {
    "general": [0.9, 0.8, 0.7, 0.6],
    "specific": [0.1, 0.8, 0.7, 0.4],
    "other": [0.91, 0.81, 0.71, 0.61],
    "lost": [0.0, 0.1, 0.2, 0.3],
}


def test_there_is_a_row_for_each_model_with_three_digits():
    rows = score_rows(SCORES)
    assert rows[0] == "| model | T1w | T2w | T2\\*w | EPI |" and rows[1].count("---") == 5
    assert rows[3] == "| specific | 0.100 | 0.800 | 0.700 | 0.400 |"


def test_it_is_said_which_models_find_the_cord_where():
    told = found_where(SCORES).replace("\n", " ")
    assert told == (
        "Dice is above 0.5 on all images by general and other; "
        "on all but T1w and EPI by specific; on none by lost."
    )


def test_the_command_and_the_last_training_are_named():
    told = made_by(SCORES, "0123abcd").replace("\n", " ")
    assert "code/study segment --model general --model specific --model other" in told
    assert "up to commit `0123abcd`" in told


def test_each_image_is_named_with_its_digest_and_one_that_is_missing_is_an_error(tmp_path):
    for real in REAL:
        path = tmp_path / real.image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(real.name)
    digest = hashlib.sha256(REAL[0].name.encode()).hexdigest()
    rows = digest_rows(tmp_path)
    assert rows[2] == f"| T1w | `{REAL[0].image}` | `{digest[:12]}` |" and len(rows) == 6
    path.unlink()
    with pytest.raises(StudyError, match="there is no such image"):
        digest_rows(tmp_path)
