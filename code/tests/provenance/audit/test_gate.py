"""The gate: what is planted in an honest history is found and named, and nothing else."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from helpers import RETIRED, commit, copied, git, run, steps_of, study
from places import told

CASES = "derivatives/tiny/evaluation/cases.tsv"
SUBDATASET = "inputs/tiny-epi"


@pytest.fixture(scope="module")
def one_copy(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the recorded tiny study."""
    folder = tmp_path_factory.mktemp("planted") / "study"
    return copied(tiny, folder)


@pytest.fixture
def shared_copy(one_copy: Path) -> Iterator[Path]:
    """The same for all tests, as it was: its history and that of a subdataset may be changed, no
    annexed content."""
    source = one_copy / SUBDATASET
    before = [state(folder) for folder in (one_copy, source)]
    assert not any(dirt for _, _, dirt in before)
    yield one_copy
    for folder, (branch, head, _) in zip((source, one_copy), reversed(before)):
        git(folder, "checkout", "-q", "-f", "-B", branch, head)
        git(folder, "clean", "-q", "-f", "-d")
    assert [state(folder) for folder in (one_copy, source)] == before


def state(folder: Path) -> tuple[str, str, str]:
    """The branch of a dataset, its commit, and what differs from that."""
    branch = git(folder, "symbolic-ref", "--short", "HEAD")
    return branch, git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain")


def test_an_honest_study_passes_the_gate_with_its_content(tiny):
    told = study(tiny, "audit", "--all", "--content").stdout
    count = len(steps_of(tiny)) + len(steps_of(tiny, "phantom")) + RETIRED
    assert f"{count} records: nothing found; annexed content here matches its keys" in told


def edit_output(folder: Path) -> None:
    path = folder / CASES
    path.write_text(path.read_text().replace("0.", "1.", 1))
    commit(folder, "docs: tidy", path)


def amend(old: str, new: str) -> Callable[[Path], None]:
    """Plant: the message of the last commit edited."""

    def act(folder: Path) -> None:
        message = git(folder, "log", "-1", "--format=%B")
        assert old in message
        run("git", "commit", "-q", "--amend", "-m", message.replace(old, new), cwd=folder)

    return act


def swap_input(folder: Path) -> None:
    path = folder / "code/studies/tiny/epi.json"
    path.write_text(path.read_text() + " ")
    commit(folder, "chore: space", path)


def move_subdataset(folder: Path) -> None:
    source = folder / "inputs/tiny-epi"
    path = source / "participants.tsv"
    path.write_text(path.read_text() + "sub-new\t30\tF\tGE\tHC\n")
    commit(source, "add one", path)
    commit(folder, "chore: move", "inputs/tiny-epi")


def leave_subdataset_behind(folder: Path) -> None:
    git(folder / "inputs/tiny-epi", "checkout", "-q", "--detach", "HEAD~1")


def unreachable_pin(folder: Path) -> None:
    git(folder, "update-index", "--cacheinfo", f"160000,{'1' * 40},inputs/tiny-epi")
    git(folder, "commit", "-q", "-m", "chore: pin")


def corrupt(folder: Path) -> None:
    path = next((folder / "models/tiny").rglob("checkpoint_final.pth")).resolve()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def squash(folder: Path) -> None:
    git(folder, "reset", "-q", "--soft", "HEAD~5")
    git(folder, "commit", "-q", "-m", "feat: results")


def rename(folder: Path) -> None:
    git(folder, "mv", CASES, CASES.replace("cases", "scores"))
    git(folder, "commit", "-q", "-m", "refactor: rename")


def delete_record(folder: Path) -> None:
    run("git", "commit", "-q", "--amend", "-m", "Write the report", cwd=folder)


def both_claim(folder: Path) -> None:
    options = ("-o", "derivatives/more.txt", "-o", "derivatives/tiny/evaluation/summary.tsv")
    script = "echo 2 > derivatives/more.txt; touch derivatives/tiny/evaluation/summary.tsv"
    run("datalad", "-l", "error", "run", "-m", "Claim", *options, script, cwd=folder)


def extra_file(folder: Path) -> None:
    (folder / "derivatives/tiny/notes.txt").write_text("x\n")
    commit(folder, "docs: notes", "derivatives/tiny/notes.txt")


def remove_output(folder: Path) -> None:
    git(folder, "rm", "-q", CASES)
    git(folder, "commit", "-q", "-m", "chore: remove")


LAST = "Write the report"
"""The last record of the study."""


PLANTED = {
    "an output edited by hand": (edit_output, "changed by hand", CASES),
    "a record's command edited": (
        amend("--judging code/studies/tiny", "--judging code/studies/full"),
        "edited command",
        LAST,
    ),
    "a pin that is nowhere": (unreachable_pin, "pin not reachable", "inputs/tiny-epi"),
    "a history squashed": (squash, "no record", CASES),
    "an output renamed": (rename, "renamed by hand", "scores.tsv"),
    "a record deleted": (delete_record, "no record", "report/index.html"),
    "two records that claim one file": (both_claim, "two records", "summary.tsv"),
    "a record from another dataset": (amend('"dsid": "', '"dsid": "0'), "another dataset", LAST),
    "a record of a failed command": (amend('"exit": 0', '"exit": 1'), "failed command", LAST),
    "a record with an absolute path": (
        amend("code/study report", "code/study /home/me report"),
        "absolute path",
        LAST,
    ),
    "a record of work outside": (
        amend('"pwd": "."', '"pwd": "/home/me"'),
        "malformed record",
        LAST,
    ),
    "a record's inputs edited": (amend('  "code/study",\n', ""), "edited inputs", LAST),
    "an undeclared output": (
        amend('report/index.html",\n', 'report/x.html",\n'),
        "undeclared output",
        "index.html",
    ),
    "an extra file": (extra_file, "no record", "derivatives/tiny/notes.txt"),
    "an output removed": (remove_output, "output gone", CASES),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_named(shared_copy, name):
    plant, kind, where = PLANTED[name]
    plant(shared_copy)
    check_found(shared_copy, kind, where)


@pytest.mark.slow
def test_outputs_that_went_with_their_step_are_no_fault(shared_copy):
    """A model is taken out of the study, and what it left with it."""
    toml = shared_copy / "code/studies/tiny.toml"
    toml.write_text(toml.read_text().replace("size_matched = true\n", ""))
    left = [
        "derivatives/tiny/predictions/size-matched",
        "models/tiny/size-matched",
        "derivatives/tiny/nnunet-raw/Dataset701_size-matched",
    ]
    git(shared_copy, "rm", "-rq", *left)
    git(shared_copy, "commit", "-q", "-a", "-m", "chore: leave a model out")
    assert "output gone" not in study(shared_copy, "audit", "--all", check=False).stdout


@pytest.mark.slow
def test_corrupted_content_is_found_and_named(tiny_copy):
    corrupt(tiny_copy)
    check_found(tiny_copy, "corrupted content", "checkpoint_final.pth", "--content")


def check_found(folder: Path, kind: str, where: str, *options: str) -> None:
    """Whether the gate finds a fault of a kind at a place."""
    asked = study(folder, "audit", "--all", *options, check=False)
    assert asked.returncode == 1, asked.stdout
    lines = [line for line in asked.stdout.splitlines() if line.startswith(f"{kind} ")]
    assert any(where in line for line in lines), asked.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("move", "step", "why"),
    [
        (swap_input, "convert:epi", "code/studies/tiny/epi.json: "),
        (move_subdataset, "split", "inputs/tiny-epi/participants.tsv: "),
    ],
)
def test_what_has_moved_on_since_is_stale_and_not_false(shared_copy, move, step, why):
    move(shared_copy)
    assert "nothing found" in study(shared_copy, "audit", "--all").stdout
    told = study(shared_copy, "--study", "tiny", "status", check=False)
    (line,) = (line for line in told.stdout.splitlines() if line.split()[1] == step)
    assert (
        told.returncode == 1 and line.startswith("stale ") and f"its input changed: {why}" in line
    )
    assert "stale since: " in study(shared_copy, "audit", CASES).stdout, "no broken chain"


def test_a_subdataset_that_is_left_behind_is_a_note_of_the_status(shared_copy):
    leave_subdataset_behind(shared_copy)
    assert "nothing found" in study(shared_copy, "audit", "--all").stdout
    assert (
        "note: inputs/tiny-epi is installed at "
        in study(shared_copy, "--study", "tiny", "status").stderr
    )


@pytest.mark.slow
def test_what_the_history_cannot_show_is_found_by_running_again(tiny_copy):
    help_text = study(tiny_copy, "audit", "--help").stdout
    assert "content that no command made under a well-formed record" in " ".join(help_text.split())
    path = tiny_copy / "derivatives/tiny/evaluation/summary.tsv"
    message = git(tiny_copy, "log", "-1", "--format=%B", "--", path)
    path.write_text(path.read_text().replace("0.", "0.9", 1))
    run("git", "commit", "-q", "-am", message, cwd=tiny_copy)
    assert "summary.tsv" not in study(tiny_copy, "audit", "--all", check=False).stdout
    told = study(tiny_copy, "--study", "tiny", "verify", "compare", check=False)
    assert (
        told.returncode == 1 and "summary.tsv: " in told.stdout and "numbers differ" in told.stdout
    )


def test_how_many_processes_the_gate_starts_does_not_depend_on_the_records(place, monkeypatch):
    def count() -> int:
        started = []
        real = subprocess.Popen.__init__
        monkeypatch.setattr(
            subprocess.Popen,
            "__init__",
            lambda self, *a, **k: (started.append(a), real(self, *a, **k))[1],
        )
        check(place.history, profile=PROFILE)
        monkeypatch.undo()
        return len(started)

    few = count()
    for n in range(10):
        place.commit(
            told(f"Make {n}", outputs=[f"derivatives/{n}.txt"], cmd=f"make {n}"),
            {f"derivatives/{n}.txt": "x"},
        )
    assert count() == few < 20 and place.findings == []


def test_an_adjusted_branch_and_unlocking_leave_everything_done(tiny_copy):
    git(tiny_copy, "annex", "unlock", "-q", "models/tiny")
    git(tiny_copy, "commit", "-q", "-am", "chore: unlock")
    git(tiny_copy, "annex", "adjust", "-q", "--unlock")
    assert "nothing found" in study(tiny_copy, "audit", "--all").stdout
    states = study(tiny_copy, "--study", "tiny", "status").stdout.splitlines()
    assert all(line.startswith("done ") for line in states[:-1])
