"""This repository holds the recorded phantom study, whole and current; `make record` keeps it so.

That all of it gives the same bytes again is the demo's to show (`test_demo`).
"""

from __future__ import annotations

import json

import pytest

from helpers import REPOSITORY, git, steps_of, study

RECORD = "make -C code record, and commit nothing after it that makes a step stale"


def test_no_step_is_stale():
    states = json.loads(study(REPOSITORY, "status", "--json", check=False).stdout)
    assert [state["step"] for state in states] == [
        step.name for step in steps_of(REPOSITORY, "phantom")
    ]
    undone = [f"{s['step']}: {s['word']} {s['changes'][:1]}" for s in states if s["word"] != "done"]
    assert not undone, RECORD


@pytest.mark.parametrize(
    "words", [("audit", "--all"), ("carried", "--check"), ("written", "--check")]
)
def test_the_history_accounts_for_all_and_what_travels_and_is_told_is_of_it(words):
    done = study(REPOSITORY, *words, check=False)
    assert not done.returncode, f"{done.stdout}\n{done.stderr}\n{RECORD}"


def test_records_are_as_the_steps_made_them():
    """A squash or an amendment would leave a commit that holds other files than its outputs."""
    for line in git(REPOSITORY, "log", "--format=%H %P", "--grep=^.DATALAD RUNCMD").splitlines():
        commit, *parents = line.split()
        changed = git(REPOSITORY, "diff", "--name-only", parents[0], commit).splitlines()
        assert len(parents) == 1 and all(p.startswith(("models/", "derivatives/")) for p in changed)
