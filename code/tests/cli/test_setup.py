"""`code/study setup`: a fresh clone of main alone, and the note where one is not set up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import REPOSITORY, git, study

NOTE = "note: this clone is not set up, so that datalad get gets nothing"
PUBLIC = ("--study", "public")
"""A study of which no source is made: nothing is computed."""


@pytest.fixture
def bare_clone(tmp_path: Path) -> Path:
    """A clone of this commit alone, as a stranger has it."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--single-branch", f"file://{REPOSITORY}", folder)
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    return folder


def test_each_command_says_that_a_clone_is_not_set_up_until_it_is(bare_clone):
    cases = study(bare_clone, *PUBLIC, "status", "--json", check=False)
    assert cases.stderr.splitlines()[0].startswith(NOTE) and json.loads(cases.stdout)
    for silent in (("status", "--help"), ("render", "--json"), ("split", "--help")):
        assert NOTE not in study(bare_clone, *silent).stderr
    told = study(bare_clone, *PUBLIC, "setup")
    assert NOTE not in told.stderr
    assert "dataset is an annex now" in told.stdout and "carried " in told.stdout
    assert study(bare_clone, *PUBLIC, "status", check=False).stderr.count(NOTE) == 0
    assert "dataset is an annex already" in study(bare_clone, *PUBLIC, "setup").stdout
    assert git(bare_clone, "status", "--porcelain") == ""
    assert git(bare_clone, "rev-parse", "HEAD") == git(bare_clone, "rev-parse", "origin/HEAD")


def test_a_shallow_clone_is_refused_with_what_to_do(tmp_path):
    folder = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{REPOSITORY}", folder)
    refused = study(folder, "setup", check=False)
    assert refused.returncode and "hint: git fetch --unshallow" in refused.stderr
    assert "annex" not in git(folder, "config", "--local", "--list")
