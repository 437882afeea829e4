"""A release of the recorded general model: whole, the same each time, true to the tables."""

import csv
import json
import pickle
import re
import zipfile

import jsonschema
import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.learning.predictor import predicted
from cordstudy.pipeline.raw.grids import RPI, to_orientation
from cordstudy.pipeline.release.package import command
from helpers import REPOSITORY, digests, run
from released import EVALUATION, SOURCES, STOCK, arguments, packed

SCHEMA = REPOSITORY / "code/tests/schemas/meta_schema_20240725.json"


def test_it_is_the_same_when_it_is_made_again_and_its_checksums_hold(model, release):
    before = digests(release)
    packed(model, release)
    assert digests(release) == before
    run("sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS", cwd=release)
    run("sha256sum", "--strict", "--quiet", "-c", "SHA256SUMS", cwd=release / STOCK)
    listed = {line.split("  ", 1)[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    files = {str(path.relative_to(release)) for path in release.rglob("*") if path.is_file()}
    assert listed == files - {"SHA256SUMS"}


def test_the_archive_holds_what_stock_nnunet_leaves_out_and_no_time(model, release):
    with zipfile.ZipFile(release / "phantom-general.zip") as archive:
        below = "Dataset601_general/nnUNetTrainer__nnUNetPlans__3d_fullres/"
        names = {name.removeprefix(below) for name in archive.namelist()}
        wanted = {"splits_final.json", "fold_0/training_log.txt", "dataset_fingerprint.json"}
        assert wanted <= names and len(names) == len(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        held = archive.read(f"{below}fold_0/checkpoint_final.pth")
    assert held == (model / "fold_0/checkpoint_final.pth").read_bytes()


def test_the_pickle_for_stock_nnunet_names_its_own_function_alone(release):
    content = (release / STOCK / "postprocessing.pkl").read_bytes()
    functions, options = pickle.loads(content)
    assert [function.__module__ for function in functions] == [
        "nnunetv2.postprocessing.remove_connected_components"
    ]
    assert options == [{"labels_or_regions": [1]}]


def test_the_card_tells_what_the_tables_say(release):
    text = (release / "README.md").read_text()
    with (REPOSITORY / EVALUATION / "summary.tsv").open() as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["model"] == "general"]
    assert len(rows) == 6
    for row in rows:
        pattern = rf"\| {row['testset']} \|.* {float(row['dice']):.3f} \| [0-9.]+ to [0-9.]+ \|"
        pattern += rf" {float(row['dice_median']):.3f} \| {row['failed']} of {row['participants']} "
        assert re.search(pattern, text), row["testset"]
    with (release / "cases.tsv").open() as stream:
        cases = list(csv.DictReader(stream, delimiter="\t"))
    learned = [case for case in cases if case["fold"] != "0"]
    assert f"It was trained on {len(learned)} images" in text
    assert not {"sex", "age", "site"} & cases[0].keys()
    assert "has never seen a real image" in text and "RPI" in text
    assert "name people as their sources do" in text


def test_the_metadata_hold_against_monais_schema(release):
    metadata = json.loads((release / "metadata.json").read_text())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft201909Validator.check_schema(schema)
    jsonschema.Draft201909Validator(schema).validate(metadata)
    with (REPOSITORY / EVALUATION / "summary.tsv").open() as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["model"] == "general"]
    told, card = metadata["eval_metrics"], (release / "README.md").read_text()
    assert len(told) == 5 * len(rows)
    for row in rows:
        name = row["testset"]
        low, dice, high = (told[f"mean_dice_{name}{end}"] for end in ("_95_low", "", "_95_high"))
        assert f"| {dice:.3f} | {low:.3f} to {high:.3f} |" in card and dice == float(row["dice"])
        counts = [told[f"failed_{name}"], told[f"people_{name}"]]
        assert counts == [int(row["failed"]), int(row["participants"])]
    assert set(metadata["label_origins"]) == set(SOURCES)
    assert metadata["monai_version"] == "none", "no MONAI made it"
    del metadata["network_data_format"]
    assert list(jsonschema.Draft201909Validator(schema).iter_errors(metadata))


def refused(words: list[object]) -> str:
    """Call the step, expecting an error; the error."""
    with pytest.raises(StudyError) as raised:
        command.main(list(map(str, words[1:])), standalone_mode=False)
    assert raised.value.hint
    return str(raised.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "nobody"}, "no case of the model 'nobody'"),
        ({"terms": "elsewhere x"}, "'elsewhere' is no source of it"),
        ({"changes": REPOSITORY / "code/README.md"}, "code/README.md"),
        ({"cite": REPOSITORY / "code/studies/phantom-changes.md"}, "no citation"),
    ],
)
def test_what_it_cannot_tell_is_one_error_and_nothing_is_written(model, tmp_path, changes, said):
    words = arguments(model, tmp_path / "out", **{k: v for k, v in changes.items() if k != "terms"})
    if "terms" in changes:
        words += ["--terms", *changes["terms"].split()]
    assert said in refused(words)
    assert not list(tmp_path.iterdir())


def test_what_is_no_release_is_not_replaced(model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    assert "it holds mine.txt" in refused(arguments(model, tmp_path / "out"))
    assert (tmp_path / "out/mine.txt").read_text() == "mine"


def test_the_spinal_cord_toolbox_turns_images_as_the_model_was_trained(release, model, tmp_path):
    """As `spinalcordtoolbox.deepseg` does: it turns an image to `image_orientation`, its words for
    the ends that axes run from, hands nnU-Net the array, and turns the mask back."""
    dataset = json.loads((release / STOCK / "dataset.json").read_text())
    opposite = str.maketrans("LRAPIS", "RLPASI")
    voxels = np.random.default_rng(3).random((24, 30, 14)).astype(np.float32)
    image = nib.Nifti1Image(voxels, np.diag([1.5, 1.5, 2.5, 1]))  # RAS, the toolbox's LPI
    codes = dataset["image_orientation"].translate(opposite)
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes)))
    turned = image.as_reoriented(turn)
    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(release / STOCK), (0,))
    array = np.asarray(turned.dataobj).transpose(2, 1, 0)[None]
    theirs = predictor.predict_single_npy_array(array, {"spacing": [2.5, 1.5, 1.5]}).transpose()

    nib.save(to_orientation(image, RPI), tmp_path / "image.nii.gz")
    [(_, [ours])] = predicted(
        [model], [tmp_path / "image.nii.gz"], folds=[0], mirror_axes=[], tile_step=0.5
    )
    assert theirs.any() and np.array_equal(theirs, ours.transpose())
