"""Finding cases: in the true trees, under other layouts, with what is left out and why."""

import csv
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

import trees
from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.finding import find_cases, unnamed_images
from cordstudy.pipeline.sources.label_origin import label_origin
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of
from cordstudy.study.schema import Study
from helpers import REPOSITORY, SHARED, commit, git, run

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
    told = {
        (row["participant_id"], row["contrast"]): (row["reason"], row["source"]) for row in rows
    }
    assert told["sub-balgrist01", "T1w"] == (
        "Motion artifact",
        "exclude.yml, csa_t1: sub-balgrist01",
    )
    site = [
        who
        for (who, contrast), (_, source) in told.items()
        if source == "exclude.yml, csa_t2: beijingVerio"
    ]
    assert sorted(site) == [f"sub-beijingVerio0{n}" for n in range(1, 5)]
    assert told["sub-leipzigP01", "task-rest_rec-MoCoMean_bold"] == ("no mask", "the tree")
    unnamed = Counter(
        contrast for (_, contrast), (reason, _) in told.items() if reason == "no rule names it"
    )
    assert unnamed["flip-1_mt-off_MTS"] == 259 and unnamed["acq-b0_dwi"] == 22
    assert (
        Counter(row["reason"] for row in rows)["no image"]
        == (267 * 6 - sum(SPINE_GENERIC.values())) - 4
    )


def test_a_case_carries_what_participants_tsv_and_the_links_say(laid_out):
    rows = {row["case_id"]: row for row in tsv(laid_out[0], "--study", "public", "cases")}
    epi = rows["epi_sub-hamburgP01_task-rest_rec-MoCoMean_bold"]
    assert (epi["sex"], epi["age"], epi["vendor"], epi["pathology"]) == ("M", "19", "Siemens", "HC")
    keys = {
        row["path"]: row["annex_key"] for row in trees.table(trees.TREES / "ds005143_1.3.1.tsv.gz")
    }
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
    row = next(line for line in told if line.startswith("spine-generic")).split()
    assert (
        row[:2] == ["spine-generic", "train"]
        and row[4] == "yes"
        and row[5:9] == ["0", "of", "10099", "files"]
    )
    assert row[9:] == ["1565", "public,", "CC0"]
    assert "private: ask the NeuroPoly lab" in next(
        line for line in told if line.startswith("canproco")
    )


def test_published_splits_divide_the_true_participants(laid_out):
    folder, _ = laid_out
    toml = folder / "code/studies/full.toml"
    names = {"spine-generic": "data-multi-subject", "canproco": "canproco"}
    for dataset, name in names.items():
        table = f"code/studies/published_{name}.tsv"
        shutil.copy(trees.TREES / f"published_split_{name}.tsv", folder / table)
        toml.write_text(
            toml.read_text().replace(
                f"[datasets.{dataset}]\n", f'[datasets.{dataset}]\nsplit = "{table}"\n'
            )
        )
    commit(folder, "test: published splits", "code/studies")
    run(folder / "code/study", "--study", "full", "run", "split", cwd=folder)
    for dataset, name in names.items():
        told = {
            r["participant_id"]: r["split"]
            for r in trees.table(trees.TREES / f"published_split_{name}.tsv")
        }
        made = trees.table(folder / f"derivatives/full/splits/{dataset}.tsv")
        assert len(made) == len(told)
        for row in made:
            expected = {"test": "test", "train": "train", "val": "train"}[
                told[row["participant_id"]]
            ]
            assert row["part"] == expected
            assert (row["fold"] == "0") == (told[row["participant_id"]] == "val")
    stratified = trees.table(folder / "derivatives/full/splits/inspired.tsv")
    assert sum(row["part"] == "test" for row in stratified) == 16
    unseen = trees.table(folder / "derivatives/full/splits/epi.tsv")
    assert len(unseen) == 397 and {row["part"] for row in unseen} == {"test"}


def test_sources_that_refuse_are_named_and_the_others_installed(new_study):
    folder = new_study()
    tree = trees.lay_out(folder.parent / "ds005143", [], {"participants.tsv": "participant_id\n"})
    env = trees.put_in(folder, {"ds005143": tree})
    failed = run(
        folder / "code/study",
        "--study",
        "full",
        "inputs",
        "get",
        "canproco",
        "epi",
        cwd=folder,
        check=False,
        **env,
    )
    assert failed.returncode == 1 and "1 of 2 sources could not be had" in failed.stderr
    assert (
        "canproco: cannot be installed at 2a797862 from git@data.neuro.polymtl.ca" in failed.stderr
    )
    assert "it is private: ask the NeuroPoly lab" in failed.stderr
    assert git(folder / "inputs/ds005143", "rev-parse", "HEAD") == git(tree, "rev-parse", "HEAD")
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["public", "full"])
def test_a_study_of_true_sources_lists_its_steps_with_no_data_present(new_study, name):
    folder = new_study()
    told = run(folder / "code/study", "--study", name, "run", "--dry-run", cwd=folder).stdout
    steps = [line.split()[1] for line in told.splitlines() if line.startswith("missing")]
    assert steps[0] == "split" and "leakage" in steps and steps[-2:] == ["report", "notebook"]
    assert len(steps) == {"public": 15, "full": 48}[name]
    assert git(folder, "status", "--porcelain") == ""


def small_source(
    root: Path, files: list[str], participants: str = "participant_id\nsub-a1\nsub-b2\n"
) -> None:
    """A source at inputs/x of empty files."""
    for path in files:
        place = root / "inputs/x" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    (root / "inputs/x").mkdir(parents=True, exist_ok=True)
    (root / "inputs/x/participants.tsv").write_text(participants)


def rules(**changes):
    """The rules of that source, as a TOML would give them."""
    dataset = {
        "path": "inputs/x",
        "role": "test",
        "licence": "CC0",
        "images": ["anat/T2w"],
        "labels": "derivatives/labels",
        "mask": "{stem}_seg-manual",
        **changes,
    }
    study = Study.model_validate(
        {
            "name": "s",
            "datasets": {"x": dataset, "t": {**dataset, "path": "inputs/t", "role": "train"}},
            "models": {"t": ["t"]},
            "split": {"seed": 1, "test_fraction": 0.2, "folds": 2},
            "plan": {"configuration": "2d"},
            "predict": {"tile_step": 0.5},
            "train": {"folds": [0], "seed": 1, "epochs": 1, "iterations": 1, "validations": 1},
        }
    )
    return rules_of(study, "x")


OLD = [
    "sub-a1/anat/sub-a1_acq-MTon_MTS.nii.gz",
    "derivatives/labels/sub-a1/anat/sub-a1_acq-MTon_MTS_seg-manual.nii.gz",
]
NEW = [
    "sub-a1/anat/sub-a1_flip-1_mt-on_MTS.nii.gz",
    "derivatives/labels_softseg/sub-a1/anat/sub-a1_flip-1_mt-on_MTS_label-SC_softseg.nii.gz",
]


@pytest.mark.parametrize(
    ("files", "changes"),
    [
        (OLD, {"images": ["anat/acq-MTon_MTS"]}),
        (
            NEW,
            {
                "images": ["anat/flip-1_mt-on_MTS"],
                "labels": "derivatives/labels_softseg",
                "mask": "{stem}_label-SC_softseg",
            },
        ),
    ],
)
def test_earlier_and_later_layouts_of_a_source_need_other_rules_only(tmp_path, files, changes):
    small_source(tmp_path, files)
    cases, left_out = find_cases(tmp_path, rules(**changes))
    assert [(case.image, case.mask) for case in cases] == [
        tuple(f"inputs/x/{path}" for path in files)
    ]
    assert [(item.participant_id, item.reason) for item in left_out] == [("sub-b2", "no image")]


@pytest.mark.parametrize("number", [0, 1])
def test_a_link_that_leaves_its_source_is_refused_when_cases_are_found_with_no_content_here(
    tmp_path, number
):
    small_source(tmp_path, OLD)
    (tmp_path / "inputs/x" / OLD[number]).unlink()
    (tmp_path / "inputs/x" / OLD[number]).symlink_to("../../../../../private/x.nii.gz")
    with pytest.raises(StudyError, match=f"{OLD[number]}: it leads to .*, which leaves the source"):
        find_cases(tmp_path, rules(images=["anat/acq-MTon_MTS"]))


def test_an_image_with_more_entities_than_the_rule_is_another_image(tmp_path):
    small_source(
        tmp_path,
        [
            "sub-a1/anat/sub-a1_T2w.nii.gz",
            "sub-a1/anat/sub-a1_acq-axial_T2w.nii.gz",
            "derivatives/labels/sub-a1/anat/sub-a1_T2w_seg-manual.nii.gz",
        ],
    )
    cases, _ = find_cases(tmp_path, rules())
    assert [case.contrast for case in cases] == ["T2w"]
    assert [item.contrast for item in unnamed_images(tmp_path, rules())] == ["acq-axial_T2w"]


MANUAL, MODEL = (
    {"Name": "Manual", "Author": "A. Person"},
    {"Name": "sct_deepseg_sc", "Version": "SCT v6.1"},
)
RESAMPLED = {"Name": "sct_resample", "Version": "SCT v6"}


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        ({"GeneratedBy": [MANUAL]}, "manual"),
        ({"GeneratedBy": [MANUAL, RESAMPLED]}, "manual"),
        ({"GeneratedBy": [MODEL, MANUAL]}, "corrected"),
        ({"GeneratedBy": [MANUAL, {"Name": "Automatic"}, MANUAL]}, "corrected"),
        ({"GeneratedBy": [MANUAL, MODEL]}, "model"),
        ({"GeneratedBy": [MODEL, RESAMPLED]}, "model"),
        ({"Author": "A. Person", "Date": "2021-07-25"}, "manual"),
        ({"SpatialReference": "orig"}, "unknown"),
    ],
)
def test_the_label_origin_is_who_made_the_mask_last(tmp_path, content, origin):
    (tmp_path / "mask.json").write_text(json.dumps(content))
    assert label_origin(tmp_path / "mask.json") == origin


def test_masks_of_an_unwanted_origin_are_left_out_and_a_models_are_warned_of(tiny_copy):
    warned = run(tiny_copy / "code/study", "--study", "tiny", "cases", cwd=tiny_copy).stderr
    assert warned == ""
    sidecars = sorted((tiny_copy / "inputs/tiny-canproco").rglob("*_seg-manual.json"))
    for path in sidecars[:2]:
        path.write_text(json.dumps({"GeneratedBy": [MODEL]}))
    told = run(tiny_copy / "code/study", "--study", "tiny", "cases", cwd=tiny_copy)
    assert "2 of 5 reference masks of canproco are a model's predictions" in told.stderr
    toml = tiny_copy / "code/studies/tiny.toml"
    toml.write_text(
        toml.read_text().replace(
            'session = "ses-M0"', 'session = "ses-M0"\nlabel_origins = ["manual"]'
        )
    )
    rows = tsv(tiny_copy, "--study", "tiny", "cases", "--left-out")
    assert sum(row["reason"] == "label origin model" for row in rows) == 2


def test_only_the_images_and_masks_that_a_study_uses_are_fetched(tiny, new_study):
    folder = new_study()
    paths = [f"inputs/{source}" for source in ("tiny-inspired", "tiny-canproco", "tiny-epi")]
    for path in paths:
        git(folder, "-c", "protocol.file.allow=always", "submodule", "add", "-q", tiny / path, path)
    toml = folder / "code/studies/tiny.toml"
    lines = (line for line in toml.read_text().splitlines() if not line.startswith("phantom"))
    toml.write_text("\n".join(lines).replace('role = "', 'licence = "CC0"\nrole = "') + "\n")
    commit(folder, "test: sources from elsewhere", toml, ".gitmodules", *paths)
    run(
        folder / "code/study",
        "--study",
        "tiny",
        "inputs",
        "get",
        "inspired",
        "--content",
        cwd=folder,
    )
    place = folder / "inputs/tiny-inspired"
    here = {Path(path).name for path in git(place, "annex", "find", "--in=here").splitlines()}
    study = load_study(folder, "tiny")
    cases, _ = find_cases(folder, rules_of(study, "inspired"))
    used = {Path(path).name for case in cases for path in (case.image, case.mask)}
    assert here == used and len(here) == 10
    run(folder / "code/study", "--study", "tiny", "run", "convert:inspired", cwd=folder)
    assert {
        Path(path).name for path in git(place, "annex", "find", "--in=here").splitlines()
    } == used


def test_the_pins_are_those_of_the_published_list():
    if not SHARED.is_dir():
        pytest.skip("no list of the true sources: ../shared is not there")
    root = REPOSITORY
    for row in trees.table(trees.TREES / "sources.tsv"):
        path = f"inputs/{row['name']}"
        assert git(root, "rev-parse", f"HEAD:{path}") == row["commit"]
        assert git(root, "config", "-f", ".gitmodules", f"submodule.{path}.url") == row["url"]


def test_an_annexed_sidecar_without_content_is_an_error(tmp_path):
    (tmp_path / "mask.json").symlink_to(".git/annex/objects/none")
    with pytest.raises(StudyError, match="content is not here"):
        label_origin(tmp_path / "mask.json")
