"""The history of results as BIDS-Prov files (BEP028, a draft).

Owns: activities, entities, environments and software, a file each.
Does not own: what is told (`facts`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cordstudy.provenance.audit.facts import Fact, File, Told, entity_name

Tree = dict[str, object]
"""A JSON object."""
SOFTWARE = "bids::prov#software"


def bids(told: Told) -> dict[str, str]:
    """The texts of the four files."""
    return {
        "prov/prov-study_act.json": _text(Activities=[_activity(fact) for fact in told.facts]),
        "prov/prov-study_ent.json": _text(Entities=_entities(told)),
        "prov/prov-study_env.json": _text(Environments=_environments(told)),
        "prov/prov-study_soft.json": _text(Software=[_software(told)]),
    }


def _text(**content: list[Tree]) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _activity_id(commit: str) -> str:
    return f"bids::prov#{commit}"


def _environment_id(lock: str) -> str:
    return f"bids::prov#environment-{lock}"


def _entity_id(file: File) -> str:
    return f"bids::{entity_name(file)}"


def _activity(fact: Fact) -> Tree:
    return {
        "Id": _activity_id(fact.commit),
        "Label": fact.subject,
        "Command": fact.command,
        "AssociatedWith": SOFTWARE,
        "Agent": fact.author,
        "EndedAtTime": fact.date,
        "Used": [_environment_id(fact.environment), *map(_entity_id, fact.inputs)],
    }


def _entities(told: Told) -> list[Tree]:
    """Each file in each state that it was read or made in, with the newest run that made it."""
    makers: dict[File, str] = {}
    files: set[File] = set()
    for fact in told.facts:
        files.update(fact.inputs, fact.outputs)
        makers.update(dict.fromkeys(fact.outputs, fact.commit))
    return [_entity(file, makers) for file in sorted(files)]


def _entity(file: File, makers: Mapping[File, str]) -> Tree:
    path, held = file
    entity: Tree = {
        "Id": _entity_id(file),
        "Label": path.rpartition("/")[2],
        "AtLocation": path,
        "Digest": {"git-annex" if "--" in held else "git": held},
    }
    if file in makers:
        entity["GeneratedBy"] = [_activity_id(makers[file])]
    return entity


def _environments(told: Told) -> list[Tree]:
    locks = {fact.environment for fact in told.facts}
    return [_environment(lock, told.profile.lock) for lock in sorted(locks)]


def _environment(lock: str, path: str) -> Tree:
    return {"Id": _environment_id(lock), "Label": path, "Digest": {"git": lock}}


def _software(told: Told) -> Tree:
    return {"Id": SOFTWARE, "Label": told.profile.launcher, "Version": told.head}
