"""Exports: read back, they tell every run with all that it read and made."""

import json
import sys
from pathlib import Path

import prov.model
import pytest
import rocrate
from rocrate.rocrate import ROCrate

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.exports import FORMS, export
from cordstudy.provenance.audit.facts import facts
from cordstudy.provenance.history.index import History
from helpers import REPOSITORY, RETIRED, run, steps_of, study


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
        if a["instrument"] is not crate.mainEntity  # that is all runs together
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


VALIDATORS = ("roc-validator==0.13.0", "runcrate==0.6.2")
PROFILE_CHAIN = "ro-crate process-run-crate workflow-ro-crate workflow-run-crate"
"""What a provenance run crate has to be too."""
READERS = {"rocrate": facts_of_crate, "bids": facts_of_bids, "prov": facts_of_prov}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_read_back_tells_every_run_with_all_that_it_read_and_made(tiny, tmp_path, form):
    history = History(tiny)
    told = study(tiny, "audit", "--format", form, "--out", tmp_path / form).stdout.split()
    assert told and all(Path(path).is_file() for path in told)
    expected = {
        (f.commit, f.command, f.date, frozenset(f.inputs), frozenset(f.outputs))
        for f in facts(history, PROFILE).facts
    }
    steps = [*steps_of(tiny), *steps_of(tiny, "phantom")]  # which the repository holds recorded
    assert len(expected) == len(steps) + RETIRED and READERS[form](tmp_path / form) == expected
    again = export(history, form, tmp_path / "again", profile=PROFILE)
    assert [p.read_bytes() for p in again] == [Path(path).read_bytes() for path in told], (
        "the same bytes again"
    )


@pytest.fixture(scope="module")
def validator(tmp_path_factory) -> Path:
    """Python with roc-validator and runcrate, which need older packages than the study's."""
    folder = tmp_path_factory.mktemp("validator")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    run(folder / "bin/pip", "install", "-q", *VALIDATORS, cwd=folder)
    return folder / "bin/python"


@pytest.mark.slow
def test_the_ro_crate_is_a_valid_provenance_run_crate(tiny, tmp_path, validator):
    study(tiny, "audit", "--format", "rocrate", "--out", tmp_path)
    context = Path(rocrate.__file__).with_name("data") / "ro-crate.jsonld"
    script = REPOSITORY / "code/tests/validate_crate.py"
    words = (validator, script, tmp_path, context, "provenance-run-crate")
    valid = run(*words, cwd=tmp_path)
    assert set(PROFILE_CHAIN.split()) <= set(valid.stdout.split())
    metadata = tmp_path / "ro-crate-metadata.json"
    text = metadata.read_text()
    metadata.write_text(text.replace('"CreateAction"', '"Thing"'))
    failed = run(*words, cwd=tmp_path, check=False)
    assert failed.returncode == 1 and "MUST" in failed.stdout, "the validator finds what is wrong"
    metadata.write_text(text)
    report = run(validator.with_name("runcrate"), "report", tmp_path, cwd=tmp_path).stdout
    for commit, *_ in facts_of_crate(tmp_path):
        assert f"action: #{commit}\n  step: #step-" in report
