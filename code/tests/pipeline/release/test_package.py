"""A release of the recorded general model: whole, the same each time, true to the tables."""

import csv
import json
import pickle
import re
import zipfile

import jsonschema
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.release.package import command
from helpers import REPOSITORY, digests, run
from released import EVALUATION, STOCK, arguments, packed

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


def test_the_metadata_hold_against_monais_schema(release):
    metadata = json.loads((release / "metadata.json").read_text())
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft201909Validator.check_schema(schema)
    jsonschema.Draft201909Validator(schema).validate(metadata)
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
