"""What a source must not be: one clear error each, with path and fault, and nothing written.

One small source is damaged in one way a test, then divided and converted by the functions of the
real step commands; the source is as it was damaged, and so is what was converted before.
"""

import gzip
import os

import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from damages import (
    DEEP,
    LONG,
    MIRRORED,
    SHIFTED,
    affine,
    as_folder,
    content,
    gone,
    header,
    put,
    rgb,
    stranger,
    text,
    twice,
    voxels,
)
from helpers import REPOSITORY, run
from small_source import (
    FOLLOW,
    IMAGE,
    MASK,
    PARTICIPANTS,
    SIDECAR,
    SOURCE,
    TOML,
    add,
    refused,
    steps,
)

DAMAGES = {
    # NIfTI: the file, its header, its voxels
    "truncated image": (
        content(IMAGE, lambda b: b[: len(b) // 2]),
        IMAGE,
        "cannot be read as NIfTI",
    ),
    "flipped bit": (
        content(IMAGE, lambda b: b[:-200] + bytes([b[-200] ^ 8]) + b[-199:]),
        IMAGE,
        "cannot be read",
    ),
    "no NIfTI": (
        content(IMAGE, lambda _: gzip.compress(b"no image" * 99)),
        IMAGE,
        "cannot be read as NIfTI",
    ),
    "empty file": (content(IMAGE, lambda _: b""), IMAGE, "cannot be read as NIfTI"),
    "header of a larger image": (header(IMAGE, 42, "<h", 900), IMAGE, "cannot be read as NIfTI"),
    "four dimensions": (
        voxels(lambda a: np.stack([a, a], -1)),
        IMAGE,
        "4 dimensions (9, 8, 7, 2), needed are 3",
    ),
    "two dimensions": (voxels(lambda a: a[:, :, 0]), IMAGE, "2 dimensions (9, 8), needed are 3"),
    "complex voxels": (
        voxels(lambda a: a.astype(np.complex64)),
        IMAGE,
        "complex voxels (complex64)",
    ),
    "RGB voxels": (voxels(rgb), IMAGE, "RGB voxels"),
    "NaN": (voxels(put((3, 4, 5), np.nan)), IMAGE, "1 voxels are NaN"),
    "infinity": (voxels(put((3, 4, 5), -np.inf)), IMAGE, "1 voxels are infinite"),
    "sform against qform": (
        header(IMAGE, 268, "<f", 3.5),
        IMAGE,
        "sform and qform disagree by up to 3.5 voxels",
    ),
    "flat affine": (header(IMAGE, 280, "<f", 0), IMAGE, "the affine cannot be inverted"),
    "folder in an image's place": (as_folder(IMAGE), IMAGE, "no file, but a folder"),
    # masks
    "folder in a mask's place": (as_folder(MASK), MASK, "no file, but a folder"),
    "empty mask": (voxels(lambda a: a * 0, MASK), MASK, "the mask is empty at 0.5"),
    "faint mask": (voxels(lambda a: a * np.float32(0.4), MASK), MASK, "the mask is empty at 0.5"),
    "map of labels": (
        voxels(lambda a: (a * a.cumsum(2)).astype(np.uint8), MASK),
        MASK,
        "labels or percent, not a mask",
    ),
    "NaN in a mask": (voxels(put((0, 0, 0), np.nan), MASK), MASK, "1 voxels are NaN"),
    "cropped mask": (
        voxels(lambda a: a[:-1], MASK),
        MASK,
        "not on the image's grid: (8, 8, 7) voxels of (1.000",
    ),
    "shifted mask": (
        affine(lambda a: a + SHIFTED),
        MASK,
        "from (8.000, 2.500, 0.000) mm, the image",
    ),
    "mirrored mask": (
        affine(lambda a: MIRRORED @ a),
        MASK,
        "left and right are exchanged: its axes are LAS",
    ),
    # the tree
    "mask without image": (
        gone(IMAGE),
        MASK,
        "this mask has no image inputs/source/sub-a1/anat/sub-a1_T2w.nii.gz",
    ),
    "folder without row": (stranger, PARTICIPANTS, "no row for sub-c3, which has images"),
    "no participants.tsv": (gone(PARTICIPANTS), PARTICIPANTS, "there is no "),
    # participants.tsv
    "participant twice": (
        text(PARTICIPANTS, lambda t: t + t.splitlines()[1] + "\n"),
        PARTICIPANTS,
        "line 6: sub-a1 stands there twice",
    ),
    "no id column": (
        text(PARTICIPANTS, lambda t: t.replace("participant_id", "id")),
        PARTICIPANTS,
        "no column 'participant_id'",
    ),
    "no id": (
        text(PARTICIPANTS, lambda t: t.replace("sub-a1", "a1")),
        PARTICIPANTS,
        "line 2: 'a1' is no participant's id",
    ),
    "ragged row": (
        text(PARTICIPANTS, lambda t: t.replace("Siemens\tHC", "Siemens", 1)),
        PARTICIPANTS,
        "line 2: 4 cells, the header has 5",
    ),
    "exchanged columns": (
        text(PARTICIPANTS, lambda t: t.replace("F\t30", "30\tF")),
        PARTICIPANTS,
        "line 2: the column 'sex', read as sex, holds '30'",
    ),
    "no text": (content(PARTICIPANTS, lambda b: b"\xff\xfe" + b), PARTICIPANTS, "no UTF-8 text"),
    "cell of 300 kB": (
        text(PARTICIPANTS, lambda t: t.replace("HC", "x" * 300_000, 1)),
        PARTICIPANTS,
        "line 2: no table: field",
    ),
    "NUL in a cell": (
        text(PARTICIPANTS, lambda t: t.replace("HC", "H\0C", 1)),
        PARTICIPANTS,
        "it holds NUL",
    ),
    "folder in the table's place": (as_folder(PARTICIPANTS), PARTICIPANTS, "no file, but a folder"),
    # sidecars
    "brackets in brackets": (
        text(SIDECAR, lambda _: DEEP),
        SIDECAR,
        "not JSON: brackets in brackets",
    ),
    "number of 5,000 digits": (
        text(SIDECAR, lambda _: LONG),
        SIDECAR,
        "not JSON: Exceeds the limit",
    ),
    "NUL in a sidecar": (
        text(SIDECAR, lambda _: '{"Author": "\\u0000"}'),
        SIDECAR,
        "not JSON: it holds NUL",
    ),
    "half a character": (
        text(SIDECAR, lambda _: '{"Author": "\\ud800"}'),
        SIDECAR,
        "not JSON: 'utf-8' codec",
    ),
    "folder in a sidecar's place": (as_folder(SIDECAR), SIDECAR, "no file, but a folder"),
    "sidecar that is not JSON": (
        text(SIDECAR, lambda t: t.replace('"Name":', "Name:")),
        SIDECAR,
        "not JSON",
    ),
    "sidecar of another form": (
        text(SIDECAR, lambda _: '{"GeneratedBy": "me"}'),
        SIDECAR,
        "GeneratedBy is not a list",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_source_is_one_error_with_path_and_fault_and_changes_nothing(converted, name):
    damage, path, said = DAMAGES[name]
    damage(converted / SOURCE)
    error = str(refused(converted, TOML))
    assert said in error and f"{SOURCE}/{path}" in error


@pytest.mark.parametrize("path", [IMAGE, MASK, SIDECAR, PARTICIPANTS, "exclude.yml"])
def test_a_pipe_in_a_files_place_is_refused_and_not_waited_for(one_source, path):
    (one_source / SOURCE / path).unlink()
    os.mkfifo(one_source / SOURCE / path)
    with pytest.raises(StudyError, match=f"{path}.*pipe|there is no .*{path}"):
        steps(one_source, add(FOLLOW % "motion")(TOML))


def test_two_images_for_one_rule_are_an_error(one_source):
    twice(one_source / SOURCE)
    with pytest.raises(StudyError, match="the rule anat/acq-x_run-1_T2w matches"):
        steps(one_source, TOML.replace("anat/T2w", "anat/acq-x_run-1_T2w"))


def test_a_sidecar_that_is_not_json_passes_where_the_study_says_who_made_such_masks(one_source):
    text(SIDECAR, lambda t: t.replace('"Name":', "Name:"))(one_source / SOURCE)
    steps(one_source, add('broken_sidecars = "model"')(TOML))
    assert "\tmodel\t" in (one_source / "raw/cases.tsv").read_text()


def test_all_cases_that_cannot_be_converted_are_told_at_once(one_source):
    for path in (MASK, MASK.replace("sub-a1", "sub-b2")):
        voxels(lambda a: a * 0, path)(one_source / SOURCE)
    with pytest.raises(StudyError) as raised:
        steps(one_source)
    error = str(raised.value)
    assert error.startswith("2 cases cannot be converted:\n")
    assert "sub-a1" in error and "sub-b2" in error


def test_a_step_command_ends_with_one_error_and_exit_code_1(one_source):
    steps(one_source)
    gone(IMAGE)(one_source / SOURCE)
    arguments = ["rules.json", "--split", "splits/small.tsv", "--out", "raw"]
    failed = run(REPOSITORY / "code/study", "convert", *arguments, cwd=one_source, check=False)
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert [line.partition(":")[0] for line in failed.stderr.splitlines()] == ["error", "hint"]
