"""What is found in a source that nobody has described: its images, its masks, its columns."""

import shutil
from pathlib import Path

import pytest

import trees
from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.guess import guess
from cordstudy.pipeline.sources.guess_people import guess_people
from cordstudy.study.loading import load_study
from cordstudy.study.schema import Dataset
from helpers import REPOSITORY


def source(folder: Path, *paths: str, participants: str = "participant_id\n") -> Path:
    """A source of empty files; `*` in a path stands for each of four participants."""
    for path in paths:
        for name in ("01", "02", "03", "04") if "*" in path else ("",):
            place = folder / path.replace("*", f"sub-{name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    (folder / "participants.tsv").write_text(participants)
    return folder


@pytest.mark.parametrize(
    ("image", "mask", "labels", "named"),
    [
        ("*/anat/*_T2w", "derivatives/labels/*/anat/*_T2w_seg", "derivatives/labels", "{stem}_seg"),
        ("*/anat/*_T2w", "labels/*/anat/*_T2w_mask", "labels", "{stem}_mask"),
        ("*/anat/*_T2w", "derivatives/a/b/*/anat/*_T2w_dseg", "derivatives/a/b", "{stem}_dseg"),
        ("*/anat/*_T2w", "derivatives/seg/*/anat/*_T2w", "derivatives/seg", "{stem}"),
        (
            "*/anat/*_T2w",
            "derivatives/labels/*/anat/*_desc-cord_mask",
            "derivatives/labels",
            "{subject}_desc-cord_mask",
        ),
        (
            "*/anat/*_acq-ax_T2w",
            "derivatives/labels/*/anat/*_acq-ax_space-orig_label-SC_mask",
            "derivatives/labels",
            "{subject}_acq-ax_space-orig_label-SC_mask",
        ),
    ],
)
def test_masks_are_found_by_what_they_are_called(tmp_path, image, mask, labels, named):
    other = "sub-01/anat/sub-01_T1w.nii.gz"
    found = guess(source(tmp_path, f"{image}.nii.gz", f"{mask}.nii.gz", other))
    rule = image.replace("*/anat/*_", "anat/")
    assert (found.best.labels, found.best.mask) == (labels, named)
    assert found.best.images == {rule: 4} and found.without == {"anat/T1w": 1}


def test_of_several_masks_those_of_the_cord_are_taken_and_of_these_the_most(tmp_path):
    found = guess(
        source(
            tmp_path,
            "*/anat/*_T2w.nii.gz",
            "derivatives/labels/*/anat/*_T2w_lesion_seg.nii.gz",
            "derivatives/labels/*/anat/*_T2w_label-discs_dlabel.nii.gz",
            "derivatives/auto/*/anat/*_T2w_label-SC_seg.nii.gz",
            "derivatives/labels/sub-01/anat/sub-01_T2w_label-SC_seg.nii.gz",
            "sourcedata/*/anat/*_T2w_label-SC_seg.nii.gz",
            "derivatives/preprocessed/*/anat/*_T2w.nii.gz",
        )
    )
    assert (found.best.labels, found.best.count) == ("derivatives/auto", 4)
    first, *others = found.others
    assert (first.labels, first.mask, first.count) == (
        "derivatives/labels",
        "{stem}_label-SC_seg",
        1,
    )
    assert {other.mask for other in others} == {"{stem}_lesion_seg", "{stem}_label-discs_dlabel"}


def test_names_that_no_rule_can_have_are_passed_over(tmp_path):
    odd = ["*/anat/*_T2w (copy).nii.gz", "derivatives/my labels/*/anat/*_T2w_seg.nii.gz"]
    usual = ["*/anat/*_T2w.nii.gz", "derivatives/labels/*/anat/*_T2w_seg.nii.gz"]
    found = guess(source(tmp_path, *odd, *usual))
    assert (found.best.labels, found.others, found.without) == ("derivatives/labels", [], {})


def test_of_several_sessions_the_one_with_the_most_masks_is_taken(tmp_path):
    found = guess(
        source(
            tmp_path,
            "*/ses-M0/anat/*_ses-M0_T2w.nii.gz",
            "*/ses-M12/anat/*_ses-M12_T2w.nii.gz",
            "derivatives/labels/*/ses-M12/anat/*_ses-M12_T2w_seg.nii.gz",
            "derivatives/labels/sub-01/ses-M0/anat/sub-01_ses-M0_T2w_seg.nii.gz",
        )
    )
    assert (found.best.session, found.best.count) == ("ses-M12", 4)
    assert [(other.session, other.count) for other in found.others] == [("ses-M0", 1)]


@pytest.mark.parametrize(
    ("paths", "said", "hint"),
    [
        (["README"], "no images: looked for", "BIDS"),
        (["derivatives/labels/*/anat/*_T2w_seg.nii.gz"], "it holds derivatives alone", "both"),
        (["*/anat/*_T2w.nii.gz", "*/anat/*_T2w_seg.nii.gz"], "beside their images", "move them"),
        (["*/anat/*_T2w.nii.gz"], "4 images and no masks: looked in", "derivatives/labels/sub-01"),
        (
            ["*/anat/*_T2w.nii.gz", "derivatives/x/*/anat/*_T1w_warp.nii.gz"],
            "seen: derivatives/x/sub-01/anat/sub-01_T1w_warp",
            "_seg",
        ),
    ],
)
def test_what_is_not_found_is_one_error_that_tells_what_was_looked_for(tmp_path, paths, said, hint):
    with pytest.raises(StudyError) as raised:
        guess(source(tmp_path, *paths))
    assert said in str(raised.value) and hint in raised.value.hint
    assert "\n" not in str(raised.value)


def test_columns_sites_and_persons_are_guessed_and_only_the_unusual_have_to_be_said(tmp_path):
    rows = ["participant_id\tGender\tage\tdiagnosis\tSite\tvendor"]
    rows += [f"sub-{number}Ses{n}\tF\t30\tHC\tx\tGE" for number in (7, 8) for n in (1, 2)]
    people = guess_people(source(tmp_path, participants="\n".join(rows) + "\n"))
    assert people.said == {"sex": "Gender", "pathology": "diagnosis", "vendor": "vendor"}
    assert people.columns == {**people.said, "age": "age", "site": "Site"}
    assert (people.site, people.person) == (None, "sub-([0-9]+)Ses")


@pytest.mark.parametrize(
    ("ids", "site"),
    [
        ("sub-mon01 sub-mon02 sub-tor01 sub-torHC02", "^sub-([a-z]+)"),
        ("sub-C001 sub-C002 sub-P001 sub-P002", None),
        ("sub-control1 sub-control2 sub-patient1 sub-patient2", None),
        ("sub-01 sub-02", None),
    ],
)
def test_a_site_is_guessed_from_ids_where_words_before_numbers_are_none_of_groups(
    tmp_path, ids, site
):
    table = "\n".join(["participant_id", *ids.split(), ""])
    assert guess_people(source(tmp_path, participants=table)).site == site


def test_without_a_table_of_participants_a_command_that_makes_one_is_told(tmp_path):
    folder = source(tmp_path, "*/anat/*_T2w.nii.gz")
    (folder / "participants.tsv").unlink()
    with pytest.raises(StudyError, match="no table of participants") as raised:
        guess_people(folder)
    assert "ls -d sub-*) > participants.tsv" in raised.value.hint


@pytest.mark.parametrize("name", [*trees.LISTS, *trees.PUBLISHED])
def test_of_the_true_sources_the_guess_is_what_the_full_study_says(tmp_path, name):
    if not trees.TREES.is_dir():
        pytest.skip("no file lists of the true sources: ../shared/real-trees is not there")
    datasets = load_study(REPOSITORY, "full").datasets.values()
    told: Dataset = next(one for one in datasets if one.path == f"inputs/{name}")
    folder = trees.put_files(tmp_path / name, trees.every(10, trees.tree_of(name)))
    best, people = guess(folder).best, guess_people(folder)
    assert (best.labels, best.mask, best.session) == (told.labels, told.mask, told.session)
    assert set(best.images) == set(told.images)
    assert people.site == told.site
    assert people.said == told.columns.model_dump(exclude_unset=True)
    shutil.rmtree(folder)
