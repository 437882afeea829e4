"""Finding cases in sources that are laid out in one way or another."""

from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.finding import find_cases, unnamed_images
from cordstudy.pipeline.sources.rules import Rules


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


def rules(**changes: object) -> Rules:
    """The rules of that source."""
    values = {
        "name": "x",
        "path": "inputs/x",
        "role": "test",
        "images": ["anat/T2w"],
        "labels": "derivatives/labels",
        "mask": "{stem}_seg-manual",
    }
    return Rules.model_validate(values | changes)


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
    image, mask = files
    assert [case.image for case in cases] == [f"inputs/x/{image}"]
    assert [case.mask for case in cases] == [f"inputs/x/{mask}"]
    assert [item.participant_id for item in left_out] == ["sub-b2"]
    assert [item.reason for item in left_out] == ["no image"]


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
