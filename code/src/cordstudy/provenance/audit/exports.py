"""The history of a study's results for other tools: RO-Crate, BIDS-Prov, W3C PROV.

Owns: what is told of each run (`facts`), and the files of the three exports.
Does not own: the index that it comes from (`history`), or the formats (rocrate and prov write theirs).

An input or output is told with its path and what it held: an annex key, or git's object id; a file of
a subdataset that is not installed, with the subdataset's commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.lineage import LOCK
from cordstudy.provenance.history.index import History, Input, InputBelow, RecordedCommit
from cordstudy.provenance.history.paths import matches

WORKFLOW = "code/study"
RUN_CRATES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
File = tuple[str, str]
"""A path and what it held."""


@dataclass(frozen=True)
class Fact:
    """One run: its commit, what it did, who when, what it read and made, its environment's lock."""

    commit: str
    subject: str
    command: str
    author: str
    date: str
    inputs: tuple[File, ...]
    outputs: tuple[File, ...]
    environment: str


def facts(history: History) -> list[Fact]:
    """All runs that made what is there now, oldest first."""
    return [_fact(history, commit) for commit in history.live]


def _fact(history: History, commit: RecordedCommit) -> Fact:
    read = dict(pair for item in history.inputs[commit.id] for pair in _held(history, item))
    made = {path: history.entry_after(commit.id, path) for path in history.outputs[commit.id]}
    return Fact(
        commit.id,
        commit.subject,
        commit.record.cmd,
        commit.author,
        commit.date,
        tuple(sorted(read.items())),
        tuple(sorted((path, entry.key or entry.object) for path, entry in made.items())),
        read.get(LOCK, ""),
    )


def _held(history: History, item: Input) -> Iterator[File]:
    if item.entry is None:
        return
    if not isinstance(item, InputBelow):
        yield item.path, item.entry.key or item.entry.object
        return
    tree = history.subtree(item.path, item.entry.object)
    if tree is None:
        yield item.spec, item.entry.object
        return
    for path in matches(tree, item.below):
        yield f"{item.path}/{path}", tree[path].key or tree[path].object


def export(history: History, form: str, out: Path) -> list[Path]:
    """Write one export into a folder; the files. Raises StudyError where one is there."""
    name, maker = FORMS[form]
    content = maker(facts(history), history.id)
    files = (
        {out / name: content}
        if isinstance(content, str)
        else {out / key: text for key, text in content.items()}
    )
    if taken := [path for path in files if path.exists()]:
        raise StudyError(f"{taken[0]} is there already", hint="choose another folder with --out")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(files)


def _entity(file: File) -> str:
    """The name of what a path held: two versions of a file are two entities."""
    return f"{file[0]}#{file[1]}"


def rocrate(told: Sequence[Fact], head: str) -> str:
    """The metadata of a Workflow Run RO-Crate: an action a run, and one for the whole study."""
    from rocrate.model import ContextEntity, DataEntity, Person
    from rocrate.rocrate import ROCrate

    crate = ROCrate(gen_preview=False, version="1.1")
    newest = max(fact.date for fact in told) if told else "1970-01-01T00:00:00+00:00"
    crate.name, crate.description = (
        "A study of spinal cord segmentation",
        f"Its runs, at commit {head}",
    )
    crate.license, crate.datePublished = "https://spdx.org/licenses/MIT", newest
    crate.root_dataset["conformsTo"] = [
        crate.add(
            ContextEntity(
                crate, uri, properties={"@type": "CreativeWork", "name": uri, "version": uri[-3:]}
            )
        )
        for uri in RUN_CRATES
    ]
    language = crate.add(
        ContextEntity(
            crate, "#language", properties={"@type": "ComputerLanguage", "name": "Python"}
        )
    )
    workflow = crate.add(
        DataEntity(
            crate,
            WORKFLOW,
            properties={
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
                "name": "code/study",
                "programmingLanguage": {"@id": language.id},
            },
        )
    )
    crate.mainEntity = workflow
    files: dict[File, DataEntity] = {}

    def entity(file: File) -> DataEntity:
        if file not in files:
            place = quote(_entity(file), safe="/#", errors="surrogateescape")
            about = {"@type": "File", "name": file[0], "identifier": file[1]}
            files[file] = crate.add(DataEntity(crate, place, properties=about))
        return files[file]

    people: dict[str, Person] = {}
    actions = []
    for fact in told:
        if fact.author not in people:
            name, _, mail = fact.author.partition(" <")
            people[fact.author] = crate.add(
                Person(crate, f"#{mail.rstrip('>') or name}", properties={"name": name})
            )
        actions.append(
            crate.add(
                ContextEntity(
                    crate,
                    f"#{fact.commit}",
                    properties={
                        "@type": "CreateAction",
                        "name": fact.subject,
                        "description": fact.command,
                        "endTime": fact.date,
                        "agent": {"@id": people[fact.author].id},
                        "instrument": {"@id": workflow.id},
                        "object": [{"@id": entity(file).id} for file in fact.inputs],
                        "result": [{"@id": entity(file).id} for file in fact.outputs],
                        "softwareRequirements": fact.environment,
                        "actionStatus": "http://schema.org/CompletedActionStatus",
                    },
                )
            )
        )
    crate.root_dataset["mentions"] = actions
    return json.dumps(crate.metadata.generate(), indent=1, sort_keys=True) + "\n"


def bids(told: Sequence[Fact], head: str) -> dict[str, str]:
    """BIDS-Prov files (BEP028): activities, entities, software and environments."""
    makers = {file: fact.commit for fact in told for file in fact.outputs}
    entities = {
        file: {
            "Id": f"bids::{_entity(file)}",
            "Label": file[0].rpartition("/")[2],
            "AtLocation": file[0],
            "Digest": {"git-annex" if "--" in file[1] else "git": file[1]},
        }
        for fact in told
        for file in (*fact.inputs, *fact.outputs)
    }
    for file, commit in makers.items():
        entities[file]["GeneratedBy"] = [f"bids::prov#{commit}"]
    locks = sorted({fact.environment for fact in told})
    content = {
        "act": {
            "Activities": [
                {
                    "Id": f"bids::prov#{fact.commit}",
                    "Label": fact.subject,
                    "Command": fact.command,
                    "AssociatedWith": "bids::prov#software",
                    "Agent": fact.author,
                    "EndedAtTime": fact.date,
                    "Used": [
                        f"bids::prov#environment-{fact.environment}",
                        *(f"bids::{_entity(f)}" for f in fact.inputs),
                    ],
                }
                for fact in told
            ]
        },
        "ent": {"Entities": [entities[file] for file in sorted(entities)]},
        "env": {
            "Environments": [
                {"Id": f"bids::prov#environment-{lock}", "Label": LOCK, "Digest": {"git": lock}}
                for lock in locks
            ]
        },
        "soft": {"Software": [{"Id": "bids::prov#software", "Label": WORKFLOW, "Version": head}]},
    }
    return {
        f"prov/prov-study_{kind}.json": json.dumps(value, indent=1, sort_keys=True) + "\n"
        for kind, value in content.items()
    }


def prov(told: Sequence[Fact], head: str) -> str:
    """A W3C PROV document as PROV-JSONLD."""
    from prov.model import ProvDocument

    document = ProvDocument()
    document.add_namespace("study", f"urn:cordstudy:{head}:")
    seen: dict[File, object] = {}

    def entity(file: File):
        if file not in seen:
            seen[file] = document.entity(
                f"study:entity-{len(seen)}", {"study:path": file[0], "study:held": file[1]}
            )
        return seen[file]

    agents: dict[str, object] = {}
    for fact in told:
        if fact.author not in agents:
            agents[fact.author] = document.agent(
                f"study:agent-{len(agents)}", {"study:name": fact.author}
            )
        activity = document.activity(
            f"study:{fact.commit}",
            None,
            fact.date,
            {
                "study:subject": fact.subject,
                "study:command": fact.command,
                "study:environment": fact.environment,
                "study:date": fact.date,
            },
        )
        document.wasAssociatedWith(activity, agents[fact.author])
        for file in fact.inputs:
            document.used(activity, entity(file))
        for file in fact.outputs:
            document.wasGeneratedBy(entity(file), activity)
    return document.serialize(format="jsonld", indent=1)


FORMS: Mapping[str, tuple[str, Callable]] = {
    "rocrate": ("ro-crate-metadata.json", rocrate),
    "bids": ("", bids),
    "prov": ("prov.jsonld", prov),
}
