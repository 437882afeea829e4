"""Exports: read back, they tell every run with all that it read and made."""

import json
import re
import sys
from datetime import datetime
from pathlib import Path

import prov.model
import pytest
import rocrate
from bidsschematools.schema import load_schema
from rocrate.rocrate import ROCrate

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.exports import FORMS, export
from cordstudy.provenance.audit.facts import facts
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import Profile
from helpers import REPOSITORY, RETIRED, run, steps_of, study


def facts_of_crate(folder: Path) -> set[tuple]:
    """Runs as an RO-Crate tells them."""
    crate = ROCrate(folder)
    files = {e.id: (e["name"], e["identifier"]) for e in crate.get_entities() if e.type == "File"}
    return {
        (
            a.id[1:],
            a["description"],
            datetime.fromisoformat(a["endTime"]),
            frozenset(files[o.id] for o in listed(a.get("object"))),
            frozenset(files[o.id] for o in listed(a.get("result"))),
        )
        for a in crate.get_by_type("CreateAction")
        if a["instrument"] is not crate.mainEntity  # that is all runs together
    }


def listed(value) -> list:
    return value if isinstance(value, list) else [value] if value else []


def bids_prov(folder: Path) -> dict[str, list[dict]]:
    """The objects of BIDS-Prov files, by the suffix of their file."""
    files = sorted((folder / "prov").glob("prov-study_*.json"))
    content = [json.loads(path.read_text()) for path in files]
    return {
        path.stem.rpartition("_")[2]: objects
        for path, told in zip(files, content)
        for objects in told.values()
    }


def facts_of_bids(folder: Path) -> set[tuple]:
    """Runs as BIDS-Prov files tell them."""
    told = bids_prov(folder)
    files = {}
    made: dict[str, set] = {}
    for file in told["ent"]:
        digest = file["Digest"]
        files[file["Id"]] = (file["AtLocation"], digest.get("git-annex") or digest["git"])
        for activity in file.get("GeneratedBy", []):
            made.setdefault(activity, set()).add(files[file["Id"]])
    return {
        (
            a["Id"].rpartition("#run-")[2],
            a["Command"],
            datetime.fromisoformat(a["EndedAtTime"]),
            frozenset(files[u] for u in a["Used"] if u in files),
            frozenset(made.get(a["Id"], ())),
        )
        for a in told["act"]
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
            datetime.fromisoformat(attribute(a, "date")),
            frozenset(sides[str(a.identifier)].get("used", ())),
            frozenset(sides[str(a.identifier)].get("made", ())),
        )
        for a in document.get_records(prov.model.ProvActivity)
    }


VALIDATORS = ("roc-validator==0.13.0", "runcrate==0.6.2")
DEPOSITS = ("rocrate-inveniordm==2.1.0", "rocrate-zenodo==0.1.1")
CONTEXT = Path(rocrate.__file__).with_name("data") / "ro-crate.jsonld"
PROFILE_CHAIN = "ro-crate process-run-crate workflow-ro-crate workflow-run-crate"
"""What a provenance run crate has to be too."""
BIDS_URI = r"bids::[^#\s]+#[^#\s]+"
OF_OTHERS = r"bids::prov#[a-z]+-[0-9a-f]{40}"
READERS = {"rocrate": facts_of_crate, "bids": facts_of_bids, "prov": facts_of_prov}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_read_back_tells_every_run_with_all_that_it_read_and_made(tiny, tmp_path, form):
    history = History(tiny)
    told = study(tiny, "audit", "--format", form, "--out", tmp_path / form).stdout.split()
    assert told and all(Path(path).is_file() for path in told)
    expected = {
        (
            f.commit,
            f.command,
            datetime.fromisoformat(f.date),
            frozenset(f.inputs),
            frozenset(f.outputs),
        )
        for f in facts(history, PROFILE).facts
    }
    steps = [*steps_of(tiny), *steps_of(tiny, "phantom")]  # which the repository holds recorded
    assert len(expected) == len(steps) + RETIRED and READERS[form](tmp_path / form) == expected
    again = export(history, form, tmp_path / "again", profile=PROFILE)
    assert [p.read_bytes() for p in again] == [Path(path).read_bytes() for path in told], (
        "the same bytes again"
    )


def test_bids_prov_is_as_the_text_of_bep028_has_it(small, tmp_path):
    run(
        "datalad", "-l", "error", "run", "-m", "Count", "-i", "notes.txt", "-o", "a b.txt",
        "wc -c < notes.txt > 'a b.txt'", cwd=small,
    )  # fmt: skip
    export(History(small), "bids", tmp_path, profile=Profile())
    labels = (tmp_path / "prov/provenance.tsv").read_text().splitlines()
    assert labels[0].split("\t") == ["provenance_id", "description"]
    assert [line.split("\t")[0] for line in labels[1:]] == ["prov-study"]
    told = bids_prov(tmp_path)
    known = {thing["Id"] for things in told.values() for thing in things}
    formats = load_schema().objects.formats
    for suffix, things in told.items():
        for thing in things:
            form = BIDS_URI if suffix == "ent" else OF_OTHERS
            assert thing["Label"] and re.fullmatch(form, thing["Id"]), thing
            # the pattern has no %, which its description allows
            assert re.fullmatch(formats.bids_uri.pattern, thing["Id"].replace("%20", "-"))
    [activity] = told["act"]
    assert re.fullmatch(formats.datetime.pattern, activity["EndedAtTime"])
    assert {activity["AssociatedWith"], *activity["Used"]} <= known
    assert [file for file in told["ent"] if file.get("GeneratedBy") == [activity["Id"]]]
    assert all("Digest" in file and file["AtLocation"] for file in told["ent"])


@pytest.fixture(scope="module")
def validator(tmp_path_factory) -> Path:
    """Python with the tools that read crates, which need older packages than the study's."""
    folder = tmp_path_factory.mktemp("validator")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    run(folder / "bin/pip", "install", "-q", *VALIDATORS, *DEPOSITS, cwd=folder)
    return folder / "bin/python"


@pytest.mark.slow
def test_the_ro_crate_is_a_valid_provenance_run_crate(tiny, tmp_path, validator):
    study(tiny, "audit", "--format", "rocrate", "--out", tmp_path)
    script = REPOSITORY / "code/tests/validate_crate.py"
    words = (validator, script, tmp_path, CONTEXT, "provenance-run-crate")
    valid = run(*words, cwd=tmp_path)
    assert set(PROFILE_CHAIN.split()) <= set(valid.stdout.split())
    report = run(validator.with_name("runcrate"), "report", tmp_path, cwd=tmp_path).stdout
    for commit, *_ in facts_of_crate(tmp_path):
        assert f"action: #{commit}\n  step: #step-" in report


CITATION = """\
title: A study
abstract: What it asks.
authors:
  - family-names: Bar
    given-names: Foo
    orcid: https://orcid.org/0000-0002-1825-0097
    affiliation: A lab
  - name: The others
license: [CC-BY-4.0, MIT]
version: 1.0
date-released: 2026-01-02
keywords: [cord]
"""
ORCID = "0000-0002-1825-0097"
ZENODO = """\
import sys
from rocrate.rocrate import ROCrate
from rocrate_zenodo.upload import build_zenodo_metadata_from_crate as told
print(told(ROCrate(sys.argv[1])).json(exclude_none=True))
"""


@pytest.mark.slow
def test_the_ro_crate_is_deposited_under_the_names_of_those_whom_citation_names(
    small, tmp_path, validator
):
    cited = small / "CITATION.cff"
    cited.write_text(CITATION)
    run("git", "-c", "annex.largefiles=nothing", "add", cited, cwd=small)
    run("git", "commit", "-q", "-m", "Say how it is cited", cwd=small)
    run("datalad", "-l", "error", "run", "-m", "Make", "-o", "b.txt", "echo > b.txt", cwd=small)
    crate = tmp_path / "crate"
    export(History(small), "rocrate", crate, profile=Profile(launcher="code/study"))
    tool = validator.with_name("rocrate_inveniordm")
    run(tool, "--no-upload", crate, cwd=tmp_path, INVENIORDM_BASE_URL="https://none.invalid")
    record = json.loads((tmp_path / "datacite-out.json").read_text())["metadata"]
    assert ":unkn" not in json.dumps(record)
    person, group = record["creators"]
    assert person["person_or_org"] == {
        "type": "personal",
        "name": "Foo Bar",
        "family_name": "Bar",
        "given_name": "Foo",
        "identifiers": [{"scheme": "orcid", "identifier": ORCID}],
    }
    assert person["affiliations"] == [{"name": "A lab"}]
    assert group["person_or_org"]["type"] == "organizational"
    assert group["person_or_org"]["name"] == "The others"
    told = {key: record[key] for key in ("title", "publication_date", "version", "publisher")}
    assert list(told.values()) == ["A study", "2026-01-02", "1.0", "Foo Bar"]
    assert record["rights"][0]["id"] == "cc-by-4.0"
    assert record["subjects"] == [{"subject": "cord"}]
    zenodo = json.loads(run(validator, "-c", ZENODO, crate, cwd=tmp_path).stdout)
    assert zenodo["title"] == "A study" and zenodo["license"] == "cc-by-4.0"
    assert zenodo["creators"] == [
        {"name": "Bar, Foo", "affiliation": "A lab", "orcid": ORCID},
        {"name": "The others,"},
    ]
    words = (validator, REPOSITORY / "code/tests/validate_crate.py", crate, CONTEXT)
    run(*words, "provenance-run-crate", cwd=tmp_path)
    metadata = crate / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"CreateAction"', '"Thing"'))
    failed = run(*words, "provenance-run-crate", cwd=tmp_path, check=False)
    assert failed.returncode == 1 and "MUST" in failed.stdout, "the validator finds what is wrong"


def test_a_dataset_that_says_nothing_of_itself_is_told_of_as_one(small, tmp_path):
    run("datalad", "-l", "error", "run", "-m", "Make", "-o", "b.txt", "echo > b.txt", cwd=small)
    export(History(small), "rocrate", tmp_path, profile=Profile())
    root = ROCrate(tmp_path).root_dataset
    assert "author" not in root and "MIT" not in root["license"] and root["name"]
    cited = small / "CITATION.cff"
    cited.write_text("title: [")
    run("git", "-c", "annex.largefiles=nothing", "add", cited, cwd=small)
    run("git", "commit", "-q", "-m", "Say nothing", cwd=small)
    with pytest.raises(StudyError, match=r"^CITATION\.cff: "):
        export(History(small), "rocrate", tmp_path / "again", profile=Profile())
