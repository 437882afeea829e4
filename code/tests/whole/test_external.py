"""Models of one study judged on other test sets, as a recorded study of their own."""

import csv
import re

import pytest

from cordstudy.study.loading import load_study
from cordstudy.study.steps import steps
from helpers import commit, git, log_of, study
from here import run_here

pytestmark = pytest.mark.slow
TOML = """
models = "tiny"

[datasets.epi-again]
number = 507
path = "inputs/tiny-more-epi"
role = "test"
phantom = "ds005143"
phantom_participants = 3
columns = { sex = "age", age = "sex" }
images = ["func/task-rest_rec-MoCoMean_bold"]
labels = "derivatives/label"
mask = "{subject}_task-rest_desc-spinalcordmask"
"""


def test_the_models_of_a_study_are_judged_on_new_test_sets(tiny_copy, tmp_path, monkeypatch):
    """Steps up to the masks of one model are recorded, the others run here."""
    trained = git(tiny_copy, "rev-parse", "HEAD:models/tiny")
    (tiny_copy / "code/studies/other.toml").write_text(TOML)
    commit(tiny_copy, "test: add a study that trains nothing", "code/studies/other.toml")

    def other(*words: str) -> str:
        return study(tiny_copy, "--study", "other", *words).stdout

    other("run", "--jobs", "2", "predict:general")
    assert git(tiny_copy, "rev-parse", "HEAD:models/tiny") == trained
    assert "models/other" not in git(tiny_copy, "ls-files")
    _, record = log_of(tiny_copy)["Predict 1 test sets with general"]
    assert any(path.startswith("models/tiny/general/") for path in record["inputs"])
    told = study(tiny_copy, "--study", "other", "status", check=False).stdout
    assert not re.search("^(stale|failed)", told, re.MULTILINE)
    done = {line.split()[1] for line in told.splitlines() if line.startswith("done")}
    assert done == {"split", "convert:epi-again", "predict:general"}

    monkeypatch.chdir(tiny_copy)
    monkeypatch.setenv("CORDSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CORDSTUDY_WORKERS", "1")
    for step in steps(load_study(tiny_copy, "other")):
        if str(step.name) not in done:
            run_here(step)
    with (tiny_copy / "derivatives/other/evaluation/comparisons.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    primary = {row["testset"] for row in rows if row["role"] == "primary"}
    assert primary == {"epi-again"}, "no model has seen it"
    assert "nothing in common" in other("audit", "--leakage")
    page = " ".join((tiny_copy / "derivatives/other/report/index.html").read_text().split())
    assert "They are those of the <b>tiny</b> study" in page
    assert "<h1>How well do the models of the tiny study do on other images?</h1>" in page
