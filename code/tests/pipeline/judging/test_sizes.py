"""Sizes of training sets, and which are alike."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_table
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.sizes import Size, alike, by_model, read_sizes, size_of

COLUMNS = ("dataset", "participant_id", "person", "label_origin", "part")


def test_a_size_counts_what_is_trained_on_and_people_once(tmp_path):
    rows = [
        ("d", "sub-1a", "1", "manual", "train"),
        ("d", "sub-1b", "1", "model", "train"),
        ("e", "sub-1a", "1", "manual", "train"),
        ("d", "sub-2", "2", "model", "test"),
    ]
    write_table(tmp_path / "cases.tsv", COLUMNS, rows)
    size = size_of("m", tmp_path / "cases.tsv")
    assert size == Size("m", images=3, people=2, masks_by_model=1)
    write_rows(tmp_path / "sizes.tsv", Size, [size])
    assert read_sizes(tmp_path / "sizes.tsv") == [size]


def test_a_table_without_persons_has_each_participant_as_one(tmp_path):
    columns = [name for name in COLUMNS if name != "person"]
    rows = [("d", f"sub-{n}", "manual", "train") for n in range(3)]
    write_table(tmp_path / "cases.tsv", columns, rows)
    assert size_of("m", tmp_path / "cases.tsv").people == 3
    write_table(tmp_path / "cases.tsv", columns[1:], [])
    with pytest.raises(StudyError, match="no column 'dataset'"):
        size_of("m", tmp_path / "cases.tsv")


def test_sizes_within_a_tenth_are_alike_by_images_or_by_people():
    sizes = by_model([Size("own", 100, 20, 0), Size("near", 91, 60, 0), Size("far", 54, 21, 0)])
    assert alike("size-matched", "own", "near", sizes)
    assert not alike("size-matched", "own", "far", sizes)
    assert alike("size-matched-people", "own", "far", sizes)
    assert not alike("size-matched-people", "own", "near", sizes)
    assert not alike("size-matched", "own", "unknown", sizes)
