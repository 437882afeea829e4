"""The history of results as BIDS-Prov files (BEP028, which no version of BIDS has yet).

Owns: activities, files, environments and software, a file each, and the table that names them.
Does not own: what is told (`facts`).

Identifiers are what BEP028 has them be: of a file in one of its states a BIDS URI with a fragment,
of all else `bids::prov#LABEL-UID`. Times are in UTC, as BIDS has them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from cordstudy.provenance.audit.facts import Fact, File, Told

Tree = dict[str, object]
"""A JSON object."""
LABELS = "provenance_id\tdescription\nprov-study\tThe runs that made the results\n"
SHA256 = ("SHA256-", "SHA256E-")


def bids(told: Told) -> dict[str, str]:
    """The texts of the files."""
    activities = [_activity(fact, _software_id(told.head)) for fact in told.facts]
    return {
        "prov/provenance.tsv": LABELS,
        "prov/prov-study_act.json": _text(Activities=activities),
        "prov/prov-study_ent.json": _text(Files=_files(told)),
        "prov/prov-study_env.json": _text(Environments=_environments(told)),
        "prov/prov-study_soft.json": _text(Software=[_software(told)]),
    }


def _text(**content: list[Tree]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _activity_id(commit: str) -> str:
    return f"bids::prov#run-{commit}"


def _software_id(head: str) -> str:
    return f"bids::prov#launcher-{head}"


def _environment_id(lock: str) -> str:
    return f"bids::prov#environment-{lock}"


def _file_id(file: File) -> str:
    path, held = file
    return f"bids::{quote(path, errors='surrogateescape')}#{quote(held, errors='surrogateescape')}"


def _in_utc(date: str) -> str:
    return datetime.fromisoformat(date).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _activity(fact: Fact, software: str) -> Tree:
    environment = [_environment_id(fact.environment)] if fact.environment else []
    return {
        "Id": _activity_id(fact.commit),
        "Label": fact.subject,
        "Command": fact.command,
        "AssociatedWith": software,
        "Agent": fact.author,
        "EndedAtTime": _in_utc(fact.date),
        "Used": [*environment, *map(_file_id, fact.inputs)],
    }


def _files(told: Told) -> list[Tree]:
    """Each file in each state that it was read or made in, with the newest run that made it."""
    makers: dict[File, str] = {}
    files: set[File] = set()
    for fact in told.facts:
        files.update(fact.inputs, fact.outputs)
        makers.update(dict.fromkeys(fact.outputs, fact.commit))
    return [_file(file, makers) for file in sorted(files)]


def _file(file: File, makers: Mapping[File, str]) -> Tree:
    path, held = file
    entity: Tree = {
        "Id": _file_id(file),
        "Label": path.rpartition("/")[2],
        "AtLocation": path,
        "Digest": _digest(held),
    }
    if file in makers:
        entity["GeneratedBy"] = [_activity_id(makers[file])]
    return entity


def _digest(held: str) -> Tree:
    """What tells content from other content: SHA-256 where the key has it, and what git has."""
    if "--" not in held:
        return {"git": held}
    if held.startswith(SHA256):
        return {"SHA-256": held.partition("--")[2].partition(".")[0], "git-annex": held}
    return {"git-annex": held}


def _environments(told: Told) -> list[Tree]:
    locks = {fact.environment for fact in told.facts if fact.environment}
    return [_environment(lock, told.profile.lock) for lock in sorted(locks)]


def _environment(lock: str, path: str) -> Tree:
    return {"Id": _environment_id(lock), "Label": path, "Digest": {"git": lock}}


def _software(told: Told) -> Tree:
    label = told.profile.launcher or "datalad run"
    return {"Id": _software_id(told.head), "Label": label, "Version": told.head}
