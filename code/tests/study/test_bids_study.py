"""The repository is a BIDS study, which says of itself what CITATION.cff says."""

import json

from cordstudy.cli.origins import citation
from cordstudy.provenance.profile import NAME
from helpers import REPOSITORY, git, run


def test_the_description_says_what_is_cited():
    told = json.loads((REPOSITORY / "dataset_description.json").read_text())
    assert told["DatasetType"] == "study"
    assert told["Name"] == citation().title and told["License"] == citation().license
    assert told["GeneratedBy"] == [{"Name": NAME, "Version": citation().version}]
    assert "Authors" not in told, "BIDS has them in CITATION.cff alone, where there is one"
    assert citation().authors and citation().message


def test_what_steps_make_is_told_of_as_a_derivative():
    told = json.loads((REPOSITORY / "derivatives/dataset_description.json").read_text())
    [by] = told["GeneratedBy"]
    assert told["DatasetType"] == "derivative" and told["License"] == "CC0-1.0"
    assert (by["Name"], by["Version"]) == (NAME, citation().version)


def test_what_is_committed_is_valid_bids(tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{REPOSITORY}", clone)
    assert errors(clone) == [] and errors(clone / "derivatives") == []
    (clone / ".bidsignore").unlink()
    assert "NOT_INCLUDED" in {issue["code"] for issue in errors(clone)}


def errors(folder) -> list[dict]:
    """What a validator finds wrong with a dataset."""
    done = run("bids-validator-deno", "--format", "json", folder, cwd=folder, check=False)
    found = json.loads(done.stdout)["issues"]["issues"]
    return [issue for issue in found if issue["severity"] == "error"]
