"""The history of results as a Workflow Run RO-Crate.

Owns: which entities there are and how they hang together.
Does not own: what is told (`facts`), or the format (rocrate writes it).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from cordstudy.provenance.audit.facts import Fact, File, Told, entity_name

if TYPE_CHECKING:
    from rocrate.model import ContextEntity, DataEntity, Person

NAME = "ro-crate-metadata.json"
RUN_CRATES = {
    "https://w3id.org/ro/wfrun/process/0.5": "0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5": "0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "1.0",
}
"""The profiles that the crate conforms to, with their versions."""
LICENSE = "https://spdx.org/licenses/MIT"
NO_DATE = "1970-01-01T00:00:00+00:00"


def rocrate(told: Told) -> dict[str, str]:
    """The metadata: an action a run, and one workflow for all of them."""
    crate = _Crate(told)
    for fact in told.facts:
        crate.add_action(fact)
    return {NAME: crate.text()}


class _Crate:
    """A crate that grows, an action at a time."""

    def __init__(self, told: Told) -> None:
        from rocrate.rocrate import ROCrate

        self.crate = ROCrate(gen_preview=False, version="1.1")
        self.crate.name = told.profile.title
        self.crate.description = f"Its runs, at commit {told.head}"
        self.crate.license = LICENSE
        self.crate.datePublished = max((fact.date for fact in told.facts), default=NO_DATE)
        profiles = [self._add_profile(uri, version) for uri, version in RUN_CRATES.items()]
        self.crate.root_dataset["conformsTo"] = profiles
        self.workflow = self._add_workflow(told.profile.launcher)
        self.crate.mainEntity = self.workflow
        self.files: dict[File, DataEntity] = {}
        self.people: dict[str, Person] = {}
        self.actions: list[ContextEntity] = []

    def _add_profile(self, uri: str, version: str) -> ContextEntity:
        about = {"@type": "CreativeWork", "name": uri, "version": version}
        return self._add_context(uri, about)

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
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
                "name": launcher,
                "programmingLanguage": {"@id": language.id},
            },
        )

    def add_action(self, fact: Fact) -> None:
        """Add a run, and whom and what it needs that is not there yet."""
        about = {
            "@type": "CreateAction",
            "name": fact.subject,
            "description": fact.command,
            "endTime": fact.date,
            "agent": {"@id": self._person(fact.author).id},
            "instrument": {"@id": self.workflow.id},
            "object": [{"@id": self._file(file).id} for file in fact.inputs],
            "result": [{"@id": self._file(file).id} for file in fact.outputs],
            "softwareRequirements": fact.environment,
            "actionStatus": "http://schema.org/CompletedActionStatus",
        }
        self.actions.append(self._add_context(f"#{fact.commit}", about))

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
