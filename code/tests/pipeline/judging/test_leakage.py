"""That no test subject reached training: shown on an honest study, found where planted."""

import csv
import json
from pathlib import Path

import pytest

from cordstudy.pipeline.judging.leakage import COMPARED
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from helpers import git, study

RAW = "derivatives/tiny/nnunet-raw"
MERGED = f"{RAW}/Dataset601_general/cases.tsv"
UNSEEN = f"{RAW}/Dataset506_epi/cases.tsv"
HOME = f"{RAW}/Dataset502_inspired/cases.tsv"


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


def lines_with(text: str, words: str, start: str = "") -> list[str]:
    """The lines of a text that hold some words."""
    return [line for line in text.splitlines() if words in line and line.startswith(start)]


def comparisons_of(folder: Path) -> int:
    """How many pairs of sides there are: each model with each test set, and within each fold."""
    study_here = load_study(folder, "tiny")
    models = len(models_of(study_here))
    return models * (len(study_here.datasets) + study_here.split.folds)


def learned_from(folder: Path, case: str) -> set[str]:
    """The models whose training set has a case: those of size-matched depend on the phantoms."""
    return {
        table.parent.name.partition("_")[2]
        for table in (folder / RAW).glob("Dataset*/cases.tsv")
        if any(row["case_id"] == case and row["part"] == "train" for row in rows(table))
    }


def test_an_honest_study_has_nothing_in_common_anywhere_and_its_table_says_so(tiny):
    told = audit(tiny)
    assert told.returncode == 0, told.stderr
    count = comparisons_of(tiny)
    said = f"{count} comparisons by subject, session, keys and voxels: nothing in common"
    assert said in told.stdout
    table = rows(tiny / "derivatives/tiny/evaluation/leakage.tsv")
    assert {row["n_hits"] for row in table} == {"0"} and len(table) == count * len(COMPARED)
    tested = {row["against"] for row in table if row["fold"] == "n/a"}
    assert tested == {f"test: {name}" for name in load_study(tiny, "tiny").datasets}
    assert "no overlap found" in (tiny / "derivatives/tiny/report/index.html").read_text()
    assert git(tiny, "status", "--porcelain") == ""


@pytest.mark.parametrize("column", ["image_key", "mask_key", "image_voxels", "mask_voxels"])
def test_a_person_in_two_datasets_under_two_names_shows_by_the_files(tiny_copy, column):
    trained = rows(tiny_copy / MERGED)[0]
    tested = rows(tiny_copy / UNSEEN)
    rewrite(tiny_copy / UNSEEN, [tested[0] | {column: trained[column]}, *tested[1:]])
    told = audit(tiny_copy)
    assert told.returncode == 1
    (hit,) = lines_with(told.stdout, f"{trained['case_id']} = {tested[0]['case_id']}", "general ")
    assert "test: epi" in hit


def test_a_subject_on_both_sides_is_named_for_each_model_that_learned_from_it(tiny_copy):
    table = rows(tiny_copy / HOME)
    first = {row["part"]: row for row in reversed(table)}
    trained, tested = first["train"], first["test"]
    tested["person"] = trained["person"]
    rewrite(tiny_copy / HOME, table)
    learned = learned_from(tiny_copy, trained["case_id"])
    assert {"general", "inspired"} <= learned
    told = audit(tiny_copy)
    said = f"{len(learned)} of {comparisons_of(tiny_copy)} comparisons"
    assert told.returncode == 1 and said in told.stderr
    hits = lines_with(told.stdout, f"subject: {trained['case_id']} = {tested['case_id']}")
    assert sorted(line.split()[0] for line in hits) == sorted(learned)


def test_a_fold_that_validates_on_a_trained_subject_is_named(tiny_copy):
    path = next((tiny_copy / "models/tiny/inspired").rglob("splits_final.json"))
    folds = json.loads(path.read_text())
    folds[1]["train"].append(folds[1]["val"][0])
    path.write_text(json.dumps(folds))
    told = audit(tiny_copy)
    said = f"1 of {comparisons_of(tiny_copy)} comparisons"
    assert told.returncode == 1 and said in told.stderr
    (hit,) = lines_with(told.stdout, "image key")
    assert hit.startswith("inspired") and "validation, fold 1" in hit


def test_the_audit_of_a_study_that_has_not_run_says_what_to_do(new_study):
    failed = audit(new_study())
    assert failed.returncode == 1 and "code/study --study tiny run leakage" in failed.stderr
