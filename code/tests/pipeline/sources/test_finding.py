"""Finding cases in sources that are laid out in one way or another."""

import os

import pytest

from bare_source import PLACE, pair, rules, write_files
from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.finding import find_cases

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
    write_files(tmp_path, files)
    cases, left_out = find_cases(tmp_path, rules(**changes))
    image, mask = files
    assert [case.image for case in cases] == [f"inputs/x/{image}"]
    assert [case.mask for case in cases] == [f"inputs/x/{mask}"]
    assert [item.participant_id for item in left_out] == ["sub-b2"]
    assert [item.reason for item in left_out] == ["no image"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_link_that_leaves_its_source_is_refused_when_cases_are_found_with_no_content_here(
    tmp_path, number
):
    write_files(tmp_path, OLD)
    (tmp_path / "inputs/x" / OLD[number]).unlink()
    (tmp_path / "inputs/x" / OLD[number]).symlink_to("../../../../../private/x.nii.gz")
    with pytest.raises(StudyError, match=f"{OLD[number]}: it leads to .*, which leaves the source"):
        find_cases(tmp_path, rules(images=["anat/acq-MTon_MTS"]))


@pytest.mark.parametrize("other", ["acq-axial_T2w", "run-2_T2w", "copy_T2w", "T2w_T2w"])
def test_an_image_with_more_than_the_rule_says_is_another_and_told(tmp_path, other):
    write_files(tmp_path, [*pair("sub-a1_T2w"), f"sub-a1/anat/sub-a1_{other}.nii.gz"])
    cases, left_out = find_cases(tmp_path, rules())
    assert [case.case_id for case in cases] == ["x_sub-a1_T2w"]
    told = {item.contrast: (item.reason, item.source) for item in left_out}
    assert told == {
        "T2w": ("no image", "the tree"),
        other: ("no rule names it", "datasets.x.images"),
    }


def test_images_of_kinds_that_no_rule_asks_for_are_not_told(tmp_path):
    write_files(tmp_path, [*pair("sub-a1_T2w"), "sub-a1/anat/sub-a1_T1w.nii.gz"])
    _, left_out = find_cases(tmp_path, rules())
    assert [item.contrast for item in left_out] == ["T2w"]


ENDINGS = [".nii.gz", ".nii", ".NII.GZ", ".NII", ".Nii", ".nii.GZ"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mask_ending", ENDINGS)
def test_images_and_masks_are_found_packed_or_not_in_any_case(tmp_path, ending, mask_ending):
    files = pair("sub-a1_T2w", ending=ending, mask_ending=mask_ending)
    write_files(tmp_path, files)
    sidecar = files[1].removesuffix(mask_ending) + ".json"
    (tmp_path / PLACE / sidecar).write_text('{"GeneratedBy": [{"Name": "Manual"}]}')
    (case,), _ = find_cases(tmp_path, rules())
    assert [case.image, case.mask] == [f"{PLACE}/{path}" for path in files]
    assert case.case_id == "x_sub-a1_T2w"
    assert case.label_origin == "manual"
    assert case.image_key.endswith(f"b855{ending}"), "as SHA256E has it"
    assert case.mask_key.endswith(f"b855{mask_ending}")


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("ending", [".nii", ".NII.GZ"])
def test_a_file_that_is_there_with_two_endings_is_an_error_that_names_both(
    tmp_path, number, ending
):
    packed = pair("sub-a1_T2w")
    other = pair("sub-a1_T2w", ending=ending, mask_ending=ending)[number]
    write_files(tmp_path, [*packed, other])
    with pytest.raises(StudyError) as raised:
        find_cases(tmp_path, rules())
    for path in (packed[number], other):
        assert path.rpartition("/")[2] in str(raised.value)
    assert raised.value.hint.startswith("remove one of the two")


@pytest.mark.parametrize(
    "hidden",
    [
        "sub-a1/anat/._sub-a1_T2w.nii.gz",
        "sub-a1/anat/.sub-a1_T2w.nii",
        "sub-a1/._anat/sub-a1_T2w.nii.gz",
        "sub-a1/._ses-01/anat/sub-a1_ses-01_T2w.nii.gz",
        "derivatives/labels/sub-a1/anat/._sub-a1_T2w_seg-manual.nii.gz",
        "derivatives/labels/sub-a1/anat/._sub-a1_T2w_seg-manual.nii",
        "._sub-z9/anat/sub-z9_T2w.nii.gz",
        "._sub-a1",
        ".sub-c3/anat/sub-c3_T2w.nii.gz",
        "._participants.tsv",
        "sub-a1/.DS_Store",
    ],
)
def test_names_that_start_with_a_dot_are_not_of_a_source(tmp_path, hidden):
    write_files(tmp_path, [*pair("sub-a1_T2w"), hidden])
    cases, left_out = find_cases(tmp_path, rules())
    assert [case.image for case in cases] == [f"{PLACE}/sub-a1/anat/sub-a1_T2w.nii.gz"]
    assert [(item.participant_id, item.reason) for item in left_out] == [("sub-b2", "no image")]


MISFILED = {
    "another participant": ("sub-a1/anat/sub-b2_T2w.nii.gz", "'sub-b2'", "'sub-a1'"),
    "other case": ("sub-a1/anat/sub-A1_T2w.nii.gz", "'sub-A1'", "'sub-a1'"),
    "a blank": ("sub-a1/anat/sub-a1 _T2w.nii.gz", "'sub-a1 '", "'sub-a1'"),
    "two participants": ("sub-a1/anat/sub-a1_sub-b2_T2w.nii.gz", "'sub-b2'", "'sub-a1'"),
    "no participant": ("sub-a1/anat/T2w.nii.gz", "no participant", "'sub-a1'"),
    "another one's session": (
        "sub-a1/ses-01/anat/sub-b2_ses-01_T2w.nii",
        "'sub-b2'",
        "'sub-a1'",
    ),
    "another session": (
        "sub-a1/ses-01/anat/sub-a1_ses-02_T2w.nii.gz",
        "'ses-02'",
        "'ses-01'",
    ),
    "session in other case": (
        "sub-a1/ses-m0/anat/sub-a1_ses-M0_T2w.nii.gz",
        "'ses-M0'",
        "'ses-m0'",
    ),
    "session without its folder": (
        "sub-a1/anat/sub-a1_ses-02_T2w.nii.gz",
        "'ses-02'",
        "no folder of a session",
    ),
    "folder of a session alone": (
        "sub-a1/ses-01/anat/sub-a1_T2w.nii.gz",
        "no session",
        "'ses-01'",
    ),
}


@pytest.mark.parametrize("session", [None, "ses-01"])
@pytest.mark.parametrize("name", MISFILED)
def test_an_image_in_the_folder_of_another_is_an_error_that_names_both(tmp_path, name, session):
    path, named, lies = MISFILED[name]
    write_files(tmp_path, [path, *pair("sub-b2_T2w"), *pair("sub-b2_ses-01_T2w")])
    with pytest.raises(StudyError) as raised:
        find_cases(tmp_path, rules(session=session))
    message = str(raised.value)
    assert message.startswith(f"{PLACE}/{path}: it names {named} and lies in ")
    assert message.endswith(lies)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("session", "there", "reason"),
    [
        (None, "sub-a1_ses-01_T2w", "its session is ses-01, the rules have none"),
        ("ses-M0", "sub-a1_ses-M12_T2w", "its session is ses-M12, the rules have ses-M0"),
        ("ses-M0", "sub-a1_T2w", "it has no session, the rules have ses-M0"),
        (None, "sub-a1_ses-01_run-1_T2w", "no rule names it"),
        ("ses-M0", "sub-a1_run-1_T2w", "no rule names it"),
    ],
)
def test_images_of_other_sessions_are_told(tmp_path, session, there, reason):
    used = pair(f"sub-b2_{session}_T2w" if session else "sub-b2_T2w")
    other = pair(there)[0]
    write_files(tmp_path, [*used, other])
    cases, left_out = find_cases(tmp_path, rules(session=session))
    assert [case.image for case in cases] == [f"{PLACE}/{used[0]}"]
    last = left_out[-1]
    assert (last.image, last.reason) == (f"{PLACE}/{other}", reason)
    assert there.endswith(f"_{last.contrast}") and last.contrast.endswith("T2w")
    assert last.session == (
        "ses-" + there.split("ses-")[1].split("_")[0] if "ses-" in there else "n/a"
    )


SEEN = [
    (["sub-a1_run-1_T2w"], "no image; seen: sub-a1_run-1_T2w.nii.gz"),
    (["sub-a1_ses-01_T2w"], "no image; seen: sub-a1_ses-01_T2w.nii.gz"),
    (["sub-a1_t2w"], "no image; seen: sub-a1_t2w.nii.gz"),
    (
        ["sub-a1_run-1_T2w", "sub-a1_run-2_T2w"],
        "no image; seen: sub-a1_run-1_T2w.nii.gz, sub-a1_run-2_T2w.nii.gz",
    ),
    (
        [f"sub-a1_run-{n}_T2w" for n in range(5)],
        "no image; seen: sub-a1_run-0_T2w.nii.gz, sub-a1_run-1_T2w.nii.gz, "
        "sub-a1_run-2_T2w.nii.gz and 2 more",
    ),
    (["sub-a1_T1w"], "no image"),
    (["sub-b2_run-1_T2w"], "no image"),
]


@pytest.mark.parametrize(("there", "reason"), SEEN)
def test_where_there_is_no_image_what_was_seen_in_its_place_is_told(tmp_path, there, reason):
    files = [path for stem in there for path in pair(stem)]
    write_files(tmp_path, [*files, *pair("sub-b2_T2w")])
    _, left_out = find_cases(tmp_path, rules())
    told = {item.image: item.reason for item in left_out}
    assert told[f"{PLACE}/sub-a1/anat/sub-a1_T2w.nii.gz"] == reason


def test_an_image_that_another_rule_uses_is_not_seen_in_place_of_one(tmp_path):
    files = [*pair("sub-a1_mt-on_MTS"), *pair("sub-b2_mt-on_MTS"), *pair("sub-b2_mt-off_MTS")]
    write_files(tmp_path, files)
    images = ["anat/mt-on_MTS", "anat/mt-off_MTS"]
    _, left_out = find_cases(tmp_path, rules(images=images))
    assert [item.reason for item in left_out] == ["no image"]


@pytest.mark.parametrize(
    ("there", "seen"),
    [
        (["sub-a1_run-1_T2w"], "; seen: sub-a1_run-1_T2w.nii.gz"),
        (["sub-a1_ses-01_T2w"], "; seen: sub-a1_ses-01_T2w.nii.gz"),
        (["sub-a1_T1w"], ""),
    ],
)
def test_a_rule_without_any_image_is_an_error_that_says_what_was_seen(tmp_path, there, seen):
    write_files(tmp_path, [path for stem in there for path in pair(stem)])
    with pytest.raises(StudyError) as raised:
        find_cases(tmp_path, rules())
    said = f"inputs/x: no participant has an image anat/T2w.nii.gz{seen}"
    assert str(raised.value) == said


def test_a_mask_without_its_image_is_an_error_that_says_what_was_seen(tmp_path):
    write_files(tmp_path, [pair("sub-a1_T2w")[1], *pair("sub-a1_run-1_T2w"), *pair("sub-b2_T2w")])
    with pytest.raises(StudyError, match=r"this mask has no image .*; seen: sub-a1_run-1_T2w"):
        find_cases(tmp_path, rules())


@pytest.mark.parametrize("number", [0, 1])
def test_a_link_to_the_file_of_another_participant_is_refused(tmp_path, number):
    write_files(tmp_path, [*pair("sub-a1_T2w"), *pair("sub-b2_T2w")])
    own, other = (tmp_path / PLACE / pair(f"{name}_T2w")[number] for name in ("sub-a1", "sub-b2"))
    own.unlink()
    own.symlink_to(os.path.relpath(other, own.parent))
    with pytest.raises(StudyError, match="the file of another participant"):
        find_cases(tmp_path, rules())


def test_a_source_without_any_mask_is_refused(tmp_path):
    write_files(tmp_path, [pair("sub-a1_T2w")[0], pair("sub-b2_T2w")[0]])
    with pytest.raises(StudyError, match=r"no case is left: no mask \(2\)") as raised:
        find_cases(tmp_path, rules())
    assert "_seg-manual" in raised.value.hint


def test_masks_that_are_called_otherwise_are_named_where_none_fits(tmp_path):
    image = pair("sub-a1_T2w")[0]
    other = [
        "derivatives/labels/sub-a1/anat/sub-a1_T2w_seg.nii.gz",
        "derivatives/label/sub-a1/anat/sub-a1_T2w_seg-manual.nii.gz",
    ]
    write_files(tmp_path, [image, *other, pair("sub-b2_T2w")[0]])
    with pytest.raises(StudyError) as raised:
        find_cases(tmp_path, rules())
    mask = "derivatives/labels/sub-a1/anat/sub-a1_T2w_seg-manual.nii.gz"
    assert str(raised.value).endswith(f"; nearest to {mask}: {other[1]}, {other[0]}")
