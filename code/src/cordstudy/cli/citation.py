"""Metadata for a DOI, from the one file that says how the study is cited.

Owns: what Zenodo calls what CITATION.cff says.
Does not own: reading that (`provenance.citation`), or depositing.

`cffconvert` does likewise; it is not used, as it needs a jsonschema below 4.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_text
from cordstudy.provenance.citation import Author, parse_citation

TARGET = ".zenodo.json"


def zenodo_text(source: Path) -> str:
    """The text of `.zenodo.json`, which Zenodo reads of a release. Raises StudyError for a
    CITATION.cff that is none, or lacks what Zenodo asks for."""
    cited = parse_citation(read_text(source), place=source)
    needed = {
        "title": cited.title,
        "authors": cited.authors,
        "abstract": cited.abstract,
        "license": cited.license,
        "version": cited.version,
        "date-released": cited.released,
    }
    lacking = [key for key, value in needed.items() if not value]
    if lacking:
        raise StudyError(f"{source}: {lacking[0]} is missing", hint="Zenodo asks for it")
    record: dict[str, Any] = {
        "access_right": "open",
        "creators": [_creator(author) for author in cited.authors],
        "description": cited.abstract,
        "license": cited.license.lower(),
        "publication_date": cited.released,
        "title": cited.title,
        "upload_type": "software" if cited.kind == "software" else "dataset",
        "version": cited.version,
    }
    if cited.keywords:
        record["keywords"] = list(cited.keywords)
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _creator(author: Author) -> dict[str, str]:
    """A person or a group, as Zenodo names them: `Family, Given`."""
    names = [author.family, author.given] if author.family else [author.name]
    creator = {"name": ", ".join(name for name in names if name)}
    if author.affiliation:
        creator["affiliation"] = author.affiliation
    if author.orcid:
        creator["orcid"] = author.orcid
    return creator
