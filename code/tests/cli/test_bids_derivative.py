"""A test set's masks as a BIDS derivative: valid, on the images' grids, told of by the records."""

import json

import nibabel as nib
import numpy as np

from helpers import digests, git, run, study

COMMAND = ("--study", "tiny", "bids-derivative", "--testset", "epi", "--out")
PREDICTIONS = "derivatives/tiny/predictions/general/epi"


def test_the_masks_are_a_valid_derivative_of_their_source(tiny, tmp_path):
    study(tiny, *COMMAND, tmp_path / "masks")
    done = run("bids-validator-deno", "--format", "json", "masks", cwd=tmp_path, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    masks = sorted((tmp_path / "masks").rglob("*_label-SC_mask.nii.gz"))
    preds = sorted((tiny / PREDICTIONS).iterdir())
    assert masks and len(masks) == len(preds)
    for mask, pred in zip(masks, preds, strict=True):
        told = json.loads(mask.with_name(mask.name.replace(".nii.gz", ".json")).read_text())
        image = nib.load(tiny / "inputs/tiny-epi" / told["SpatialReference"].split(":")[2])
        made = nib.load(mask)
        assert np.array_equal(made.affine, image.affine) and made.shape == image.shape
        assert np.asarray(made.dataobj).sum() == np.asarray(nib.load(pred).dataobj).sum()
        [how] = told["GeneratedBy"]
        commit = git(tiny, "log", "-1", "--format=%H", "--", f"{PREDICTIONS}/{pred.name}")
        assert how["Commit"] == commit and how["Weights"][0]["Key"].startswith("SHA256E-")
    description = json.loads((tmp_path / "masks/dataset_description.json").read_text())
    pin = git(tiny, "rev-parse", "HEAD:inputs/tiny-epi")
    assert description["SourceDatasets"][0]["Version"] == pin
    study(tiny, *COMMAND, tmp_path / "again")
    first, again = digests(tmp_path / "masks"), digests(tmp_path / "again")
    assert list(first.values()) == list(again.values()), "the same bytes again"
    refused = study(tiny, *COMMAND, tmp_path / "again", check=False)
    assert refused.returncode == 1 and "it is not empty" in refused.stderr


def test_what_is_not_here_is_one_error_that_says_how_to_get_it(tiny, tmp_path):
    git(tmp_path, "clone", "-q", f"file://{tiny}", "clone")
    told = study(tmp_path / "clone", *COMMAND, tmp_path / "masks", check=False)
    assert told.returncode == 1 and f"hint: datalad get {PREDICTIONS}\n" in told.stderr
    wrong = study(tmp_path / "clone", *COMMAND, tmp_path / "masks", "--model", "x", check=False)
    assert wrong.returncode == 1 and "no model 'x'" in wrong.stderr
    assert not (tmp_path / "masks").exists()
