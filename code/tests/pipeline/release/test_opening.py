"""A release from anywhere: opened as a model, or refused before anything of it runs."""

import json
import os
import pickle
import runpy
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from cordstudy.base.errors import StudyError
from cordstudy.cli.segment import masks_of
from cordstudy.pipeline.learning.predictor import predict_files
from cordstudy.pipeline.release.archive import checksums, write_zip
from cordstudy.study.loading import load_study
from helpers import REPOSITORY, git, run
from released import STOCK, opened, refused, seal

WEIGHTS = "fold_0/checkpoint_final.pth"


class Planted:
    """What writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def planted(path: Path, mark: Path, how: str) -> None:
    """Put a pickle in place of a checkpoint that would make a folder."""
    if how == "plain":
        path.write_bytes(pickle.dumps(Planted(mark)))
        return
    checkpoint = torch.load(path, weights_only=True) if how == "beside" else {}
    torch.save(checkpoint | {"planted": Planted(mark)}, path)


@pytest.mark.parametrize(
    ("how", "form"), [("plain", "folder"), ("beside", "zip"), ("alone", "zip")]
)
def test_a_checkpoint_that_would_write_a_file_is_refused_before_it_runs(
    folder, tmp_path, how, form
):
    mark = tmp_path / "mark"
    planted(folder / WEIGHTS, mark, how)
    seal(folder)
    given = folder
    if form == "zip":
        given = tmp_path / "it.zip"
        write_zip(given, folder, below=f"Dataset601_general/{folder.name}")
    image = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(1).random((20, 20, 10)), np.eye(4)), image)
    words = ["segment", "--model", given, "--out", tmp_path / "masks", image]
    done = run(REPOSITORY / "code/study", *words, cwd=tmp_path, check=False)
    assert done.returncode == 1 and "more than weights" in done.stderr
    assert not mark.exists() and not list(tmp_path.glob("masks/*"))


def test_all_forms_of_a_release_hold_the_same_network(release, tmp_path):
    forms = {
        release: "SHA256SUMS",
        release / "phantom-general": "SHA256SUMS",
        release / "phantom-general.zip": str(release / "SHA256SUMS"),
        release / "phantom-general.safetensors": str(release / "SHA256SUMS"),
    }
    states = []
    for given, checked_by in forms.items():
        with opened(given) as model:
            assert (model.name, model.version) == ("phantom-general", "1.0.0")
            assert (model.folds, model.tile_step) == ((0,), 0.5)
            assert model.checked_by == checked_by and len(model.sha256) == 64
            states.append(torch.load(model.folder / WEIGHTS, weights_only=True))
    for state in states[1:]:
        weights = state["network_weights"]
        assert weights.keys() == states[0]["network_weights"].keys()
        for name, tensor in states[0]["network_weights"].items():
            assert torch.equal(weights[name], tensor)
        assert state["init_args"]["configuration"] == "3d_fullres"
        axes = "inference_allowed_mirroring_axes"
        assert list(state[axes]) == list(states[0][axes])


def test_the_loader_of_a_release_gives_the_network_that_nnunet_makes(release, tmp_path):
    load = runpy.run_path(str(release / "load.py"))
    network = load["network"](release / "phantom-general.safetensors")
    run(
        "python",
        "-P",
        release / "load.py",
        release / "phantom-general.safetensors",
        "model",
        cwd=tmp_path,
    )
    image = tmp_path / "image.nii.gz"
    voxels = np.random.default_rng(2).random((30, 30, 20)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.diag([1.5, 1.5, 2.5, 1])), image)
    masks = []
    for number, folder in enumerate((release / STOCK, tmp_path / "model")):
        output = tmp_path / f"{number}.nii.gz"
        predict_files([folder], [image], [[output]], folds=[0], mirror_axes=[], tile_step=1.0)
        masks.append(output.read_bytes())
    assert masks[0] == masks[1]
    with torch.inference_mode():
        logits = network(torch.zeros(1, 1, 16, 40, 40))
    assert logits.shape == (1, 2, 16, 40, 40)


def change(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("name", ["plans.json", WEIGHTS, "postprocessing.json"])
def test_a_file_that_is_not_as_its_checksum_says_is_named(folder, tmp_path, name):
    change(folder, name)
    assert f"{name} is not as SHA256SUMS says" in refused(folder)
    write_zip(tmp_path / "it.zip", folder, below=f"Dataset601_general/{folder.name}")
    assert f"{name} is not as SHA256SUMS says" in refused(tmp_path / "it.zip")


def test_what_is_there_besides_or_is_not_there_is_named(folder):
    (folder / "fold_1").mkdir()
    shutil.copy(folder / WEIGHTS, folder / "fold_1")
    assert "fold_1/checkpoint_final.pth is none of the files of SHA256SUMS" in refused(folder)
    shutil.rmtree(folder / "fold_1")
    for name in ("dataset.json", "inference.json", "postprocessing.json", WEIGHTS):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert f"{name} is told of in SHA256SUMS and is not there" in refused(folder)
        (folder / name).symlink_to("../.git/annex/objects/SHA256E-s1--0/SHA256E-s1--0")
        assert "its content is not here" in refused(folder)
        (folder / name).unlink()
        (folder / name).write_bytes(content)
    with opened(folder):
        pass


def test_checksums_that_do_not_tell_of_all_that_is_read_are_no_check(folder, release, tmp_path):
    sums = folder / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if not line.endswith("  plans.json\n")))
    assert "plans.json is none of the files of SHA256SUMS" in refused(folder)
    sums.write_text(lines[0] + "".join(lines))
    assert "stands there twice" in refused(folder)
    alone = shutil.copy(release / "phantom-general.zip", tmp_path)
    with opened(Path(alone)) as model:
        assert model.checked_by == "", "its own list came with it"


def test_checksums_in_other_forms_of_sha256sum_are_read(release, tmp_path):
    given = Path(shutil.copy(release / "phantom-general.zip", tmp_path))
    digest = run("sha256sum", "-b", given.name, cwd=tmp_path).stdout.split()[0]
    (tmp_path / "SHA256SUMS").write_text(f"{digest.upper()} *{given.name}\n")
    with opened(given) as model:
        assert model.checked_by == str(tmp_path / "SHA256SUMS")


def test_content_that_is_not_here_is_told_with_the_way_to_get_it(tmp_path):
    given = tmp_path / "it.zip"
    given.symlink_to("../.git/annex/objects/SHA256E-s1--0/SHA256E-s1--0")
    with pytest.raises(StudyError, match="its content is not here") as raised, opened(given):
        pass
    assert raised.value.hint.startswith("datalad get")


@pytest.mark.parametrize("name", ["phantom-general.zip", "phantom-general.safetensors"])
def test_a_file_that_has_another_checksum_is_refused(release, tmp_path, name):
    given = tmp_path / name
    content = bytearray((release / name).read_bytes())
    content[len(content) // 2] ^= 1
    given.write_bytes(content)
    shutil.copy(release / "SHA256SUMS", tmp_path)
    assert "SHA256SUMS says" in refused(given)
    assert "--sha256 says" in refused(release / name, expected="0" * 64)
    with opened(release / name, expected=checksums(release).split(f"  {name}")[0][-64:]) as model:
        assert model.checked_by


def test_a_file_cut_short_is_one_error(release, tmp_path):
    for name in ("phantom-general.zip", "phantom-general.safetensors"):
        (tmp_path / name).write_bytes((release / name).read_bytes()[:-5000])
        assert name in refused(tmp_path / name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../elsewhere"),
        ("name", ".."),
        ("name", ""),
        ("tile_step", 1e-9),
        ("tile_step", 2.0),
        ("folds", [-1]),
        ("folds", ["../0"]),
    ],
)
def test_what_a_release_tells_of_itself_leads_nowhere_else(folder, key, value):
    path = folder / "inference.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    seal(folder)
    assert f"inference.json: {key}" in refused(folder)


SIGNED = """\
tree {tree}
author x <x@x> 1 +0000
committer x <x@x> 1 +0000
gpgsig -----BEGIN PGP SIGNATURE-----
 x
 -----END PGP SIGNATURE-----

x
"""


def test_a_repository_around_a_release_runs_nothing(release, tmp_path):
    mark, program = tmp_path / "mark", tmp_path / "program"
    program.write_text(f"#!/bin/sh\nmkdir {mark}\n")
    program.chmod(0o755)
    around = tmp_path / "around"
    shutil.copytree(release, around / "release")
    git(around, "init", "-q")
    git(around, "add", ".")
    signed = SIGNED.format(tree=git(around, "write-tree").strip())
    (tmp_path / "commit").write_text(signed)
    commit = git(around, "hash-object", "-t", "commit", "-w", tmp_path / "commit").strip()
    git(around, "update-ref", "HEAD", commit)
    git(around, "config", "log.showSignature", "true")
    git(around, "config", "gpg.program", program)
    study = load_study(REPOSITORY, "phantom")
    with pytest.raises(StudyError, match=r"image\.nii"):
        masks_of(study, [tmp_path / "image.nii"], [str(around / "release")], tmp_path / "masks")
    assert not mark.exists()


@pytest.mark.parametrize("digest", ["", "0" * 63, "sha256:" + "0" * 64])
def test_a_checksum_that_is_none_is_refused_and_never_taken_for_none_given(tmp_path, digest):
    words = ["segment", "--model", "x.zip", "--sha256", digest, "--out", "masks", "image.nii"]
    done = run(REPOSITORY / "code/study", *words, cwd=tmp_path, check=False)
    assert done.returncode == 2 and "no SHA-256" in done.stderr
