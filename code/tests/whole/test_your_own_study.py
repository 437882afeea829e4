"""A newcomer's study: from two plain BIDS folders to a report by the commands of its page."""

import os
import pty
import re
import shutil
import subprocess

import pytest

from cordstudy.study.loading import load_study
from helpers import REPOSITORY, git, log_of, run, steps_of, study
from plain_bids import write_bids
from released import packed, recorded_model

PAGE = (REPOSITORY / "code/docs/your-own-study.md").read_text()
BRING_IN, MAKE, THEIRS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
SHOWN = re.findall(r"```\n(dataset .*?)```", PAGE, re.DOTALL)[0]
TOML = "code/studies/mine.toml"


def typed(folder, commands: str):
    """What a shell does with commands, in which the environment's programs are found."""
    return run("code/study", "exec", "sh", "-e", "-c", commands, cwd=folder)


@pytest.fixture(scope="module")
def sources(new_study):
    """A clone into which the page's two folders were brought."""
    folder = new_study()
    write_bids(folder.parent / "site-a", people=6)
    write_bids(folder.parent / "site-b", people=4, ending="_label-SC_seg")
    typed(folder, BRING_IN)
    return folder


@pytest.fixture
def clone(sources):
    """The same, of which a test changes what git does not know yet."""
    yield sources
    git(sources, "clean", "-qfd", "code/studies", "inputs")


def test_a_study_of_two_sources_has_a_general_model_and_one_of_each(clone):
    arguments = ("--from", "inputs/site-a", "--from", "inputs/site-b")
    told = study(clone, "new", "mine", *arguments).stdout
    assert f"{TOML} is written" in told and "code/study --study mine run" in told
    assert git(clone, "status", "--porcelain") == f"?? {TOML}"
    made = load_study(clone, "mine")
    assert {name: table.datasets for name, table in made.models.items()} == {
        "general": ["site-a", "site-b"],
        "site-a": ["site-a"],
        "site-b": ["site-b"],
    }
    numbers = [dataset.number for dataset in made.datasets.values()]
    assert numbers == [509, 510], "the first that no study has"
    assert made.split.folds == 3 and made.train.folds == [0, 1, 2], "site-b has four people"
    assert made.train.epochs == 1000 and made.plan.reduction is None
    assert made.datasets["site-a"].columns.model_dump(exclude_unset=True) == {
        "sex": "gender",
        "pathology": "diagnosis",
    }
    assert len(steps_of(clone, "mine")) > 20
    again = study(clone, "new", "mine", *arguments, check=False)
    assert again.returncode == 1 and f"error: {TOML} is there" in again.stderr


def test_on_a_terminal_the_role_of_each_source_is_asked_for(clone):
    master, slave = pty.openpty()
    os.write(master, b"\ntets\ntest\n")
    arguments = ("new", "mine", "--from", "inputs/site-a", "--from", "inputs/site-b")
    told = subprocess.run(
        [clone / "code/study", *arguments], cwd=clone, stdin=slave, capture_output=True, text=True
    )
    os.close(master)
    os.close(slave)
    assert told.returncode == 0, told.stderr
    assert "inputs/site-a: 6 masks of anat/T2w. Train or test only" in told.stdout
    roles = {name: one.role for name, one in load_study(clone, "mine").datasets.items()}
    assert roles == {"site-a": "train", "site-b": "test"}


def test_a_source_of_another_study_keeps_its_name_and_number(clone):
    study(clone, "--study", "tiny", "inputs", "get", "epi")
    try:
        arguments = ("--from", "inputs/site-a", "--from", "inputs/tiny-epi", "--small")
        told = study(clone, "new", "mine", *arguments)
        epi = load_study(clone, "mine").datasets["epi"]
        tiny = load_study(clone, "tiny").datasets["epi"]
        assert (epi.number, epi.phantom, epi.columns) == (506, "ds005143", tiny.columns)
        assert (epi.images, epi.labels, epi.mask) == (tiny.images, tiny.labels, tiny.mask)
        assert "warning" not in told.stderr
    finally:
        git(clone, "reset", "-q", "--hard", "HEAD~1")
        shutil.rmtree(clone / "inputs/tiny-epi", ignore_errors=True)


def test_what_is_no_source_yet_is_told_with_what_to_type(clone):
    elsewhere = study(clone, "new", "mine", "--from", "../site-a", check=False)
    command = re.search(r"hint: (datalad create .*); then --from inputs/site-a", elsewhere.stderr)
    assert command and elsewhere.returncode == 1
    shutil.copytree(clone.parent / "site-a", clone / "inputs/site-c")
    plain = study(clone, "new", "mine", "--from", "inputs/site-c", check=False)
    assert "no dataset of its own" in plain.stderr and "datalad create -f" in plain.stderr
    for told, said in {"inputs/none": "no such folder", "inputs": "not in inputs/"}.items():
        failed = study(clone, "new", "mine", "--from", told, check=False)
        assert failed.returncode == 1 and said in failed.stderr
    name = study(clone, "new", "My_study", "--from", "inputs/site-a", check=False)
    assert "hint: lower-case letters, digits and -" in name.stderr
    changed = clone / "inputs/site-b/notes.txt"
    changed.write_text("not saved\n")
    failed = study(clone, "new", "mine", "--from", "inputs/site-b", check=False)
    changed.unlink()
    for told, said in {"../site-a": "not in this repository", "none.zip": "no such file"}.items():
        words = ("--test", "inputs/site-b", "--models", told)
        other = study(clone, "new", "mine", *words, check=False)
        assert other.returncode == 1 and said in other.stderr
    assert "not saved as it is" in failed.stderr and "hint: datalad save" in failed.stderr
    assert not (clone / TOML).exists()


@pytest.mark.slow
def test_the_commands_of_the_page_end_with_a_report(clone):
    told = typed(clone, MAKE).stdout
    shown = [line.split() for line in SHOWN.splitlines()]
    assert [line.split() for line in told.splitlines()[1 : 1 + len(shown)]] == shown
    assert "10 cases; 0 images are left out" in told
    assert "\nsite-a " in told and "n participants" in told
    assert (clone / "derivatives/mine/report/index.html").is_file()
    assert "overlap" not in told
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_the_model_of_a_release_is_judged_on_a_source_with_a_record_of_each_step(clone, tmp_path):
    release = packed(recorded_model(tmp_path), tmp_path / "release")
    shutil.copy(release / "phantom-general.zip", clone.parent / "general.zip")
    toml = clone / "code/studies/theirs.toml"

    def theirs(*words: str, check: bool = True):
        return study(clone, "--study", "theirs", *words, check=check)

    told = typed(clone, THEIRS).stdout
    assert re.search("^general +0[.][0-9]{3}$", told, re.MULTILINE)
    assert "One model, compared with none" in told
    assert 'models = "models/theirs/general.zip"' in toml.read_text()
    assert "[unpack]\nfolds = [0]\n" in toml.read_text() and "tile_step" not in toml.read_text()
    _, record = log_of(clone)["Unpack general, a release"]
    assert "models/theirs/general.zip" in record["inputs"]
    assert not re.search("^(missing|stale|failed)", theirs("status").stdout, re.MULTILINE)
    assert "nothing in common" in theirs("audit", "--leakage").stdout
    assert "identical" in theirs("verify", "unpack:general").stdout
    page = " ".join((clone / "derivatives/theirs/report/index.html").read_text().split())
    assert "of the release <code>models/theirs/general.zip</code>" in page
    assert "epochs" not in page.partition("<script")[0] and "0 of 0" not in page
    told = " ".join(theirs("methods").stdout.split())
    assert "The model is that of the release `models/theirs/general.zip`" in told
    git(clone, "rm", "-q", "models/theirs/general.zip")
    git(clone, "commit", "-q", "-m", "test: take the release away")
    failed = theirs("run", check=False)
    assert "no commit here has models/theirs/general.zip" in failed.stderr
