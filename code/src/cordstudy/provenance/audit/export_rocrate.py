"""The history of results as a Provenance Run RO-Crate.

Owns: which entities there are and how they hang together.
Does not own: what is told (`facts`), or the format (rocrate writes it).

A run is an action of a tool, the command that it called; that command is a step of one workflow,
the dataset's launcher; all runs together are one action of the workflow, which the engine, DataLad,
organized.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from cordstudy.provenance.audit.facts import Fact, File, Told, entity_name
from cordstudy.provenance.citation import Author

if TYPE_CHECKING:
    from rocrate.model import ContextEntity, DataEntity, Person

NAME = "ro-crate-metadata.json"
RUN_CRATES = {
    "https://w3id.org/ro/wfrun/process/0.5": "0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5": "0.5",
    "https://w3id.org/ro/wfrun/provenance/0.5": "0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "1.0",
}
"""The profiles that the crate conforms to, with their versions."""
LICENSES = "https://spdx.org/licenses/"
NO_LICENSE = "no licence is told"
NO_DATE = "1970-01-01T00:00:00+00:00"
ORCIDS = "https://orcid.org/"
DONE = "http://schema.org/CompletedActionStatus"
WHOLE = "#all-runs"
"""The action that is all runs together."""


def rocrate(told: Told) -> dict[str, str]:
    """The metadata: an action a run, and one workflow for all of them."""
    crate = _Crate(told)
    for fact in told.facts:
        crate.add_action(fact)
    crate.add_whole(told)
    return {NAME: crate.text()}


def command_of(command: str, launcher: str) -> str:
    """What a run called: the launcher with the name of its command, or another program."""
    words = command.split()
    count = 2 if words[:1] == [launcher] else 1
    return " ".join(words[:count])


class _Crate:
    """A crate that grows, an action at a time."""

    def __init__(self, told: Told) -> None:
        from rocrate.rocrate import ROCrate

        self.crate = ROCrate(gen_preview=False, version="1.1")
        cited = told.cited
        self.crate.name = cited.title or told.profile.title or "A DataLad dataset"
        self.crate.description = f"{cited.abstract} Its runs, at commit {told.head}".strip()
        # text, no entity: of a licence's name and URL deposits take the one or the other
        self.crate.license = LICENSES + cited.license if cited.license else NO_LICENSE
        last = max((fact.date for fact in told.facts), default=NO_DATE)
        self.crate.datePublished = cited.released or last
        self._add_authors(cited.authors)
        for key, value in (("version", cited.version), ("keywords", list(cited.keywords))):
            if value:
                self.crate.root_dataset[key] = value
        profiles = [self._add_profile(uri, version) for uri, version in RUN_CRATES.items()]
        self.crate.root_dataset["conformsTo"] = profiles
        self.workflow = self._add_workflow(told.profile.launcher)
        self.crate.mainEntity = self.workflow
        self.launcher = told.profile.launcher
        self.files: dict[File, DataEntity] = {}
        self.people: dict[str, Person] = {}
        self.tools: dict[str, ContextEntity] = {}
        self.steps: dict[str, ContextEntity] = {}
        self.actions: list[ContextEntity] = []
        self.controls: list[ContextEntity] = []

    def _add_profile(self, uri: str, version: str) -> ContextEntity:
        about = {"@type": "CreativeWork", "name": uri, "version": version}
        return self._add_context(uri, about)

    def _add_authors(self, authors: Sequence[Author]) -> None:
        """Say who the root is by, and by whom it is given to others: the first of them."""
        ids = [{"@id": self._add_author(author).id} for author in authors]
        if ids:
            self.crate.root_dataset["author"] = ids
            self.crate.root_dataset["publisher"] = ids[0]

    def _add_author(self, author: Author) -> ContextEntity:
        about: dict[str, object] = {"@type": "Organization", "name": author.name}
        if author.family:
            about |= {"@type": "Person", "familyName": author.family, "givenName": author.given}
        if author.affiliation:
            group = {"@type": "Organization", "name": author.affiliation}
            identifier = f"#group-{quote(author.affiliation, safe='')}"
            about["affiliation"] = {"@id": self._add_context(identifier, group).id}
        identifier = f"#author-{quote(author.name, safe='')}"
        return self._add_context(ORCIDS + author.orcid if author.orcid else identifier, about)

    def _add_context(self, identifier: str, about: Mapping[str, object]) -> ContextEntity:
        from rocrate.model import ContextEntity

        return self.crate.add(ContextEntity(self.crate, identifier, properties=dict(about)))

    def _add_data(self, place: str, about: Mapping[str, object]) -> DataEntity:
        from rocrate.model import DataEntity

        return self.crate.add(DataEntity(self.crate, place, properties=dict(about)))

    def _add_workflow(self, launcher: str) -> DataEntity:
        about = {"@type": "ComputerLanguage", "name": "Python"}
        language = self._add_context("#language", about)
        return self._add_data(
            launcher,
            {
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
                "name": launcher,
                "programmingLanguage": {"@id": language.id},
            },
        )

    def add_action(self, fact: Fact) -> None:
        """Add a run, and whom and what it needs that is not there yet."""
        called = command_of(fact.command, self.launcher)
        self._add_step(called)
        about = {
            "@type": "CreateAction",
            "name": fact.subject,
            "description": fact.command,
            "endTime": fact.date,
            "agent": {"@id": self._person(fact.author).id},
            "instrument": {"@id": self.tools[called].id},
            "object": [{"@id": self._file(file).id} for file in fact.inputs],
            "result": [{"@id": self._file(file).id} for file in fact.outputs],
            "softwareRequirements": fact.environment,
            "actionStatus": DONE,
        }
        self.actions.append(self._add_context(f"#{fact.commit}", about))
        control = {
            "@type": "ControlAction",
            "name": f"orchestrate {fact.subject}",
            "instrument": {"@id": self.steps[called].id},
            "object": {"@id": self.actions[-1].id},
            "actionStatus": DONE,
        }
        self.controls.append(self._add_context(f"#control-{fact.commit}", control))

    def _add_step(self, called: str) -> None:
        """Add a command, as a tool and as a step of the workflow, if it is not there yet."""
        if called in self.tools:
            return
        tool = {"@type": "SoftwareApplication", "name": called}
        self.tools[called] = self._add_context(f"#tool-{quote(called, safe='')}", tool)
        step = {
            "@type": "HowToStep",
            "name": called,
            "position": str(len(self.tools)),
            "workExample": {"@id": self.tools[called].id},
        }
        self.steps[called] = self._add_context(f"#step-{quote(called, safe='')}", step)

    def add_whole(self, told: Told) -> None:
        """Add all runs as one action of the workflow, which read what none of them made."""
        self.workflow["hasPart"] = list(self.tools.values())
        self.workflow["step"] = list(self.steps.values())
        if not told.facts:
            return
        made = {file for fact in told.facts for file in fact.outputs}
        read = {file for fact in told.facts for file in fact.inputs}
        about = {
            "@type": "CreateAction",
            "name": f"all {len(told.facts)} runs of {self.crate.name}",
            "endTime": max(fact.date for fact in told.facts),
            "agent": [{"@id": person.id} for person in self.people.values()],
            "instrument": {"@id": self.workflow.id},
            "object": [{"@id": self._file(file).id} for file in sorted(read - made)],
            "result": [{"@id": self._file(file).id} for file in sorted(made)],
            "actionStatus": DONE,
        }
        whole = self._add_context(WHOLE, about)
        engine = {"@type": "SoftwareApplication", "name": "DataLad", "url": "https://datalad.org"}
        organize = {
            "@type": "OrganizeAction",
            "name": "run the steps",
            "agent": about["agent"],
            "instrument": {"@id": self._add_context("#engine", engine).id},
            "object": [{"@id": control.id} for control in self.controls],
            "result": {"@id": whole.id},
            "actionStatus": DONE,
        }
        self.actions += [whole, self._add_context("#organize", organize)]

    def _person(self, author: str) -> Person:
        from rocrate.model import Person

        if author not in self.people:
            name, _, mail = author.partition(" <")
            identifier = f"#{mail.rstrip('>') or name}"
            person = Person(self.crate, identifier, properties={"name": name})
            self.people[author] = self.crate.add(person)
        return self.people[author]

    def _file(self, file: File) -> DataEntity:
        if file not in self.files:
            place = quote(entity_name(file), safe="/#", errors="surrogateescape")
            path, held = file
            about = {"@type": "File", "name": path, "identifier": held}
            self.files[file] = self._add_data(place, about)
        return self.files[file]

    def text(self) -> str:
        """The metadata with all actions."""
        self.crate.root_dataset["mentions"] = self.actions
        return json.dumps(self.crate.metadata.generate(), indent=1, sort_keys=True) + "\n"
