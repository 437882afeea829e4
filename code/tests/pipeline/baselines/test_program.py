"""A program of others as a baseline: it is called as told, and what it does wrong is told."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.baselines.program import command
from cordstudy.pipeline.raw.names import image_path

COMMAND = "fake_deepseg spinalcord -i {image} -o {mask}"
COPIES = '[ "$1" = spinalcord ] && [ "$2" = -i ] && [ "$4" = -o ] && cp "$3" "$5"'


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw dataset of one image to test on, which is a soft mask itself."""
    folder = tmp_path / "Dataset501_x"
    voxels = np.zeros((6, 5, 4), np.float32)
    voxels[2:4], voxels[4] = 1, 0.25
    image = folder / image_path("test", "x_1")
    image.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1, 1, 1])), image)
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts an executable script of that content on the PATH."""

    def install(script: str) -> None:
        path = tmp_path / "bin/fake_deepseg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return install


def run(raw: Path, told: str = COMMAND, version: str | None = None) -> Path:
    out = raw.parent / "out"
    arguments = [str(raw), "--out", str(out), "--command", told]
    if version is not None:
        arguments += ["--version-command", version]
    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return out / "x/x_1.nii.gz"


def test_it_gets_image_and_mask_and_its_mask_is_cut_to_0_and_1(raw, program):
    program(COPIES)
    mask = nib.load(run(raw))
    image = nib.load(raw / image_path("test", "x_1"))
    assert np.array_equal(np.asarray(mask.dataobj), image.get_fdata() > 0.5)
    assert mask.get_data_dtype() == np.uint8 and np.allclose(mask.affine, image.affine)


def test_the_settings_of_this_studys_python_are_kept_from_it(raw, program, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    program(f'[ -z "$PYTHONPATH" ] && {COPIES}')
    assert run(raw).is_file()


def test_a_program_that_is_not_installed_is_told_and_nothing_is_removed(raw):
    kept = raw.parent / "out/x/x_1.nii.gz"
    kept.parent.mkdir(parents=True)
    kept.write_text("from before")
    with pytest.raises(StudyError, match="fake_deepseg: there is no such program") as raised:
        run(raw)
    assert "\n" not in str(raised.value) and kept.read_text() == "from before"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no model; exit 3", "fake_deepseg: ended with 3 on .*x_1_0000.nii.gz: no model"),
        ("exit 0", "fake_deepseg: it wrote no mask of .*x_1_0000.nii.gz"),
        (
            'cp "$(dirname "$0")/other.nii.gz" "$5"',
            "program's mask is on another grid",
        ),
    ],
)
def test_a_program_that_fails_is_told_with_the_image(raw, program, script, said):
    program(script)
    other = nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.eye(4))
    nib.save(other, raw.parent / "bin/other.nii.gz")
    with pytest.raises(StudyError, match=said):
        run(raw)


VERSION = "fake_deepseg --version"
SAYS = '[ "$1" = --version ] && printf "fake 6.5 \\nmodel 3\\n\\n" >&2 && exit'


@pytest.mark.parametrize(("asked", "said"), [(VERSION, "fake 6.5\nmodel 3"), (None, "n/a")])
def test_what_the_program_says_of_its_version_is_kept_beside_its_masks(raw, program, asked, said):
    program(f"{SAYS}\n{COPIES}")
    path = run(raw, version=asked).parent.parent / "program.json"
    first = path.read_bytes()
    told = {"command": COMMAND, "version_command": asked, "version": said}
    assert json.loads(first) == told
    run(raw, version=asked)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("script", "asked", "said"),
    [
        ("echo no such option >&2; exit 2", VERSION, "fake_deepseg: ended with 2: no such option"),
        ("exit 0", VERSION, "fake_deepseg: it says nothing of its version"),
        ("echo ' '", VERSION, "fake_deepseg: it says nothing of its version"),
        (COPIES, "not_there -v", "not_there: there is no such program"),
        (COPIES, "", "the command: there is no such program"),
    ],
)
def test_a_version_that_cannot_be_had_is_told_and_nothing_is_removed(
    raw, program, script, asked, said
):
    program(script)
    kept = raw.parent / "out/x/x_1.nii.gz"
    kept.parent.mkdir(parents=True)
    kept.write_text("from before")
    with pytest.raises(StudyError, match=said):
        run(raw, version=asked)
    assert kept.read_text() == "from before"
