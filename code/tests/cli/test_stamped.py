"""That a study whose training and test data overlap says so beside its committed results."""

import re
from pathlib import Path

import pytest

from cordstudy.base.tables import MISSING, write_file, write_table
from cordstudy.cli import committed, recorded, results
from cordstudy.pipeline.judging.comparisons import Comparison
from cordstudy.pipeline.judging.leakage import Overlap
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.scores import SUMMARY_COLUMNS
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import parameter_files
from cordstudy.study.schema import Study
from helpers import REPOSITORY, git

STUDY = load_study(REPOSITORY, "phantom")
PATHS = Layout(STUDY)


@pytest.fixture
def study(tmp_path: Path, monkeypatch):
    """A repository with committed tables, of which that of leakage has so many hits."""

    def make(hits: int, *, fold: str = MISSING) -> Study:
        git(tmp_path, "init", "-q")
        against = "test: epi" if fold == MISSING else "validation"
        told = "a = b" if hits else "none"
        row = Overlap("general", MISSING, "test: epi", "subject", 4, 2, 0, "none")
        other = Overlap("general", fold, against, "image key", 4, 2, hits, told)
        write_rows(tmp_path / PATHS.leakage_table, Overlap, [row, other])
        cells = dict.fromkeys(SUMMARY_COLUMNS, "0.5") | {"model": "general", "testset": "epi"}
        write_table(tmp_path / PATHS.summary_table, list(cells), [list(cells.values())])
        write_rows(tmp_path / PATHS.evaluation / "comparisons.tsv", Comparison, [])
        write_file(tmp_path / PATHS.judging, parameter_files(STUDY)[PATHS.judging])
        git(tmp_path, "add", "-A")
        git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "docs: x")
        for module in (committed, results, recorded):
            monkeypatch.setattr(module, "ROOT", tmp_path)
        return STUDY

    return make


def test_an_overlap_stands_above_the_table_of_results_and_takes_the_answer(study):
    made = study(1)
    lines = results.mean_dice(made)
    assert lines[0].startswith("WARNING: Training and test data overlap: general with epi.")
    assert "Mean Dice, model × test set" in lines and max(map(len, lines[:3])) <= 100
    answer = recorded.in_words(recorded.read_answer(made))
    assert answer.startswith("**No answer that can be trusted: training and test data overlap.**")


def test_an_overlap_of_folds_warns_and_leaves_the_answer(study):
    made = study(1, fold="0")
    assert results.mean_dice(made)[0].startswith("WARNING: The two sides of a fold overlap")
    assert "No answer that can be trusted" not in recorded.in_words(recorded.read_answer(made))


def test_without_an_overlap_results_are_as_they_are(study):
    assert results.mean_dice(study(0))[0] == "Mean Dice, model × test set"


def test_the_written_answer_of_an_overlapping_study_begins_with_the_warning(study):
    told = recorded.TOLD["answer"](recorded.Recorded(study(1)))
    assert re.match(r"\s*\*\*Warning: Training and test data overlap", told)


def test_a_study_that_was_not_compared_yet_has_no_warning(study, tmp_path):
    made = study(1)
    git(tmp_path, "rm", "-q", PATHS.leakage_table)
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "docs: y")
    assert committed.warning_of_leakage(made) == ""
