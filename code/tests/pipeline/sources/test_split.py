"""Dividing participants."""

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.parts import Placement, read_split
from cordstudy.pipeline.sources.split import (
    command,
    divide,
    divide_persons,
    published,
    write_splits,
)
from helpers import commit, git, steps_of, study

NAMES = [f"sub-{n:03d}" for n in range(40)]
SETTINGS = {"seed": 50, "test_fraction": 0.25, "folds": 5}
ALIKE = dict.fromkeys(NAMES, "")
TWICE = {f"sub-{n:02d}Ses{session}": f"{n:02d}" for n in range(20) for session in (1, 2)}
"""Participants and persons, of whom each has two ids."""
MIXED = {name: ("GE", "Siemens", "Siemens", "Siemens")[n % 4] for n, name in enumerate(NAMES)}


def own(names: list[str]) -> dict[str, str]:
    """Participants who are each a person of their own."""
    return {name: name for name in names}


def published_table(path: Path, **parts: str) -> Path:
    """A published split, by what follows `sub-`."""
    lines = [f"sub-{name}\t{part}" for name, part in parts.items()]
    path.write_text("\n".join(("participant_id\tsplit", *lines, "")))
    return path


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
    rows = published(table, own(NAMES[:6]), seed=1, folds=3)
    assert rows[:2] == [Placement(NAMES[0], "test", "n/a"), Placement(NAMES[1], "train", "0")]
    assert Counter(fold for _, _, fold in rows[2:]) == {"1": 2, "2": 2}


def test_a_participant_with_two_rows_in_a_published_split_is_an_error(tmp_path):
    table = tmp_path / "split.tsv"
    table.write_text("participant_id\tsplit\nsub-000\ttrain\nsub-000\ttest\n")
    with pytest.raises(StudyError, match="line 3: sub-000 stands there twice"):
        published(table, own(NAMES[:1]), seed=1, folds=3)


def test_blanks_around_a_participant_and_a_part_of_a_published_split_are_none_of_it(tmp_path):
    table = tmp_path / "split.tsv"
    table.write_text("participant_id\tsplit\nsub-000 \ttrain \n sub-001\t val\n")
    rows = published(table, own(NAMES[:2]), seed=1, folds=2)
    assert rows == [Placement(NAMES[0], "train", "1"), Placement(NAMES[1], "train", "0")]
    table.write_text("participant_id\tsplit\nsub-000\ttrain\nsub-000 \ttrain\n")
    with pytest.raises(StudyError, match="line 3: sub-000 stands there twice"):
        published(table, own(NAMES[:1]), seed=1, folds=2)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--test-fraction", "0"), "--test-fraction"),
        (("--test-fraction", "1"), "--test-fraction"),
        (("--test-fraction", "nan"), "nan is no number"),
        (("--test-fraction", "inf"), "--test-fraction"),
        (("--folds", "1"), "--folds"),
        (("--folds", "-3"), "--folds"),
        (("--stratify", "age"), "--stratify"),
        (("--stratify", "__class__"), "--stratify"),
        (("--published", "x", "a.tsv", "--published", "x", "b.tsv"), "x stands there twice"),
    ],
)
def test_an_option_that_no_division_can_have_is_an_error_of_it(tmp_path, option, said):
    rules = tmp_path / "rules.json"
    rules.write_text("{}")
    settings = ("--seed", "1", "--test-fraction", "0.2", "--folds", "5", "--out", str(tmp_path))
    result = CliRunner().invoke(command, [str(rules), *settings, *option])
    assert result.exit_code == 2 and said in result.output


@pytest.mark.parametrize("name", ["smal", "tested", ""])
def test_a_published_split_of_what_is_not_divided_is_an_error(tmp_path, name):
    for dataset, role in (("small", "train"), ("tested", "test")):
        rules = {
            "name": dataset,
            "path": "inputs/x",
            "role": role,
            "images": ["anat/T2w"],
            "labels": "derivatives",
            "mask": "{stem}_seg",
        }
        (tmp_path / f"{dataset}.json").write_text(json.dumps(rules))
    with pytest.raises(StudyError, match=f"--published {name}: ") as raised:
        write_splits(
            [tmp_path / "small.json", tmp_path / "tested.json"],
            tmp_path / "out",
            **SETTINGS,
            stratify=(),
            published_splits={name: tmp_path / "x.tsv"},
        )
    assert "divided are small" in raised.value.hint


ROWS = "participant_id\tpart\tfold\nsub-a\ttrain\t0\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("sub-a\ttrain\t0", "line 3: sub-a stands there twice"),
        ("sub-a \ttest\tn/a", "line 3: sub-a stands there twice"),
        ("sub-b\tval\t0", "line 3: sub-b is in the part 'val'"),
        ("sub-b\tTest\tn/a", "line 3: sub-b is in the part 'Test'"),
        ("sub-b\t\t", "line 3: sub-b is in the part ''"),
        ("sub-b\ttest\t1", "line 3: sub-b is in the part 'test' and the fold '1'"),
        ("sub-b\ttrain\tn/a", "line 3: sub-b is in the part 'train' and the fold 'n/a'"),
        ("sub-b\ttrain\t1.0", "line 3: sub-b is in the part 'train' and the fold '1.0'"),
        ("sub-b\ttrain\t-1", "line 3: sub-b is in the part 'train' and the fold '-1'"),
        ("sub-b\ttrain\t01", "line 3: sub-b is in the part 'train' and the fold '01'"),
        ("sub-b\ttrain\t\u0661", "line 3: sub-b is in the part 'train' and the fold"),
    ],
)
def test_a_row_of_parts_that_places_nobody_or_somebody_twice_is_an_error(tmp_path, row, said):
    (tmp_path / "split.tsv").write_text(f"{ROWS}{row}\n")
    with pytest.raises(StudyError) as raised:
        read_split(tmp_path / "split.tsv")
    assert said in str(raised.value) and raised.value.hint


def test_a_table_of_parts_comes_back_without_blanks(tmp_path):
    (tmp_path / "split.tsv").write_text(f"{ROWS} sub-b\ttest \tn/a \n")
    placed = [Placement("sub-a", "train", "0"), Placement("sub-b", "test", "n/a")]
    assert list(read_split(tmp_path / "split.tsv").values()) == placed


def test_where_nobody_has_several_ids_the_division_is_that_of_participants():
    assert divide_persons(MIXED, own(NAMES), **SETTINGS) == divide(MIXED, **SETTINGS)


def test_all_ids_of_a_person_have_one_part_and_one_fold_for_any_seed():
    alike = dict.fromkeys(TWICE, "")
    for seed in range(20):
        rows = divide_persons(alike, TWICE, **SETTINGS | {"seed": seed})
        assert [row.participant_id for row in rows] == sorted(TWICE)
        places = {(TWICE[name], part, fold) for name, part, fold in rows}
        assert len(places) == 20, "one for each person"
        assert sum(part == "test" for _, part, _ in places) == 5


def test_a_person_is_in_the_stratum_of_the_first_of_their_ids():
    first_alone = {name: "GE" if name.endswith("Ses1") else "Siemens" for name in TWICE}
    expected = divide_persons(dict.fromkeys(TWICE, "GE"), TWICE, **SETTINGS)
    assert divide_persons(first_alone, TWICE, **SETTINGS) == expected
    backwards = dict(reversed(TWICE.items()))
    assert divide_persons(first_alone, backwards, **SETTINGS) == expected


def test_too_few_persons_for_the_folds_are_an_error_however_many_ids_they_have():
    persons = {f"sub-{n:02d}": f"{n % 2}" for n in range(30)}
    with pytest.raises(StudyError, match="1 to train on are too few for 5 folds"):
        divide_persons(dict.fromkeys(persons, ""), persons, **SETTINGS)


def test_a_published_split_keeps_a_persons_ids_together_in_the_folds_that_it_leaves_open(tmp_path):
    parts = {name.removeprefix("sub-"): "train" for name in TWICE}
    parts |= {"00Ses1": "test", "00Ses2": "test", "01Ses1": "val", "01Ses2": "val"}
    table = published_table(tmp_path / "split.tsv", **parts)
    rows = published(table, TWICE, seed=1, folds=4)
    assert rows[:2] == [Placement(f"sub-00Ses{n}", "test", "n/a") for n in (1, 2)]
    assert rows[2:4] == [Placement(f"sub-01Ses{n}", "train", "0") for n in (1, 2)]
    assert len({(TWICE[name], fold) for name, _, fold in rows}) == 20
    assert Counter(fold for _, _, fold in rows[4:]) == {"1": 12, "2": 12, "3": 12}


@pytest.mark.parametrize("sides", [("train", "test"), ("val", "test"), ("train", "val")])
def test_a_person_on_two_sides_of_a_published_split_is_named(tmp_path, sides):
    first, second = sides
    table = published_table(tmp_path / "s.tsv", **{"00Ses1": first, "00Ses2": second, "x": "train"})
    persons = {"sub-00Ses1": "00", "sub-00Ses2": "00", "sub-x": "sub-x"}
    said = rf"sub-00Ses1 \({first}\) and sub-00Ses2 \({second}\) are one person, 00"
    with pytest.raises(StudyError, match=said):
        published(table, persons, seed=1, folds=2)
    del persons["sub-00Ses2"]  # left out by the study
    with pytest.raises(StudyError, match="has no participant"):
        published(table, persons, seed=1, folds=9)


def test_a_changed_seed_makes_the_split_and_what_follows_stale(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("seed = 3", "seed = 4"))
    commit(tiny_copy, "test: another seed", toml)
    told = study(tiny_copy, "--study", "tiny", "status", check=False).stdout.splitlines()
    assert told[0].startswith("stale") and "its command changed" in told[0]
    assert told[-2].startswith("stale") and "builds on" in told[-2]
    assert told[-1].strip().startswith(f"{len(steps_of(tiny_copy))} steps took")
    assert git(tiny_copy, "status", "--porcelain") == ""
