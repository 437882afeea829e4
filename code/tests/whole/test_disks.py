"""Steps on disks that are full or for reading only, and in folders that hold others' files.

No step leaves half a result, or removes what it did not write.
"""

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import machine_fault
from cordstudy.base.tables import write_file
from helpers import digests, run

RAW = "derivatives/tiny/nnunet-raw"
MODEL = "models/tiny/inspired/Dataset502_inspired/nnUNetTrainerRepeatable__nnUNetPlans__3d_fullres"
TRAIN = (
    *("--configuration", "3d_fullres", "--fold", "0", "--seed", "0", "--epochs", "1"),
    *("--iterations", "1", "--validations", "1", "--identical", "anywhere"),
)


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own with little room; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.getuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]).returncode
    ):
        pytest.skip("a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def writing(step: str, out: Path) -> tuple[str, ...]:
    """A step command that writes more than there is room for."""
    if step == "convert":
        rules, split = "code/studies/tiny/inspired.json", "derivatives/tiny/splits/inspired.tsv"
        return ("convert", rules, "--split", split, "--out", str(out / "raw"))
    if step == "train":
        return ("train", f"{RAW}/Dataset502_inspired", MODEL, "--out", str(out / "fold_0"), *TRAIN)
    return (
        "predict",
        MODEL,
        f"{RAW}/Dataset502_inspired",
        "--out",
        str(out / "masks"),
        "--fold",
        "0",
        "--tile-step",
        "1",
        "--identical",
        "anywhere",
    )


@pytest.mark.parametrize("step", ["convert", "train", "predict"])
def test_a_full_disk_is_told_as_such_in_one_line_and_nothing_broken_is_left_as_a_result(
    tiny, small_disk, step
):
    (small_disk / "filling").write_bytes(bytes(60 << 10))
    failed = run(tiny / "code/study", *writing(step, small_disk), cwd=tiny, check=False)
    lines = failed.stderr.splitlines()
    assert failed.returncode == 1 and [line.partition(":")[0] for line in lines] == [
        "error",
        "hint",
    ], failed.stderr
    assert (
        "the disk is full" in lines[0] and str(small_disk) in lines[0] and "make room" in lines[1]
    )
    left = [path for path in small_disk.rglob("*") if path.is_file()]
    masks = [path for path in left if path.name.endswith(".nii.gz")]
    for mask in masks:
        assert step == "predict" and nib.load(mask).get_fdata().size, "a mask that fitted is whole"
    others = {path.name for path in left if path not in masks}
    assert others <= {"filling", "plans.json", "dataset.json"}, "no part of a file, no temporary"


def test_a_disk_that_is_full_for_preprocessed_arrays_is_told_and_leaves_no_half_of_them(
    tiny, small_disk, tmp_path
):
    out = writing("train", tmp_path)
    failed = run(tiny / "code/study", *out, cwd=tiny, check=False, CORDSTUDY_CACHE=str(small_disk))
    assert failed.returncode == 1 and failed.stderr.startswith(f"error: {small_disk}"), (
        failed.stderr
    )
    assert not list((small_disk / "preprocessed").iterdir())


def test_a_file_above_a_users_limit_and_a_disk_for_reading_only_are_told(tiny, small_disk):
    words = [
        "sh",
        "-c",
        'ulimit -f 4; exec "$@"',
        "sh",
        str(tiny / "code/study"),
        *writing("convert", tiny / "other"),
    ]
    failed = run(*words, cwd=tiny, check=False)
    assert (
        failed.returncode == 1
        and "error: " in failed.stderr
        and "larger than may be written" in failed.stderr
    )
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    failed = run(tiny / "code/study", *writing("convert", small_disk), cwd=tiny, check=False)
    assert (
        failed.returncode == 1
        and f"error: {small_disk}" in failed.stderr
        and "for reading only" in failed.stderr
    )


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG]
)
def test_a_fault_of_the_machine_is_found_behind_what_a_library_made_of_it(number):
    try:
        try:
            raise OSError(number, os.strerror(number), "/data/x")
        except OSError as error:
            raise RuntimeError("unexpected pos") from error
    except RuntimeError as error:
        told = machine_fault(error, ["study", "train"])
    assert str(told).startswith("/data/x: ") and told.hint
    assert machine_fault(ValueError("a fault of ours"), ["study"]) is None
    assert machine_fault(FileNotFoundError(errno.ENOENT, "none", "x"), ["study"]) is None


def strangers(step: str, tmp_path: Path) -> Path:
    """Somebody's file where a step is told to write."""
    below = {
        "train": "fold_0/checkpoint_final_mine.pth",
        "predict": "masks/inspired/sub-01_mine.nii.gz",
    }
    path = tmp_path / below.get(step, "raw/imagesTr/mine_0000.nii.gz")
    write_file(path, "somebody's work")
    return path


@pytest.mark.parametrize("step", ["convert", "merge", "train", "predict"])
def test_a_step_removes_nothing_that_it_did_not_write(tiny, tmp_path, step):
    path = strangers(step, tmp_path)
    words = writing(step, tmp_path)
    if step == "merge":
        words = (
            "merge",
            f"{RAW}/Dataset502_inspired",
            f"{RAW}/Dataset504_canproco",
            "--out",
            str(tmp_path / "raw"),
        )
    failed = run(tiny / "code/study", *words, cwd=tiny, check=False)
    assert (
        failed.returncode == 1 and "will not remove" in failed.stderr and path.name in failed.stderr
    )
    assert path.read_text() == "somebody's work" and [
        p for p in tmp_path.rglob("*") if p.is_file()
    ] == [path]


def test_a_raw_dataset_that_is_not_named_as_one_is_no_reason_to_empty_a_folder(tiny, tmp_path):
    shutil.copytree(tiny / RAW / "Dataset502_inspired", tmp_path / "mine")
    write_file(tmp_path / "masks/notes.txt", "somebody's work")
    words = list(writing("predict", tmp_path))
    words[2] = str(tmp_path / "mine")
    failed = run(tiny / "code/study", *words, cwd=tiny, check=False)
    assert failed.returncode == 1 and "no raw dataset" in failed.stderr
    assert (tmp_path / "masks/notes.txt").exists()


def test_a_step_replaces_what_it_wrote_before_and_writes_through_no_link(tiny, tmp_path):
    words = writing("convert", tmp_path)
    run(tiny / "code/study", *words, cwd=tiny)
    before = digests(tmp_path / "raw")
    run(tiny / "code/study", *words, cwd=tiny)
    assert digests(tmp_path / "raw") == before and [path.name for path in tmp_path.iterdir()] == [
        "raw"
    ]
    (tmp_path / "shared").write_text("shared")
    (tmp_path / "link").symlink_to("shared")
    write_file(tmp_path / "link", "own")
    assert (tmp_path / "shared").read_text() == "shared" and not (tmp_path / "link").is_symlink()


def test_segment_replaces_a_mask_and_writes_through_no_link(tiny, tmp_path):
    voxels = np.random.default_rng(1).integers(0, 900, (16, 16, 16)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "x.nii.gz")
    (tmp_path / "shared").write_text("shared")
    (tmp_path / "x_seg.nii.gz").symlink_to("shared")
    told = run(
        tiny / "code/study",
        "--study",
        "tiny",
        "segment",
        "--force",
        tmp_path / "x.nii.gz",
        "--out",
        tmp_path,
        cwd=tiny,
    )
    made = np.asarray(nib.load(tmp_path / "x_seg.nii.gz").dataobj)
    assert made.shape == (16, 16, 16)
    assert (tmp_path / "shared").read_text() == "shared"
    sidecar = json.loads((tmp_path / "x_seg.json").read_text())
    assert (
        sidecar["Empty"]
        == (not made.any())
        == ("nothing of the spinal cord was found" in told.stderr)
    )
    assert sidecar["Sources"] == ["x.nii.gz"] and len(sidecar["GeneratedBy"]) == 2
