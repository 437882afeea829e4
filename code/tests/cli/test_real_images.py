"""The part about real images: its tables from given scores, and the sources that it is made on."""

import hashlib
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.real_images import FOLDERS, Judged, image_rows, lay_out, model_rows
from cordstudy.pipeline.release.facts import Score
from cordstudy.study.loading import load_study
from helpers import REPOSITORY, git, run

IMAGE = "sub-1/anat/sub-1_T2w.nii.gz"


def score(testset: str, people: int, dice: float, low: float, high: float) -> Score:
    return Score(
        testset,
        seen=False,
        phantom=False,
        people=people,
        images=people,
        dice=dice,
        low=low,
        high=high,
        median=dice,
        failed=1,
        failure_low=0.0,
        failure_high=1.0,
    )


def case(model: str, dice: float, path: str = f"inputs/data-testing/{IMAGE}") -> dict[str, str]:
    return {
        "model": model,
        "dataset": "unf",
        "image": path,
        "dice": f"{dice:.6f}",
        "field_strength": "3",
    }


def test_a_row_has_means_intervals_of_several_people_failures_and_the_lowest():
    scores = {"general": [score("many", 4, 0.8, 0.6, 0.95), score("one", 1, 0.7, 0.0, 1.0)]}
    rows = model_rows(scores, [case("general", 0.61), case("general", 0.9), case("x", 0.1)])
    assert rows[0] == "| model | many | one | failed in | lowest |" and rows[1].count("---") == 5
    assert rows[2] == "| general | 0.800 (0.600 to 0.950) | 0.700 | 2 of 5 | 0.610 |"


def test_each_image_is_named_with_field_strength_dice_and_digest(tmp_path):
    folder = tmp_path / "images"
    path = folder / FOLDERS["unf"] / IMAGE
    path.parent.mkdir(parents=True)
    path.write_text("an image")
    judged = Judged(REPOSITORY, folder)
    digest = hashlib.sha256(b"an image").hexdigest()[:12]
    rows = image_rows([case("general", 0.7), case("inspired", 0.1)], judged)
    assert rows[2:] == [f"| `{FOLDERS['unf']}/{IMAGE}` | 3 | 0.700 | `{digest}` |"]


def test_a_folder_of_images_becomes_the_pinned_sources_of_a_clone(tmp_path):
    folder, clone = tmp_path / "images", tmp_path / "clone"
    for below in FOLDERS.values():
        path = folder / below / IMAGE
        path.parent.mkdir(parents=True)
        path.write_text(below)
        path.chmod(0o444)
    run("git", "clone", "-q", REPOSITORY, clone, cwd=tmp_path)
    git(clone, "config", "user.name", "Tester")
    git(clone, "config", "user.email", "tester@example.org")
    lay_out(clone, folder)
    assert git(clone, "status", "--porcelain") == ""
    for name, below in FOLDERS.items():
        place = Path(load_study(clone, "real").datasets[name].path)
        assert (clone / place / IMAGE).read_text() == below
        head = git(clone / place, "rev-parse", "HEAD")
        assert git(clone, "rev-parse", f"HEAD:{place}") == head


def test_a_folder_that_lacks_a_source_is_refused(tmp_path):
    with pytest.raises(StudyError, match="there is no such folder"):
        lay_out(REPOSITORY, tmp_path)
