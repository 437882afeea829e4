"""Lineages: every run behind a file or a cell of a table, down to sources."""

import json

import jsonschema
import pytest
from pydantic import TypeAdapter

from browser import CHROMIUM, violations
from cordstudy.base.errors import StudyError
from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.lineage import Lineage, faults, stale, trace
from cordstudy.provenance.audit.views import as_text
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.since import changed
from helpers import REPOSITORY, git, run, study
from plain import save

CASES = "derivatives/tiny/evaluation/cases.tsv"


def test_records_of_plain_datalad_have_their_producers_inputs_and_sources(made):
    history = History(made)
    assert history.producer("derivatives/two.bin").subject == "Second"
    lineage = trace(history, "derivatives/two.bin", profile=PROFILE)
    assert [run.subject for run in lineage.runs.values()] == ["Second", "First"] and faults(
        lineage
    ) == []
    first = list(lineage.runs.values())[1]
    image = next(node for node in first.inputs if node.dataset)
    assert image.path == "inputs/source/image.bin" and image.key.startswith("SHA256E-s6--")
    assert image.dataset_commit == git(
        made / "inputs/source", "rev-parse", "HEAD"
    ) and image.url.endswith("/source")
    assert check(history, profile=PROFILE) == []


def test_a_change_in_a_subdataset_matters_only_where_its_paths_were_read(made):
    source = made / "inputs/source"
    (source / "notes.txt").write_text("x")
    save(source, "Add notes")
    save(made, "Move the pin")
    history = History(made)
    assert changed(history, history.producer("derivatives/one.bin")) == []
    run("datalad", "-l", "error", "unlock", "image.bin", cwd=source)
    (source / "image.bin").write_text("other voxels")
    save(source, "Change an image")
    save(made, "Move the pin again")
    history = History(made)
    (line,) = changed(history, history.producer("derivatives/one.bin"))
    assert line.startswith("inputs/source/image.bin: ") and check(history, profile=PROFILE) == [], (
        "stale, and still true"
    )
    lineage = trace(history, "derivatives/two.bin", profile=PROFILE)
    assert faults(lineage) == [] and stale(lineage)[0].endswith(f"First: {line}")
    assert "stale since: inputs/source/image.bin: " in as_text(lineage, depth=None, width=120)


def test_the_image_of_a_containers_run_is_an_input(made):
    (made / "image.sif").write_text("an image")
    save(made, "Add an image")
    run(
        "datalad",
        "-l",
        "error",
        "containers-add",
        "box",
        "-i",
        "image.sif",
        "--call-fmt",
        "{cmd}",
        cwd=made,
    )
    run(
        "datalad",
        "-l",
        "error",
        "containers-run",
        "-n",
        "box",
        "-m",
        "Contained",
        "-i",
        "a.txt",
        "-o",
        "derivatives/c.bin",
        "cat a.txt > derivatives/c.bin",
        cwd=made,
    )
    lineage = trace(History(made), "derivatives/c.bin", profile=PROFILE)
    (only,) = lineage.runs.values()
    assert only.subject == "Contained" and {"a.txt", "image.sif"} <= {
        node.path for node in only.inputs
    }


def test_a_dataset_without_records_is_told_of_file_by_file_and_a_shallow_clone_refused(
    made, tmp_path, tiny
):
    told = study(tiny, "audit", "--all", "--dataset", made / "inputs/source", check=False)
    assert told.returncode == 1 and told.stdout.count("no record made it") == 2
    told = study(tiny, "audit", "image.bin", "--dataset", made / "inputs/source", check=False)
    assert "no record made it" in told.stdout and told.returncode == 1
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{made}", "shallow")
    with pytest.raises(StudyError, match="shallow clone"):
        History(tmp_path / "shallow")


def test_a_cell_of_a_table_leads_to_prediction_checkpoint_training_cases_and_sources(tiny):
    case = next(
        line.split("\t")[3] for line in (tiny / CASES).read_text().splitlines() if "\tepi\t" in line
    )
    told = study(
        tiny, "audit", f"{CASES}:case_id={case},model=general,replicate=1", "--format", "json"
    ).stdout
    content = json.loads(told)
    assert content["faults"] == [] and [row["case_id"] for row in content["rows"]] == [case]
    subjects = {run["subject"] for run in content["runs"].values()}
    assert (
        "Train general, fold 0, for 4 steps" in subjects
        and "Train inspired, fold 0, for 4 steps" not in subjects
    )
    files = {node["path"] for run in content["runs"].values() for node in run["inputs"]}
    made = "derivatives/tiny/predictions/general"
    predictions = {path.removeprefix(f"{made}/") for path in files if "/predictions/" in path}
    others = {f"other_components/{name}" for name in (f"{case}.nii.gz", "components.tsv")}
    assert predictions == {f"epi/{case}.nii.gz", *others}
    trained = [
        n
        for r in content["runs"].values()
        for n in r["inputs"]
        if "imagesTr" in n["path"] and r["subject"].startswith("Train")
    ]
    assert len(trained) == 7 and all(node["key"].startswith("SHA256E-") for node in trained)
    source = [
        node
        for run in content["runs"].values()
        for node in run["inputs"]
        if node["dataset"] == "inputs/tiny-inspired"
    ]
    assert source and all(len(node["dataset_commit"]) == 40 for node in source)
    schema = json.loads((REPOSITORY / "code/docs/lineage.schema.json").read_text())
    jsonschema.validate(content, schema)
    assert schema["$defs"] == TypeAdapter(Lineage).json_schema()["$defs"]


def test_the_tree_fits_and_stops_where_told_and_the_page_holds_every_run(tiny):
    whole = study(tiny, "audit", CASES).stdout
    assert max(map(len, whole.splitlines())) <= 120 and "the chain is whole" in whole
    shallow = study(tiny, "audit", CASES, "--depth", "0").stdout
    assert len(shallow.splitlines()) < 6 and "Judge every prediction …" in shallow
    page = study(tiny, "audit", CASES, "--format", "html").stdout
    runs = json.loads(study(tiny, "audit", CASES, "--format", "json").stdout)["runs"]
    assert page.count('class="run"') == len(runs) > 10
    sources = page.count('class="source"')
    assert sources > 1 and page.count('class="card"') == page.count("<rect ") == len(runs) + sources
    assert page.count("<line ") >= len(runs) - 1 + sources and "marker-end" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH")
def test_axe_finds_nothing_in_the_page_of_a_lineage(tmp_path):
    table = "derivatives/phantom/nnunet-raw/Dataset506_epi/cases.tsv"
    page = study(REPOSITORY, "audit", table, "--format", "html").stdout
    assert violations(page, tmp_path) == []
