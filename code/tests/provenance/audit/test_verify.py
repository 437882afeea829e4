"""Running records again: what comes out the same, and what is found where it does not."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from cordstudy.provenance.audit.likeness import compare
from cordstudy.provenance.audit.verdicts import Item, Verdict
from cordstudy.provenance.audit.verifier import older, producer_of
from cordstudy.provenance.audit.verify import verify
from cordstudy.provenance.calling.gitannex import install_annex
from cordstudy.provenance.history.records import parse_message, read_records
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.machine import Machine
from helpers import commit, git, run, steps_of, study
from places import told


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory) -> Path:
    """A dataset with records made by plain `datalad run`: honest ones, and four with a fault."""
    folder = tmp_path_factory.mktemp("by-hand") / "study"
    run("datalad", "-l", "error", "create", folder, cwd=folder.parent)
    (folder / ".gitattributes").write_text(
        "* annex.backend=SHA256E\n* annex.largefiles=anything\n*.txt annex.largefiles=nothing\n"
    )
    (folder / "a.txt").write_text("1\n")
    (folder / "hidden.txt").write_text("2\n")
    run("datalad", "-l", "error", "save", "-m", "Add texts", cwd=folder)
    record(folder, "honest", "cat a.txt a.txt > twice.bin", "twice.bin", inputs=["a.txt"])
    record(folder, "builds on it", "cat twice.bin > more.bin", "more.bin", inputs=["twice.bin"])
    record(folder, "prints the time", "date +%s.%N > clock.txt", "clock.txt")
    record(folder, "reads what it does not say", "cat hidden.txt > copy.txt", "copy.txt")
    record(
        folder, "writes what it does not say", "echo x > told.txt; echo y > untold.txt", "told.txt"
    )
    (folder / "below").mkdir()
    (folder / "below/b.txt").write_text("3\n")
    run("datalad", "-l", "error", "save", "-m", "Add a folder", cwd=folder)
    record(
        folder / "below",
        "in a folder",
        "cat b.txt ../a.txt > c.txt",
        "c.txt",
        inputs=["b.txt", "../a.txt"],
    )
    return folder


def record(
    folder: Path, message: str, script: str, output: str, *, inputs: list[str] | None = None
) -> None:
    options = [word for path in inputs or [] for word in ("-i", path)]
    run("datalad", "-l", "error", "run", "-m", message, *options, "-o", output, script, cwd=folder)


def verdicts(folder: Path, tmp_path: Path, *subjects: str) -> dict[str, Verdict]:
    """The verdicts on records by their subjects; all without."""
    records = [
        r for r in reversed(list(read_records(folder))) if not subjects or r.subject in subjects
    ]
    items = [Item(r.subject, r) for r in records]
    machine = Machine(scratch=tmp_path / "scratch", logs=tmp_path / "logs", workers=1)

    def likeness(one: Path, two: Path, tolerance: float | None) -> tuple[str, str]:
        found = compare(one, two, tolerance=tolerance)
        return found.word, found.text

    found = verify(
        folder,
        items,
        machine=machine,
        jobs=2,
        compare=likeness,
        report=lambda verdict: None,
        profile=Profile(),
    )
    assert not list((tmp_path / "scratch").iterdir()), "nothing is left behind"
    return {verdict.name: verdict for verdict in found}


def test_records_made_by_hand_get_a_verdict_each_and_faults_are_named(by_hand, tmp_path):
    before = git(by_hand, "rev-parse", "HEAD")
    found = verdicts(by_hand, tmp_path)
    words = {name: verdict.word for name, verdict in found.items()}
    assert words == {
        "honest": "identical",
        "builds on it": "identical",
        "in a folder": "identical",
        "prints the time": "different",
        "reads what it does not say": "failed",
        "writes what it does not say": "different",
    }
    assert (
        found["prints the time"].differs[0].startswith("clock.txt: 1 of 1 numbers differ, by up to")
    )
    assert "hidden.txt" in found["reads what it does not say"].differs[0]
    assert "untold.txt" in found["writes what it does not say"].differs[0]
    assert (
        git(by_hand, "rev-parse", "HEAD") == before and git(by_hand, "status", "--porcelain") == ""
    )


def test_what_made_a_missing_input_runs_first(by_hand, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", by_hand, clone)
    git(clone, "remote", "remove", "origin")
    install_annex(clone, private=True)
    assert not (clone / "twice.bin").exists()
    found = verdicts(clone, tmp_path, "builds on it")
    assert [verdict.word for verdict in found.values()] == ["identical"]
    assert not (clone / "twice.bin").exists(), "the study is left as it is"


@pytest.mark.slow
def test_a_step_of_each_kind_comes_out_identical_and_the_verdicts_can_be_attested(tiny_copy):
    table = steps_of(tiny_copy)
    chosen = list({step.command: step.name for step in table}.values())
    words = ("--study", "tiny", "verify", *chosen, "--jobs", "2", "--attest")
    told = study(tiny_copy, *words).stdout
    lines = [line.split() for line in told.splitlines()[1:] if not line.startswith("attested")]
    assert sorted(line[0] for line in lines) == sorted(chosen), told
    assert {line[3] for line in lines} == {"identical"}, told
    assert {line[2] for line in lines} == {"anywhere"}
    path = next((tiny_copy / ".datalad/attestations").iterdir())
    content = json.loads(path.read_text())
    assert content["commit"] == git(tiny_copy, "rev-parse", "HEAD~1")
    assert len(content["verdicts"]) == len(chosen)
    assert content["environment"] == git(
        tiny_copy, "rev-parse", "HEAD:code/requirements/steps.lock"
    )
    assert not path.is_symlink() and str(tiny_copy) not in path.read_text()
    assert next(read_records(tiny_copy)).outputs == (str(path.relative_to(tiny_copy)),)
    *states, took = study(tiny_copy, "--study", "tiny", "status").stdout.splitlines()
    assert took.strip().startswith(f"{len(table)} steps took") and "MiB" in took
    assert len(states) == len(table) and all(line.startswith("done") for line in states)
    attested = [line for line in states if line.endswith("attested identical by Tester")]
    assert len(attested) == len(chosen)


@pytest.mark.slow
def test_a_step_that_prints_the_time_into_its_output_is_named(tiny_copy):
    module = tiny_copy / "code/src/cordstudy/pipeline/sources/split.py"
    written = 'write_table(out / f"{name}.tsv", COLUMNS, placements)'
    assert written in module.read_text()
    timed = written.replace("placements)", '[*placements, ("sub-x", "test", str(time.time()))])')
    module.write_text(
        module.read_text()
        .replace(written, timed)
        .replace("import math", "import math\nimport time")
    )
    commit(tiny_copy, "test: print the time", module)
    study(tiny_copy, "--study", "tiny", "run", "split")
    told = study(tiny_copy, "--study", "tiny", "verify", "split", "--json", check=False)
    assert told.returncode == 1
    (verdict,) = json.loads(told.stdout)
    assert (verdict["name"], verdict["word"], verdict["holds"]) == ("split", "different", False)
    assert len(verdict["differs"]) == 3 and "numbers differ, by up to" in verdict["differs"][0]
    assert "1 of 1 records gave something else: split is different" in told.stderr
    since = study(tiny_copy, "verify", "--since", "HEAD~1", "--json", check=False)
    assert [v["name"] for v in json.loads(since.stdout)] == [
        "Split the participants of 3 datasets, seed 3"
    ]


def test_a_step_that_is_not_done_cannot_be_verified(new_study):
    failed = study(new_study(), "--study", "tiny", "verify", "merge:general", check=False)
    assert failed.returncode == 1 and "step merge:general is missing" in failed.stderr


def stored(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, str):
        path.write_text(value)
    elif isinstance(value, nib.Nifti1Image):
        nib.save(value, path)
    else:
        torch.save(value, path)
    return path


def image(value: int, dtype: type = np.uint8) -> nib.Nifti1Image:
    voxels = np.zeros((3, 3, 3), dtype)
    voxels[1, 1, 1] = value
    return nib.Nifti1Image(voxels, np.eye(4))


WEIGHTS = {"network_weights": {"a": torch.zeros(3)}, "note": "x"}
MOVED = {"network_weights": {"a": torch.tensor([0.0, 0.0, 0.5])}, "note": "x"}


@pytest.mark.parametrize(
    ("name", "one", "two", "tolerance", "word", "text"),
    [
        (
            "a.nii.gz",
            image(1),
            image(1, np.int16),
            None,
            "voxel-identical",
            "stored in other bytes",
        ),
        ("a.nii.gz", image(1), image(2), None, "different", "1 voxels differ"),
        (
            "a.pth",
            WEIGHTS,
            MOVED,
            None,
            "different",
            "1 of 1 arrays differ, by up to 0.5 in network_weights.a",
        ),
        (
            "a.pth",
            WEIGHTS,
            {**WEIGHTS, "note": "y"},
            None,
            "different",
            "what is kept beside them does not",
        ),
        (
            "a.tsv",
            "x\t0.50\n",
            "x\t0.51\n",
            None,
            "different",
            "1 of 1 numbers differ, by up to 0.01",
        ),
        (
            "a.tsv",
            "x\t0.50\n",
            "x\t0.51\n",
            0.02,
            "equivalent",
            "1 of 1 numbers differ, by up to 0.01",
        ),
        ("a.tsv", "x\t0.50\n", "x\t0.51\n", 0.001, "different", "1 of 1 numbers differ"),
        ("a.txt", "one\ntwo\n", "one\nthree\n", 1.0, "different", "2 lines differ: -two | +three"),
        ("a.txt", "a #\n", "a 1\n", 1.0, "different", "2 lines differ: -a # | +a 1"),
        ("a.bin", "abc", "abcd", None, "different", "3 and 4 bytes"),
    ],
)
def test_files_are_compared_by_what_they_hold(tmp_path, name, one, two, tolerance, word, text):
    found = compare(
        stored(tmp_path / "1", name, one), stored(tmp_path / "2", name, two), tolerance=tolerance
    )
    assert found.word == word and text in found.text


def test_equivalent_keeps_a_promise_that_is_made_for_one_kind_of_processor_only():
    for identical, holds in (("here", True), ("anywhere", False), ("n/a", False)):
        assert Verdict("train", "c", identical, "equivalent", (), 1.0).holds == holds


def test_verify_says_that_it_runs_the_history_and_leaves_out_what_is_no_record(tiny_copy):
    since = git(tiny_copy, "rev-parse", "HEAD")
    cmd = '{"cmd": "true", "dsid": "x", "pwd": "..", "outputs": []}'
    block = f"=== Do not change lines below ===\n{cmd}\n^^^ Do not change lines above ^^^\n"
    git(
        tiny_copy,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        f"[DATALAD RUNCMD] Leave the dataset\n\n{block}",
    )
    told = study(tiny_copy, "verify", "--since", since, check=False)
    assert "there is no record to run again" in told.stderr
    good = block.replace("..", ".")
    git(
        tiny_copy,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        f"[DATALAD RUNCMD] Do\x1b nothing\n\n{good}",
    )
    told = study(tiny_copy, "verify", "--since", since, check=False)
    assert told.stderr.startswith(
        "running the commands of 1 records of this history again, with your rights\n"
    )
    help_text = study(tiny_copy, "verify", "--help").stdout
    assert "runs the commands of the records" in " ".join(help_text.split())
    assert "Do\\x1b nothing" in told.stdout and "\x1b" not in told.stdout + told.stderr


def test_what_made_a_file_is_asked_as_records_mean_their_paths(place):
    place.commit(told("Folder", outputs=["derivatives/b"], cmd="b"), {"derivatives/b/x.txt": "x"})
    place.commit(
        told("Glob", outputs=["derivatives/**/*.csv"], cmd="c"), {"derivatives/x.csv": "x"}
    )
    latest = parse_message(told())
    records = older([latest, *read_records(place.folder)], latest)
    assert producer_of("derivatives/b/x.txt", records).subject == "Folder"
    assert producer_of("derivatives/x.csv", records).subject == "Glob"
    assert producer_of("derivatives/b", records).subject == "Folder"
    assert producer_of("x", records) is None
    assert older(records, records[0]) == records[1:]
