"""Files that a step is given by others: one that is none is one error that names it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.judging.leakage import read_overlaps
from cordstudy.pipeline.judging.scores import read_scores
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.learning.plan import subject_folds
from cordstudy.pipeline.raw.layout import read_cases
from cordstudy.pipeline.sources.parts import read_split
from cordstudy.pipeline.sources.rules import read_rules
from cordstudy.study.loading import load_study
from damages import DEEP, LONG

READERS: dict[str, Callable[[Path], object]] = {
    "rules.json": read_rules,
    "judging.json": read_settings,
    "code/studies/small.toml": lambda path: load_study(path.parents[2], path.stem),
    "split.tsv": read_split,
    "raw/cases.tsv": lambda path: read_cases(path.parent),
    "cases.tsv": lambda path: subject_folds(path, 2),
    "leakage.tsv": read_overlaps,
}
"""What reads each of the files."""
KINDS = {
    "brackets": b"a = " + b"[" * 20_000,
    "JSON brackets": DEEP.encode(),
    "long number": LONG.encode(),
    "NUL": b"a\0b",
    "no UTF-8": b"\xff\xfe",
    "other": b'{"a": 1}',
    "a list": b"[1]",
    "a long TOML number": b"a = " + b"9" * 5_000,
    "cell": b"a\tb\n" + b"x" * 300_000 + b"\ty\n",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_a_step_that_is_none_is_one_error_that_names_it(tmp_path, name, kind):
    write_file(tmp_path / name, KINDS[kind])
    with pytest.raises(StudyError, match=name) as raised:
        READERS[name](tmp_path / name)
    assert raised.value.hint


@pytest.mark.parametrize("name", READERS)
def test_a_folder_in_the_place_of_such_a_file_is_one_error_too(tmp_path, name):
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(StudyError, match=f"{name}|no study") as raised:
        READERS[name](tmp_path / name)
    assert raised.value.hint


@pytest.mark.parametrize(
    "text", ["model\tdice\na\tgood\n", "model\tdice\na\n", "model\tdice\na\t1\0\n"]
)
def test_a_table_of_figures_that_holds_words_is_an_error(tmp_path, text):
    (tmp_path / "scores.tsv").write_text(text)
    with pytest.raises(StudyError, match=r"scores.tsv"):
        read_scores(tmp_path / "scores.tsv")
