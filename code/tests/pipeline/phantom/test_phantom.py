"""The phantom sources, looked at as the data sets that they imitate."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.phantom.originals import ORIGINALS
from cordstudy.pipeline.phantom.phantom import write_source
from helpers import REPOSITORY, SHARED, git, run

SMALL = "ds005143"
SEED = 2023


def write_small(folder: Path, *, seed: int = SEED) -> dict[str, str]:
    """Write the smallest phantom; the digest of each file."""
    write_source(SMALL, folder, seed=seed, participants=1)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The smallest phantom, and the digest of each file."""
    folder = tmp_path_factory.mktemp("phantom") / SMALL
    return folder, write_small(folder)


@pytest.mark.slow
def test_the_phantoms_come_out_at_the_commits_that_the_repository_pins(phantoms):
    pins = phantom_pins(REPOSITORY)
    assert len(pins) == len(ORIGINALS) and phantom_pins(phantoms) == pins
    for path, pin in pins.items():
        assert git(phantoms / path, "rev-parse", "HEAD") == pin


def phantom_pins(folder: Path) -> dict[str, str]:
    """The commit of each phantom that a study pins, by path."""
    pins = {}
    for line in git(folder, "ls-tree", "HEAD", "inputs/").splitlines():
        _, _, commit, path = line.split()
        if path.startswith("inputs/phantom-"):
            pins[path] = commit
    return pins


def test_the_number_of_processes_changes_no_byte_and_the_seed_does(small, tmp_path, monkeypatch):
    _, digests = small
    monkeypatch.setenv("CORDSTUDY_WORKERS", "1")
    assert write_small(tmp_path / "again") == digests
    other = write_small(tmp_path / "other", seed=SEED + 1)
    images = [path for path in digests if path.endswith(".nii.gz")]
    assert images and not [path for path in images if other[path] == digests[path]]


def test_only_a_phantom_is_written_over(small, tmp_path):
    folder, digests = small
    assert write_small(folder) == digests
    (tmp_path / "participants.tsv").write_text("participant_id\n")
    with pytest.raises(StudyError, match=r"its participants\.tsv is not a phantom's"):
        write_small(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["participants.tsv"]


def test_an_unknown_source_is_one_error_that_names_the_known_ones(tmp_path):
    with pytest.raises(StudyError, match="no phantom source 'x'") as raised:
        write_source("x", tmp_path, seed=1)
    assert SMALL in raised.value.hint


def test_a_phantom_records_how_it_was_made_and_that_record_reruns_to_the_same_commit(tiny_copy):
    source = tiny_copy / "inputs/tiny-epi"
    before = git(source, "rev-parse", "HEAD")
    record = git(source, "log", "-1", "--format=%B")
    assert record.startswith(f"[DATALAD RUNCMD] Make the phantom of {SMALL}")
    expected = f"../../code/study phantom {SMALL} --seed {SEED} --participants 2 ."
    assert f'"cmd": "{expected}"' in record
    run("datalad", "-l", "error", "rerun", cwd=source)
    assert git(source, "rev-parse", "HEAD") == before
    assert git(source, "status", "--porcelain") == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_a_phantom_is_valid_bids(phantoms, name):
    argv = ("bids-validator-deno", "--format", "json", f"inputs/phantom-{name}")
    done = run(*argv, cwd=phantoms, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIGINALS)
def test_a_phantom_has_its_originals_troubles(phantoms, name):
    original, folder = ORIGINALS[name], phantoms / f"inputs/phantom-{name}"
    troubled = {person.trouble: f"sub-{person.name}" for person in original.participants}
    assert set(troubled) == {"", "no images", "no mask", "soft mask", "leave out"}
    labels = folder / original.labels
    assert not (folder / troubled["no images"]).exists()
    assert troubled["no images"] in (folder / "participants.tsv").read_text()
    assert list((folder / troubled["no mask"]).rglob("*.nii.gz"))
    assert not (labels / troubled["no mask"]).exists()
    soft = next((labels / troubled["soft mask"]).rglob("*.nii.gz"))
    values = np.unique(nib.load(soft).get_fdata())
    assert len(values) > 2 and values.min() == 0 and values.max() == 1
    assert troubled["leave out"] in (folder / "exclude.yml").read_text()


@pytest.mark.parametrize("name", ORIGINALS)
def test_participants_of_the_phantoms_are_among_the_published_ones(name):
    trees = SHARED / "real-trees"
    if not trees.is_dir():
        pytest.skip("no true trees: ../shared/real-trees is not there")
    file = "ds005143_participants.tsv" if name == SMALL else f"published_split_{name}.tsv"
    lines = (trees / file).read_text().splitlines()
    published = {line.split("\t")[0] for line in lines}
    assert {f"sub-{person.name}" for person in ORIGINALS[name].participants} <= published


def test_images_are_stored_in_many_orientations_and_spacings(tiny):
    orientations, spacings = set(), set()
    for pattern in ("**/*T2w.nii.gz", "**/*bold.nii.gz"):
        for path in tiny.glob(f"inputs/tiny-*/sub-*/{pattern}"):
            image = nib.load(path)
            orientations.add(nib.aff2axcodes(image.affine))
            spacings.add(tuple(np.round(image.header.get_zooms(), 1)))
    assert len(orientations) == 3 and len(spacings) > 3
