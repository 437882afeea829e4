"""The index of a history, on histories of every kind of tool; its lineages, gate and exports."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import prov.model
import pytest
import rocrate
from pydantic import TypeAdapter
from rocrate.rocrate import ROCrate

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.exports import FORMS, export, facts
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.lineage import Lineage, faults, stale, trace
from cordstudy.provenance.audit.views import as_text
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import read_records
from cordstudy.provenance.history.since import changed
from helpers import REPOSITORY, commit, git, run, study

CASES = "derivatives/tiny/evaluation/cases.tsv"


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A dataset made with plain DataLad: two runs in a chain, an unlocked output, a subdataset."""
    base = tmp_path_factory.mktemp("history")
    folder, source = base / "study", base / "source"
    for place in (source, folder):
        run("datalad", "-l", "error", "create", place, cwd=base)
        (place / ".gitattributes").write_text(
            "* annex.backend=SHA256E\n* annex.largefiles=anything\n*.txt annex.largefiles=nothing\n"
        )
    (source / "image.bin").write_text("voxels")
    (source / "other.bin").write_text("more voxels")
    run("datalad", "-l", "error", "save", "-m", "Add images", cwd=source)
    (folder / "a.txt").write_text("1\n")
    run("datalad", "-l", "error", "save", "-m", "Add a text", cwd=folder)
    run("datalad", "-l", "error", "clone", "-d", ".", source, "inputs/source", cwd=folder)
    record(
        folder,
        "First",
        "mkdir -p derivatives; cat a.txt inputs/source/image.bin > derivatives/one.bin",
        "derivatives/one.bin",
        "a.txt",
        "inputs/source/image.bin",
    )
    record(
        folder,
        "Second",
        "cat derivatives/one.bin a.txt > derivatives/two.bin",
        "derivatives/two.bin",
        "derivatives/*.bin",
        "a.txt",
    )
    return folder


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(original, tmp_path / "study", symlinks=True))


def record(folder: Path, message: str, script: str, output: str, *inputs: str) -> None:
    options = [word for path in inputs for word in ("-i", path)]
    run("datalad", "-l", "error", "run", "-m", message, *options, "-o", output, script, cwd=folder)


def save(folder: Path, message: str) -> None:
    run("datalad", "-l", "error", "save", "-m", message, cwd=folder)


def test_records_of_plain_datalad_have_their_producers_inputs_and_sources(made):
    history = History(made)
    assert history.producer("derivatives/two.bin").subject == "Second"
    lineage = trace(history, "derivatives/two.bin")
    assert [run.subject for run in lineage.runs.values()] == ["Second", "First"] and faults(
        lineage
    ) == []
    first = list(lineage.runs.values())[1]
    image = next(node for node in first.inputs if node.dataset)
    assert image.path == "inputs/source/image.bin" and image.key.startswith("SHA256E-s6--")
    assert image.dataset_commit == git(
        made / "inputs/source", "rev-parse", "HEAD"
    ) and image.url.endswith("/source")
    assert check(history) == []


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
    assert line.startswith("inputs/source/image.bin: ") and check(history) == [], (
        "stale, and still true"
    )
    lineage = trace(history, "derivatives/two.bin")
    assert faults(lineage) == [] and stale(lineage)[0].endswith(f"First: {line}")
    assert "stale since: inputs/source/image.bin: " in as_text(lineage, depth=None, width=120)


def test_reruns_unlocked_outputs_reverts_and_merges_keep_their_producers(made):
    run("datalad", "-l", "error", "unlock", "derivatives/one.bin", cwd=made)
    save(made, "Unlock")
    history = History(made)
    assert history.tree["derivatives/one.bin"].key.startswith("SHA256E-s8--"), (
        "a pointer file has a key"
    )
    assert history.producer("derivatives/one.bin").subject == "First" and check(history) == [], (
        "the same, unlocked"
    )
    git(made, "revert", "--no-edit", "HEAD")
    assert History(made).producer("derivatives/one.bin").subject == "First", (
        "its content is back as the record made it"
    )
    (made / "a.txt").write_text("2\n")
    save(made, "Change the text")
    run("datalad", "-l", "error", "rerun", "--since=", cwd=made)
    history = History(made)
    assert history.producer("derivatives/two.bin").record.chain and check(history) == []
    git(made, "checkout", "-q", "-b", "side", "HEAD~1")
    record(made, "Third", "echo 3 > derivatives/three.bin", "derivatives/three.bin")
    git(made, "checkout", "-q", "-")
    git(made, "merge", "-q", "--no-edit", "side")
    history = History(made)
    assert history.producer("derivatives/three.bin").subject == "Third"
    assert history.producer("derivatives/two.bin").record.chain
    assert len(list(history.records)) == 5


def test_a_run_in_a_folder_and_one_whose_command_commits_are_records_like_others(made):
    (made / "derivatives/below").mkdir()
    record(
        made / "derivatives/below", "In a folder", "cat ../one.bin > x.bin", "x.bin", "../one.bin"
    )
    record(
        made,
        "Commits itself",
        "echo 1 > derivatives/own.bin; datalad -l error save -m own",
        "derivatives/own.bin",
    )
    history = History(made)
    assert history.producer("derivatives/below/x.bin").subject == "In a folder"
    assert history.producer("derivatives/own.bin").subject == "Commits itself"
    assert [
        node.path
        for node in trace(history, "derivatives/below/x.bin")
        .runs[history.producer("derivatives/below/x.bin").id]
        .inputs
    ] == ["derivatives/one.bin"]


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
    lineage = trace(History(made), "derivatives/c.bin")
    (only,) = lineage.runs.values()
    assert only.subject == "Contained" and {"a.txt", "image.sif"} <= {
        node.path for node in only.inputs
    }


def test_a_record_in_a_sidecar_file_is_read_where_its_content_is_here(made):
    run(
        "datalad",
        "-l",
        "error",
        "run",
        "--sidecar",
        "yes",
        "-m",
        "Aside",
        "-o",
        "derivatives/s.bin",
        "echo s > derivatives/s.bin",
        cwd=made,
    )
    assert next(read_records(made)).outputs == ("derivatives/s.bin",)
    assert History(made).producer("derivatives/s.bin").subject == "Aside"
    run("git", "annex", "drop", "-q", "--force", ".datalad/runinfo", cwd=made)
    history = History(made)
    assert (
        history.producer("derivatives/s.bin") is None
        and "not here (datalad get" in history.commits[0].malformed
    )


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
    predictions = [path for path in files if "/predictions/" in path]
    assert predictions == [f"derivatives/tiny/predictions/general/epi/{case}.nii.gz"]
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
    assert page.count('class="card"') == page.count(
        "<rect "
    ) == 26 - 4 and "http://" not in page.replace("http://www.w3.org", "")


def test_an_honest_study_passes_the_gate_with_its_content(tiny):
    told = study(tiny, "audit", "--all", "--content").stdout
    assert "26 records: nothing found; annexed content here matches its keys" in told


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
    "an annexed object corrupted": (corrupt, "corrupted content", "checkpoint_final.pth"),
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
        amend('report/index.html"\n ]', 'report/x.html"\n ]'),
        "undeclared output",
        "index.html",
    ),
    "an extra file": (extra_file, "no record", "derivatives/tiny/notes.txt"),
    "an output removed": (remove_output, "output gone", CASES),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_named(tiny_copy, name):
    plant, kind, where = PLANTED[name]
    plant(tiny_copy)
    told = study(
        tiny_copy, "audit", "--all", *(["--content"] if "object" in name else []), check=False
    )
    assert told.returncode == 1, told.stdout
    found = [line for line in told.stdout.splitlines() if line.startswith(f"{kind} ")]
    assert found and any(where in line for line in found), told.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("move", "step", "why"),
    [
        (swap_input, "convert:epi", "code/studies/tiny/epi.json: "),
        (move_subdataset, "split", "inputs/tiny-epi/participants.tsv: "),
    ],
)
def test_what_has_moved_on_since_is_stale_and_not_false(tiny_copy, move, step, why):
    move(tiny_copy)
    assert "nothing found" in study(tiny_copy, "audit", "--all").stdout
    told = study(tiny_copy, "--study", "tiny", "status", check=False)
    (line,) = (line for line in told.stdout.splitlines() if line.split()[1] == step)
    assert (
        told.returncode == 1 and line.startswith("stale ") and f"its input changed: {why}" in line
    )
    assert "stale since: " in study(tiny_copy, "audit", CASES).stdout, "no broken chain"


def test_a_subdataset_that_is_left_behind_is_a_note_of_the_status(tiny_copy):
    leave_subdataset_behind(tiny_copy)
    assert "nothing found" in study(tiny_copy, "audit", "--all").stdout
    assert (
        "note: inputs/tiny-epi is installed at "
        in study(tiny_copy, "--study", "tiny", "status").stderr
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


def facts_of_crate(folder: Path) -> set[tuple]:
    """Runs as an RO-Crate tells them."""
    crate = ROCrate(folder)
    files = {e.id: (e["name"], e["identifier"]) for e in crate.get_entities() if e.type == "File"}
    return {
        (
            a.id[1:],
            a["description"],
            a["endTime"],
            frozenset(files[o.id] for o in listed(a.get("object"))),
            frozenset(files[o.id] for o in listed(a.get("result"))),
        )
        for a in crate.get_by_type("CreateAction")
    }


def listed(value) -> list:
    return value if isinstance(value, list) else [value] if value else []


def facts_of_bids(folder: Path) -> set[tuple]:
    """Runs as BIDS-Prov files tell them."""
    content = {
        p.stem.rpartition("_")[2]: json.loads(p.read_text()) for p in (folder / "prov").iterdir()
    }
    files = {
        e["Id"]: (e["AtLocation"], next(iter(e["Digest"].values())))
        for e in content["ent"]["Entities"]
    }
    made: dict[str, set] = {}
    for entity in content["ent"]["Entities"]:
        for activity in entity.get("GeneratedBy", []):
            made.setdefault(activity, set()).add(files[entity["Id"]])
    return {
        (
            a["Id"].rpartition("#")[2],
            a["Command"],
            a["EndedAtTime"],
            frozenset(files[u] for u in a["Used"] if u in files),
            frozenset(made.get(a["Id"], ())),
        )
        for a in content["act"]["Activities"]
    }


def facts_of_prov(folder: Path) -> set[tuple]:
    """Runs as PROV-JSONLD tells them."""
    document = prov.model.ProvDocument.deserialize(folder / "prov.jsonld", format="jsonld")

    def attribute(record, name: str) -> str:
        return next(str(value) for key, value in record.attributes if key.localpart == name)

    files = {
        str(e.identifier): (attribute(e, "path"), attribute(e, "held"))
        for e in document.get_records(prov.model.ProvEntity)
    }
    sides: dict[str, dict[str, set]] = {}
    for kind, name in ((prov.model.ProvUsage, "used"), (prov.model.ProvGeneration, "made")):
        for record in document.get_records(kind):
            args = {
                key.localpart: str(value)
                for key, value in record.formal_attributes
                if value is not None
            }
            sides.setdefault(args["activity"], {}).setdefault(name, set()).add(
                files[args["entity"]]
            )
    return {
        (
            str(a.identifier).rpartition(":")[2],
            attribute(a, "command"),
            attribute(a, "date"),
            frozenset(sides[str(a.identifier)].get("used", ())),
            frozenset(sides[str(a.identifier)].get("made", ())),
        )
        for a in document.get_records(prov.model.ProvActivity)
    }


READERS = {"rocrate": facts_of_crate, "bids": facts_of_bids, "prov": facts_of_prov}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_read_back_tells_every_run_with_all_that_it_read_and_made(tiny, tmp_path, form):
    history = History(tiny)
    told = study(tiny, "audit", "--format", form, "--out", tmp_path / form).stdout.split()
    assert told and all(Path(path).is_file() for path in told)
    expected = {
        (f.commit, f.command, f.date, frozenset(f.inputs), frozenset(f.outputs))
        for f in facts(history)
    }
    assert len(expected) == 26 and READERS[form](tmp_path / form) == expected
    again = export(history, form, tmp_path / "again")
    assert [p.read_bytes() for p in again] == [Path(path).read_bytes() for path in told], (
        "the same bytes again"
    )


@pytest.fixture(scope="module")
def validator(tmp_path_factory) -> Path:
    """Python with roc-validator, which needs an older rich than the study's environment."""
    folder = tmp_path_factory.mktemp("validator")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    run(folder / "bin/pip", "install", "-q", "roc-validator==0.13.0", cwd=folder)
    return folder / "bin/python"


@pytest.mark.slow
def test_the_ro_crate_is_a_valid_workflow_run_crate(tiny, tmp_path, validator):
    study(tiny, "audit", "--format", "rocrate", "--out", tmp_path)
    context = Path(rocrate.__file__).with_name("data") / "ro-crate.jsonld"
    script = REPOSITORY / "code/tests/validate_crate.py"
    run(validator, script, tmp_path, context, "workflow-run-crate", cwd=tmp_path)
    metadata = tmp_path / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"CreateAction"', '"Thing"'))
    failed = run(
        validator, script, tmp_path, context, "workflow-run-crate", cwd=tmp_path, check=False
    )
    assert failed.returncode == 1 and "MUST" in failed.stdout, "the validator finds what is wrong"
