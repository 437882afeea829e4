"""That no test subject reached training: shown on an honest study, found where planted."""

import csv
import json
from pathlib import Path

import pytest

from helpers import git, study

RAW = "derivatives/tiny/nnunet-raw"
MERGED, UNSEEN, HOME = (
    f"{RAW}/Dataset{name}/cases.tsv" for name in ("504_general", "503_epi", "501_inspired")
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def rewrite(path: Path, changed: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, changed[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(changed)


def audit(folder: Path):
    return study(folder, "--study", "tiny", "audit", "--leakage", check=False)


def test_an_honest_study_has_nothing_in_common_anywhere_and_its_table_says_so(tiny):
    told = audit(tiny)
    assert told.returncode == 0, told.stderr
    assert (
        "15 comparisons by subject, session, keys and converted files: nothing in common"
        in told.stdout
    )
    table = rows(tiny / "derivatives/tiny/evaluation/leakage.tsv")
    assert {row["n_hits"] for row in table} == {"0"} and len(table) == 15 * 6
    assert {row["against"] for row in table if row["fold"] == "n/a"} == {
        "test: inspired",
        "test: canproco",
        "test: epi",
    }
    assert "Nothing leaks" in (tiny / "derivatives/tiny/report/index.html").read_text()
    assert git(tiny, "status", "--porcelain") == ""


@pytest.mark.parametrize("column", ["image_key", "mask_key", "image_sha256", "mask_sha256"])
def test_a_person_in_two_datasets_under_two_names_shows_by_the_files(tiny_copy, column):
    trained = rows(tiny_copy / MERGED)[0]
    tested = rows(tiny_copy / UNSEEN)
    rewrite(tiny_copy / UNSEEN, [tested[0] | {column: trained[column]}, *tested[1:]])
    told = audit(tiny_copy)
    assert told.returncode == 1
    hit = next(
        line
        for line in told.stdout.splitlines()
        if line.startswith("general") and "test: epi" in line
    )
    assert f"{trained['case_id']} = {tested[0]['case_id']}" in hit


def test_a_subject_on_both_sides_is_named_for_each_model_that_learned_from_it(tiny_copy):
    found = rows(tiny_copy / HOME)
    trained, tested = (
        next(row for row in found if row["part"] == part) for part in ("train", "test")
    )
    moved = [
        row | {"participant_id": trained["participant_id"]} if row is tested else row
        for row in found
    ]
    rewrite(tiny_copy / HOME, moved)
    told = audit(tiny_copy)
    assert told.returncode == 1 and "2 of 15 comparisons" in told.stderr
    hits = [
        line
        for line in told.stdout.splitlines()
        if f"subject: {trained['case_id']} = {tested['case_id']}" in line
    ]
    assert [line.split()[0] for line in hits] == ["general", "inspired"]


def test_a_fold_that_validates_on_a_trained_subject_is_named(tiny_copy):
    path = next((tiny_copy / "models/tiny/inspired").rglob("splits_final.json"))
    folds = json.loads(path.read_text())
    folds[1]["train"].append(folds[1]["val"][0])
    path.write_text(json.dumps(folds))
    told = audit(tiny_copy)
    assert told.returncode == 1 and "1 of 15 comparisons" in told.stderr
    hit = next(line for line in told.stdout.splitlines() if "image key" in line)
    assert hit.startswith("inspired") and "validation, fold 1" in hit


def test_the_audit_of_a_study_that_has_not_run_says_what_to_do(new_study):
    failed = audit(new_study())
    assert failed.returncode == 1 and "code/study run leakage" in failed.stderr
