"""Dividing participants."""

import json
from collections import Counter

import pytest

from cordstudy.pipeline.learning.plan import subject_folds
from cordstudy.pipeline.sources.split import divide
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
    before = {name: (part, fold) for name, part, fold in divide(strata, **SETTINGS)}
    for n in range(20):
        after = {
            name: (part, fold)
            for name, part, fold in divide({**strata, f"sub-new{n}": "Siemens"}, **SETTINGS)
        }
        assert sum(before[name][0] != after[name][0] for name in NAMES) <= 1
        assert sum(before[name] != after[name] for name in NAMES) <= SETTINGS["folds"]


def test_each_stratum_is_divided_alike():
    rows = divide(MIXED, **SETTINGS)
    tested = Counter(MIXED[name] for name, part, _ in rows if part == "test")
    assert sum(tested.values()) == 10 and abs(tested["GE"] - 2.5) < 1
    for vendor, expected in (("GE", 1.5), ("Siemens", 4.5)):
        folds = Counter(
            fold for name, part, fold in rows if part == "train" and MIXED[name] == vendor
        )
        assert all(abs(folds[fold] - expected) < 1 for fold in "01234")


def test_all_images_of_a_subject_lie_in_one_fold(tmp_path):
    rows = [
        f"{sub}_{c}\t{sub}\ttrain\t{n % 2}\n"
        for n, sub in enumerate(NAMES[:6])
        for c in ("T1w", "T2w")
    ]
    (tmp_path / "cases.tsv").write_text("case_id\tparticipant_id\tpart\tfold\n" + "".join(rows))
    for fold in subject_folds(tmp_path / "cases.tsv", 2):
        sides = [{case.split("_")[0] for case in fold[side]} for side in ("train", "val")]
        assert not sides[0] & sides[1]
        assert sides[0] | sides[1] == set(NAMES[:6])


def test_the_folds_that_nnunet_is_given_share_no_subject(tiny):
    for path in (tiny / "models/tiny").rglob("splits_final.json"):
        for fold in json.loads(path.read_text()):
            train, held_out = (
                {case.split("_")[1] for case in fold[side]} for side in ("train", "val")
            )
            assert train and held_out and not train & held_out


def test_a_changed_seed_makes_the_split_and_what_follows_stale(tiny_copy):
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("seed = 3", "seed = 4"))
    commit(tiny_copy, "test: another seed", toml)
    told = study(tiny_copy, "--study", "tiny", "status", check=False).stdout.splitlines()
    assert told[0].startswith("stale") and "its command changed" in told[0]
    assert (
        told[-2].startswith("stale")
        and "builds on" in told[-2]
        and told[-1].startswith(f"{len(steps_of(tiny_copy))} steps took")
    )
    assert git(tiny_copy, "status", "--porcelain") == ""
