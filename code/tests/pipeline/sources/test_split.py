"""Dividing participants."""

from collections import Counter

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.parts import Placement
from cordstudy.pipeline.sources.split import divide, published
from helpers import commit, git, steps_of, study

NAMES = [f"sub-{n:03d}" for n in range(40)]
SETTINGS = {"seed": 50, "test_fraction": 0.25, "folds": 5}
ALIKE = dict.fromkeys(NAMES, "")
MIXED = {name: ("GE", "Siemens", "Siemens", "Siemens")[n % 4] for n, name in enumerate(NAMES)}


def test_every_participant_has_one_part_and_training_ones_one_fold():
    rows = divide(ALIKE, **SETTINGS)
    assert [name for name, _, _ in rows] == NAMES
    assert sum(part == "test" for _, part, _ in rows) == 10
    assert all((part == "test") == (fold == "n/a") for _, part, fold in rows)
    assert Counter(fold for _, part, fold in rows if part == "train") == dict.fromkeys("01234", 6)


def test_the_division_depends_on_the_seed_and_not_on_the_order_of_participants():
    assert divide(dict(reversed(MIXED.items())), **SETTINGS) == divide(MIXED, **SETTINGS)
    assert divide(MIXED, **SETTINGS | {"seed": 51}) != divide(MIXED, **SETTINGS)


@pytest.mark.parametrize("strata", [ALIKE, MIXED])
def test_a_new_participant_moves_at_most_one_other_at_each_cut(strata):
    before = divide(strata, **SETTINGS)
    for number in range(20):
        new = f"sub-new{number}"
        after = divide({**strata, new: "Siemens"}, **SETTINGS)
        others = [placement for placement in after if placement.participant_id != new]
        moved = [pair for pair in zip(before, others, strict=True) if pair[0] != pair[1]]
        changed_part = [pair for pair in moved if pair[0].part != pair[1].part]
        assert len(changed_part) <= 1
        assert len(moved) <= SETTINGS["folds"]


def test_each_stratum_is_divided_alike():
    rows = divide(MIXED, **SETTINGS)
    tested = Counter(MIXED[name] for name, part, _ in rows if part == "test")
    assert sum(tested.values()) == 10 and abs(tested["GE"] - 2.5) < 1
    trained = Counter((MIXED[name], fold) for name, part, fold in rows if part == "train")
    for vendor, expected in (("GE", 1.5), ("Siemens", 4.5)):
        for fold in "01234":
            assert abs(trained[vendor, fold] - expected) < 1


def test_a_published_split_keeps_its_parts_and_divides_its_train_into_the_other_folds(tmp_path):
    parts = ["test", "val", "train", "train", "train", "train"]
    lines = ["participant_id\tsplit"]
    lines += [f"{name}\t{part}" for name, part in zip(NAMES, parts)]
    table = tmp_path / "split.tsv"
    table.write_text("\n".join(lines) + "\n")
    rows = published(table, NAMES[:6], seed=1, folds=3)
    assert rows[:2] == [Placement(NAMES[0], "test", "n/a"), Placement(NAMES[1], "train", "0")]
    assert Counter(fold for _, _, fold in rows[2:]) == {"1": 2, "2": 2}


def test_a_participant_with_two_rows_in_a_published_split_is_an_error(tmp_path):
    table = tmp_path / "split.tsv"
    table.write_text("participant_id\tsplit\nsub-000\ttrain\nsub-000\ttest\n")
    with pytest.raises(StudyError, match="row 3: sub-000 stands there twice"):
        published(table, NAMES[:1], seed=1, folds=3)


def test_a_changed_seed_makes_the_split_and_what_follows_stale(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("seed = 3", "seed = 4"))
    commit(tiny_copy, "test: another seed", toml)
    told = study(tiny_copy, "--study", "tiny", "status", check=False).stdout.splitlines()
    assert told[0].startswith("stale") and "its command changed" in told[0]
    assert told[-2].startswith("stale") and "builds on" in told[-2]
    assert told[-1].strip().startswith(f"{len(steps_of(tiny_copy))} steps took")
    assert git(tiny_copy, "status", "--porcelain") == ""
