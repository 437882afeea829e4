"""What is so when steps are handed in; Slurm itself is not asked."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.cluster import submitting
from cordstudy.provenance.cluster.submitting import Desk, Program, Request, Site, check_one_writer
from helpers import Step, git


@pytest.fixture
def desk(tmp_path) -> Desk:
    dataset = tmp_path / "dataset"
    git(tmp_path, "init", "-q", "-b", "main", dataset)
    for key, value in (("user.name", "Tester"), ("user.email", "tester@example.org")):
        git(dataset, "config", key, value)
    git(dataset, "commit", "-q", "--allow-empty", "-m", "Start")
    logs = tmp_path / "local/logs/table"
    return Desk(dataset, tmp_path / "store.git", branch="refs/heads/main", logs=logs)


def hand_in(desk: Desk, steps: list[Step], todo: list[Step], live: dict[str, str]) -> list[str]:
    desk.hand_in(
        steps,
        todo,
        since=git(desk.dataset, "rev-parse", "HEAD"),
        records={},
        live=live,
        site=Site("/scratch"),
        program=Program("program", ("job",), ("program",)),
        request=lambda _: Request(1),
    )
    return list(desk.jobs)


CHAIN = [
    Step(f"s{n}", "true", inputs=(f"out/{n - 1}/*",), outputs=(f"out/{n}/a.txt",)) for n in range(5)
]


@pytest.fixture
def submitted(monkeypatch) -> dict[str, list[str]]:
    """The jobs that each job waits for."""
    waits: dict[str, list[str]] = {}

    def submit(
        script: Path, arguments: list[str], *, output: Path, after: Iterable[str], **_
    ) -> str:
        assert output.parent.is_dir()  # Slurm fails a job whose log has no folder
        assert script.is_file()
        waits[arguments[0]] = list(after)
        return f"job of {arguments[0]}"

    monkeypatch.setattr(submitting, "submit", submit)
    return waits


def test_a_job_waits_for_those_that_it_builds_on_and_finds_its_log_s_folder(desk, submitted):
    assert hand_in(desk, CHAIN, CHAIN, {}) == [step.name for step in CHAIN]
    assert submitted["s0"] == []
    assert submitted["s3"] == ["job of s2"]


def test_a_job_waits_for_one_that_has_been_submitted_before_and_for_none_that_is_done(
    desk, submitted
):
    hand_in(desk, CHAIN, [CHAIN[1], CHAIN[4]], {"s3": "77"})
    assert submitted == {"s1": [], "s4": ["77"]}


def test_two_steps_that_write_one_file_are_refused():
    twin = Step("twin", "true", outputs=("out/*/a.txt",))
    check_one_writer(CHAIN)
    with pytest.raises(StudyError, match=r"twin and s0 both write out/\*/a\.txt"):
        check_one_writer([*CHAIN, twin])
