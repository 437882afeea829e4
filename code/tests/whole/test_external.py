"""Models of one study judged on other test sets, as a recorded study of their own."""

import csv
import re

import pytest

from helpers import commit, git, log_of, study

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

[datasets.basel]
number = 508
path = "inputs/tiny-basel"
role = "test"
phantom = "basel-mp2rage"
phantom_participants = 2
images = ["anat/UNIT1"]
labels = "derivatives/labels"
mask = "{stem}_label-SC_seg"
"""


def test_the_models_of_a_study_are_judged_on_new_test_sets_with_a_record_of_each_step(tiny_copy):
    trained = git(tiny_copy, "rev-parse", "HEAD:models/tiny")
    (tiny_copy / "code/studies/other.toml").write_text(TOML)
    commit(tiny_copy, "test: add a study that trains nothing", "code/studies/other.toml")

    def other(*words: str) -> str:
        return study(tiny_copy, "--study", "other", *words).stdout

    assert "predict:general" in other("run", "--dry-run", "predict:general")
    printed = other("run", "--jobs", "2")
    assert "epi-again" in printed and "general" in printed
    assert git(tiny_copy, "rev-parse", "HEAD:models/tiny") == trained
    assert "models/other" not in git(tiny_copy, "ls-files")
    _, record = log_of(tiny_copy)["Predict 2 test sets with general"]
    assert any(path.startswith("models/tiny/general/") for path in record["inputs"])
    with (tiny_copy / "derivatives/other/evaluation/comparisons.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    primary = {row["testset"] for row in rows if row["role"] == "primary"}
    assert primary == {"epi-again", "basel"}, "no model has seen them"
    assert not re.search("^(missing|stale|failed)", other("status"), re.MULTILINE)
    assert "nothing in common" in other("audit", "--leakage")
    page = (tiny_copy / "derivatives/other/report/index.html").read_text()
    assert "They are those of the <b>tiny</b> study" in " ".join(page.split())
    assert "<h1>How well do the models of the tiny study do on other images?</h1>" in page
    told = " ".join(other("methods").split())
    assert 'The models are those of the study "tiny"' in told and "epochs of 4 batches" in told
