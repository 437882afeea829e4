"""The history of results as a W3C PROV document, in PROV-JSONLD.

Owns: which entities, activities and agents there are.
Does not own: what is told (`facts`), or the format (prov writes it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cordstudy.provenance.audit.facts import Fact, File, Told
from cordstudy.provenance.profile import NAME

if TYPE_CHECKING:
    from prov.model import ProvAgent, ProvEntity


def prov(told: Told) -> dict[str, str]:
    """The text of the document."""
    document = _Document(told.head)
    for fact in told.facts:
        document.add(fact)
    return {"prov.jsonld": document.text()}


class _Document:
    """A document that grows, a run at a time."""

    def __init__(self, head: str) -> None:
        from prov.model import ProvDocument

        self.document = ProvDocument()
        self.document.add_namespace("study", f"urn:{NAME}:{head}:")
        self.entities: dict[File, ProvEntity] = {}
        self.agents: dict[str, ProvAgent] = {}

    def add(self, fact: Fact) -> None:
        """Add a run, and whom and what it needs that is not there yet."""
        agent = self._agent(fact.author)
        about = {
            "study:subject": fact.subject,
            "study:command": fact.command,
            "study:environment": fact.environment,
            "study:date": fact.date,
        }
        activity = self.document.activity(f"study:{fact.commit}", None, fact.date, about)
        self.document.wasAssociatedWith(activity, agent)
        for file in fact.inputs:
            self.document.used(activity, self._entity(file))
        for file in fact.outputs:
            self.document.wasGeneratedBy(self._entity(file), activity)

    def _agent(self, author: str) -> ProvAgent:
        if author not in self.agents:
            name = f"study:agent-{len(self.agents)}"
            self.agents[author] = self.document.agent(name, {"study:name": author})
        return self.agents[author]

    def _entity(self, file: File) -> ProvEntity:
        if file not in self.entities:
            name = f"study:entity-{len(self.entities)}"
            path, held = file
            about = {"study:path": path, "study:held": held}
            self.entities[file] = self.document.entity(name, about)
        return self.entities[file]

    def text(self) -> str:
        """The document as PROV-JSONLD."""
        return str(self.document.serialize(format="jsonld", indent=1))
