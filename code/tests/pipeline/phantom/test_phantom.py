"""The phantom sources: made twice, looked at as the data sets that they imitate."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.phantom.originals import ORIGINALS
from helpers import REPOSITORY, SHARED, git, run, study


@pytest.fixture
def made(demo) -> Path:
    """The phantom study, which made its sources."""
    return demo[0]


@pytest.mark.slow
def test_the_phantoms_come_out_at_the_commits_that_the_repository_pins(made):
    pins = _pins(REPOSITORY)
    assert len(pins) == 6 and _pins(made) == pins
    for path, pin in pins.items():
        assert git(made / path, "rev-parse", "HEAD") == pin


def _pins(folder: Path) -> dict[str, str]:
    entries = (line.split() for line in git(folder, "ls-tree", "HEAD", "inputs/").splitlines())
    return {path: commit for mode, _, commit, path in entries if path.startswith("inputs/phantom-")}


def test_a_phantom_records_how_it_was_made_and_that_record_reruns_to_the_same_commit(tiny_copy):
    source = tiny_copy / "inputs/tiny-epi"
    before = git(source, "rev-parse", "HEAD")
    record = git(source, "log", "-1", "--format=%B")
    assert record.startswith("[DATALAD RUNCMD] Make the phantom of ds005143")
    assert '"cmd": "../../code/study phantom ds005143 --seed 2023 --participants 2 ."' in record
    run("datalad", "-l", "error", "rerun", cwd=source)
    assert git(source, "rev-parse", "HEAD") == before and git(source, "status", "--porcelain") == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_a_phantom_is_valid_bids(made, name):
    done = run(
        "bids-validator-deno", "--format", "json", f"inputs/phantom-{name}", cwd=made, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_a_phantom_has_its_originals_troubles(made, name):
    source, folder = ORIGINALS[name], made / f"inputs/phantom-{name}"
    by_trouble = {p.trouble: f"sub-{p.name}" for p in source.participants}
    assert set(by_trouble) == {"", "no images", "no mask", "soft mask", "leave out"}
    assert not (folder / by_trouble["no images"]).exists()
    assert by_trouble["no images"] in (folder / "participants.tsv").read_text()
    assert list((folder / by_trouble["no mask"]).rglob("*.nii.gz"))
    assert not (folder / source.labels / by_trouble["no mask"]).exists()
    soft = next((folder / source.labels / by_trouble["soft mask"]).rglob("*.nii.gz"))
    values = np.unique(nib.load(soft).get_fdata())
    assert len(values) > 2 and values.min() == 0 and values.max() == 1
    assert by_trouble["leave out"] in (folder / "exclude.yml").read_text()


def test_participants_of_the_phantoms_are_among_the_published_ones():
    trees = SHARED / "real-trees"
    if not trees.is_dir():
        pytest.skip("no true trees: ../shared/real-trees is not there")
    for name, source in ORIGINALS.items():
        table = trees / (
            f"published_split_{name}.tsv" if name != "ds005143" else "ds005143_participants.tsv"
        )
        known = {line.split("\t")[0] for line in table.read_text().splitlines()}
        assert {f"sub-{p.name}" for p in source.participants} <= known


def test_images_are_stored_in_many_orientations_and_spacings(tiny):
    found = {
        (nib.aff2axcodes(i.affine), tuple(np.round(i.header.get_zooms(), 1)))
        for i in map(nib.load, _images(tiny))
    }
    assert len({codes for codes, _ in found}) == 3 and len({zooms for _, zooms in found}) > 3


def _images(folder: Path) -> list[Path]:
    return [
        p
        for p in folder.glob("inputs/tiny-*/sub-*/**/*.nii.gz")
        if re.search(r"(T2w|bold)\.nii\.gz$", p.name)
    ]


@pytest.mark.slow
def test_made_twice_phantoms_splits_and_conversions_are_the_same(tiny, new_study):
    again = new_study()
    study(
        again,
        "--study",
        "tiny",
        "run",
        "merge:general",
        "merge:size-matched",
        "convert:epi",
        "--jobs",
        "2",
    )
    for path in ("inputs/tiny-inspired", "inputs/tiny-canproco", "inputs/tiny-epi"):
        assert git(again / path, "rev-parse", "HEAD") == git(tiny / path, "rev-parse", "HEAD")
    for path in ("derivatives/tiny/splits", "derivatives/tiny/nnunet-raw"):
        assert git(again, "rev-parse", f"HEAD:{path}") == git(tiny, "rev-parse", f"HEAD:{path}")
