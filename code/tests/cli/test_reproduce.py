"""`reproduce` in a clone that has a study's records and no content, and `space` after it."""

import json
from pathlib import Path

import pytest

from helpers import git, run, study

pytestmark = pytest.mark.slow
SPLIT = "derivatives/tiny/splits/epi.tsv"


@pytest.fixture(scope="module")
def alone(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain clone of the branch of a recorded study: no content, no git-annex branch, nobody to
    ask."""
    folder = tmp_path_factory.mktemp("alone") / "study"
    run("git", "clone", "-q", "--no-tags", "--single-branch", tiny, folder, cwd=tiny)
    git(folder, "remote", "remove", "origin")
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    return folder


def reproduce(folder: Path, *names: str, check: bool = True):
    return study(folder, "--study", "tiny", "reproduce", *names, check=check)


def words(told: str) -> dict[str, str]:
    """How each step ended, of the lines of a run."""
    ends = [line.split() for line in told.splitlines() if " s   " in line]
    return {fields[1]: fields[0] for fields in ends}


def test_steps_come_back_from_records_alone_and_only_once(alone):
    before = git(alone, "rev-parse", "HEAD")
    merges = ("merge:general", "merge:size-matched")
    told = reproduce(alone, *merges).stdout
    names = ("convert:inspired", "convert:canproco", *merges)
    assert words(told) == dict.fromkeys(names, "identical"), told
    assert "4 of 4 steps gave the recorded bytes" in told
    assert git(alone, "rev-parse", "HEAD") == before and git(alone, "status", "--porcelain") == ""
    merged = next(alone.glob("derivatives/tiny/nnunet-raw/Dataset601_general/imagesTr/*.nii.gz"))
    assert merged.stat().st_size > 0, "its content is here"
    told = reproduce(alone, "merge:general").stdout
    assert "1 of 1 steps came back here before" in told and not words(told)

    rows = json.loads(study(alone, "space", "--json").stdout)
    (raw,) = [row for row in rows if row["folder"] == "derivatives/tiny/nnunet-raw"]
    assert 0 < raw["came_back"] == raw["made"] == raw["here"] < raw["recorded"]
    (source,) = [row for row in rows if row["folder"] == "inputs/tiny-inspired"]
    assert source["is_installed"] and source["here"] > 0
    assert "datalad drop" in study(alone, "space").stdout


def test_what_comes_out_other_lands_and_what_reads_it_runs_on_that(alone):
    message = git(alone, "log", "-1", "--format=%B", "--", SPLIT)
    recorded = (alone / SPLIT).read_text()
    (alone / SPLIT).write_text(f"{recorded}\n")  # as another machine might have recorded it
    git(alone, "commit", "-qm", message, SPLIT)
    before = git(alone, "rev-parse", "HEAD")
    told = reproduce(alone, "split", "convert:epi", check=False)
    assert told.returncode == 1
    assert words(told.stdout) == {"split": "different", "convert:epi": "recorded"}, told.stdout
    assert f"{SPLIT}: 1 lines differ: -" in told.stdout
    assert f"runs on {SPLIT} as made here" in told.stdout
    assert "1 of 2 steps gave something else than they promise: split is different" in told.stderr
    assert (alone / SPLIT).read_text() == recorded
    assert len(git(alone, "log", "--format=%H", f"{before}..").splitlines()) == 2
    state = study(alone, "--study", "tiny", "status", check=False).stdout
    done = {line.split()[1] for line in state.splitlines() if line.startswith("done")}
    assert {"split", "convert:epi"} <= done
    again = reproduce(alone, "split", "convert:epi", check=False)
    assert again.returncode == 1 and "2 of 2 steps came back here before" in again.stdout
