"""The cases of whole studies: of the true trees, with what is left out and why, and of what is
fetched."""

import csv
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

import trees
from cordstudy.pipeline.sources.finding import find_cases
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of
from cordstudy.study.steps import steps
from helpers import REPOSITORY, SHARED, commit, git, run, study

SPINE_GENERIC = {
    "T1w": 267,
    "T2w": 267,
    "T2star": 266,
    "rec-average_dwi": 260,
    "flip-1_mt-on_MTS": 259,
    "flip-2_mt-off_MTS": 254,
}


@pytest.fixture(scope="module")
def laid_out(new_study, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A clone of this repository with all six true sources pinned as laid out and installed."""
    if not trees.TREES.is_dir():
        pytest.skip("no file lists of the true sources: ../shared/real-trees is not there")
    folder, base = new_study(), tmp_path_factory.mktemp("trees")
    made = {name: trees.listed_tree(name, base / name) for name in trees.LISTS}
    made |= {name: trees.published_tree(name, base / name) for name in trees.PUBLISHED}
    env = trees.put_in(folder, made)
    run(folder / "code/study", "--study", "full", "inputs", "get", cwd=folder, **env)
    return folder, env


def tsv(folder: Path, *arguments: str) -> list[dict[str, str]]:
    """The rows that `code/study cases` prints."""
    told = run(folder / "code/study", *arguments, "--tsv", cwd=folder).stdout
    return list(csv.DictReader(io.StringIO(told), delimiter="\t"))


def test_the_true_trees_have_exactly_the_published_pairs_less_what_is_excluded(laid_out):
    folder, _ = laid_out
    cases = tsv(folder, "--study", "public", "cases")
    left_out = tsv(folder, "--study", "public", "cases", "--left-out")
    found = Counter((row["dataset"], row["contrast"]) for row in cases)
    excluded = [row for row in left_out if row["source"].startswith("exclude.yml")]
    by_contrast = Counter(row["contrast"] for row in excluded)
    assert by_contrast == {"T1w": 2, "T2w": 5, "T2star": 1}
    for contrast, count in SPINE_GENERIC.items():
        assert found["spine-generic", contrast] == count - by_contrast[contrast]
    assert found["epi", "task-rest_rec-MoCoMean_bold"] == 395
    assert len(cases) == 1573 - 8 + 395


def test_what_is_left_out_of_the_true_trees_is_told_with_reason_and_source(laid_out):
    rows = tsv(laid_out[0], "--study", "public", "cases", "--left-out")
    told = {}
    for row in rows:
        told[row["participant_id"], row["contrast"]] = (row["reason"], row["source"])
    assert told["sub-balgrist01", "T1w"] == (
        "Motion artifact",
        "exclude.yml, csa_t1: sub-balgrist01",
    )
    by_site = [row for row in rows if row["source"] == "exclude.yml, csa_t2: beijingVerio"]
    of_site = sorted(row["participant_id"] for row in by_site)
    assert of_site == [f"sub-beijingVerio0{number}" for number in range(1, 5)]
    assert told["sub-leipzigP01", "task-rest_rec-MoCoMean_bold"] == ("no mask", "the tree")
    unnamed = [row["contrast"] for row in rows if row["reason"] == "no rule names it"]
    assert unnamed.count("flip-1_mt-off_MTS") == 259
    assert unnamed.count("acq-b0_dwi") == 22
    without_image = [row for row in rows if row["reason"].startswith("no image")]
    assert len(without_image) == 267 * 6 - sum(SPINE_GENERIC.values()) - 4


def test_a_case_carries_what_participants_tsv_and_the_links_say(laid_out):
    rows = {row["case_id"]: row for row in tsv(laid_out[0], "--study", "public", "cases")}
    epi = rows["epi_sub-hamburgP01_task-rest_rec-MoCoMean_bold"]
    assert (epi["sex"], epi["age"], epi["vendor"], epi["pathology"]) == ("M", "19", "Siemens", "HC")
    listed = trees.table(trees.TREES / "ds005143_1.3.1.tsv.gz")
    keys = {row["path"]: row["annex_key"] for row in listed}
    for column in ("image", "mask"):
        assert epi[f"{column}_key"] == keys[epi[column].removeprefix("inputs/ds005143/")] != "n/a"
    assert epi["mask"].endswith("sub-hamburgP01_task-rest_desc-spinalcordmask.nii.gz")


def test_the_four_private_sources_are_found_by_their_published_participants(laid_out):
    found = Counter(row["dataset"] for row in tsv(laid_out[0], "--study", "full", "cases"))
    assert found == {
        "spine-generic": 1565,
        "inspired": 79,
        "sci-colorado": 80,
        "canproco": 450,
        "basel-mp2rage": 283,
        "epi": 395,
    }


def test_the_table_of_sources_tells_access_pin_and_cases(laid_out):
    folder, _ = laid_out
    told = run(folder / "code/study", "--study", "full", "inputs", cwd=folder).stdout.splitlines()
    lines = {line.split()[0]: line for line in told}
    row = lines["spine-generic"].split()
    assert row[:2] == ["spine-generic", "train"] and row[4] == "yes"
    assert row[5:9] == ["0", "of", "10099", "files"]
    assert row[9:] == ["1565", "public,", "CC0"]
    assert "private: ask the NeuroPoly lab" in lines["canproco"]


def test_published_splits_divide_the_true_participants(laid_out):
    folder, _ = laid_out
    toml = folder / "code/studies/full.toml"
    names = {"spine-generic": "data-multi-subject", "canproco": "canproco"}
    for dataset, name in names.items():
        table = f"code/studies/published_{name}.tsv"
        shutil.copy(trees.TREES / f"published_split_{name}.tsv", folder / table)
        header = f"[datasets.{dataset}]\n"
        toml.write_text(toml.read_text().replace(header, f'{header}split = "{table}"\n'))
    commit(folder, "test: published splits", "code/studies")
    run(folder / "code/study", "--study", "full", "run", "split", cwd=folder)
    for dataset, name in names.items():
        table = trees.table(trees.TREES / f"published_split_{name}.tsv")
        published = {row["participant_id"]: row["split"] for row in table}
        made = trees.table(folder / f"derivatives/full/splits/{dataset}.tsv")
        assert len(made) == len(published)
        for row in made:
            part = published[row["participant_id"]]
            assert row["part"] == ("test" if part == "test" else "train")
            assert (row["fold"] == "0") == (part == "val")
    stratified = trees.table(folder / "derivatives/full/splits/inspired.tsv")
    assert sum(row["part"] == "test" for row in stratified) == 16
    unseen = trees.table(folder / "derivatives/full/splits/epi.tsv")
    assert len(unseen) == 397 and {row["part"] for row in unseen} == {"test"}


def test_sources_that_refuse_are_named_and_the_others_installed(new_study):
    folder = new_study()
    tree = trees.lay_out(folder.parent / "ds005143", ([], {"participants.tsv": "participant_id\n"}))
    env = trees.put_in(folder, {"ds005143": tree})
    get = (folder / "code/study", "--study", "full", "inputs", "get", "canproco", "epi")
    failed = run(*get, cwd=folder, check=False, **env)
    assert failed.returncode == 1 and "1 of 2 sources could not be had" in failed.stderr
    fault = "canproco: cannot be installed at 2a797862 from git@data.neuro.polymtl.ca"
    assert fault in failed.stderr
    assert "it is private: ask the NeuroPoly lab" in failed.stderr
    assert git(folder / "inputs/ds005143", "rev-parse", "HEAD") == git(tree, "rev-parse", "HEAD")
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["public", "full"])
def test_a_study_of_true_sources_lists_its_steps_with_no_data_present(new_study, name):
    folder = new_study()
    told = run(folder / "code/study", "--study", name, "run", "--dry-run", cwd=folder).stdout
    missing = [line.split()[1] for line in told.splitlines() if line.startswith("missing")]
    assert missing == [step.name for step in steps(load_study(folder, name))]
    assert missing[0] == "split" and missing[-2:] == ["report", "notebook"]
    assert git(folder, "status", "--porcelain") == ""


def test_masks_of_an_unwanted_origin_are_left_out_and_a_models_are_warned_of(tiny_copy):
    warned = run(tiny_copy / "code/study", "--study", "tiny", "cases", cwd=tiny_copy).stderr
    assert warned == ""
    sidecars = sorted((tiny_copy / "inputs/tiny-canproco").rglob("*_seg-manual.json"))
    for path in sidecars[:2]:
        path.write_text(json.dumps({"GeneratedBy": [{"Name": "sct_deepseg_sc"}]}))
    told = run(tiny_copy / "code/study", "--study", "tiny", "cases", cwd=tiny_copy)
    assert "2 of 5 reference masks of canproco are a model's predictions" in told.stderr
    toml = tiny_copy / "code/studies/tiny.toml"
    session = 'session = "ses-M0"'
    toml.write_text(toml.read_text().replace(session, f'{session}\nlabel_origins = ["manual"]'))
    rows = tsv(tiny_copy, "--study", "tiny", "cases", "--left-out")
    assert sum(row["reason"] == "label origin model" for row in rows) == 2


def here(folder: Path, source: str) -> set[str]:
    """The annexed files of a source whose content is here, relative to the study's root."""
    found = git(folder / source, "annex", "find", "--in=here").splitlines()
    return {f"{source}/{path}" for path in found}


def test_only_the_images_and_masks_that_a_study_uses_are_fetched(tiny, new_study):
    folder = new_study()
    paths = [f"inputs/{source}" for source in ("tiny-inspired", "tiny-canproco", "tiny-epi")]
    for path in paths:
        git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", tiny / path, path)
    toml = folder / "code/studies/tiny.toml"
    kept = [line for line in toml.read_text().splitlines() if not line.startswith("phantom")]
    toml.write_text("\n".join(kept).replace('role = "', 'licence = "CC0"\nrole = "') + "\n")
    commit(folder, "test: sources from elsewhere", toml, ".gitmodules", *paths)
    study(folder, "--study", "tiny", "inputs", "get", "inspired", "--content")
    cases, _ = find_cases(folder, rules_of(load_study(folder, "tiny"), "inspired"))
    used = {case.image for case in cases} | {case.mask for case in cases}
    assert len(used) == 10
    assert here(folder, "inputs/tiny-inspired") == used
    run(folder / "code/study", "--study", "tiny", "run", "convert:inspired", cwd=folder)
    assert here(folder, "inputs/tiny-inspired") == used


def test_the_pins_are_those_of_the_published_list():
    if not SHARED.is_dir():
        pytest.skip("no list of the true sources: ../shared is not there")
    root = REPOSITORY
    for row in trees.table(trees.TREES / "sources.tsv"):
        path = f"inputs/{row['name']}"
        assert git(root, "rev-parse", f"HEAD:{path}") == row["commit"]
        assert git(root, "config", "-f", ".gitmodules", f"submodule.{path}.url") == row["url"]
