"""Metadata for a DOI, from the one file that says how the study is cited.

Owns: what Zenodo calls what CITATION.cff says.
Does not own: CITATION.cff (a person writes it), or depositing.

`cffconvert` does likewise; it is not used, as it needs a jsonschema below 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import read_text

SOURCE = "CITATION.cff"
TARGET = ".zenodo.json"
NEEDED = ("title", "authors", "abstract", "license", "version", "date-released")


def zenodo_text(source: Path) -> str:
    """The text of `.zenodo.json`, which Zenodo reads of a release. Raises StudyError for a
    CITATION.cff that is none, or lacks what Zenodo asks for."""
    try:
        told = YAML(typ="safe", pure=True).load(read_text(source))
    except YAMLError as error:
        raise StudyError(f"{source}: {error}", hint="correct the YAML") from error
    lacking = [key for key in NEEDED if not isinstance(told, dict) or not told.get(key)]
    if lacking:
        raise StudyError(f"{source}: {lacking[0]} is missing", hint="Zenodo asks for it")
    record: dict[str, Any] = {
        "access_right": "open",
        "creators": [_creator(author) for author in told["authors"]],
        "description": str(told["abstract"]).strip(),
        "license": str(told["license"]).lower(),
        "publication_date": str(told["date-released"]),
        "title": str(told["title"]),
        "upload_type": "software" if told.get("type", "software") == "software" else "dataset",
        "version": str(told["version"]),
    }
    if told.get("keywords"):
        record["keywords"] = [str(word) for word in told["keywords"]]
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _creator(author: Mapping[str, object]) -> dict[str, str]:
    """A person or a group, as Zenodo names them: `Family, Given`."""
    family = " ".join(
        str(author[key]) for key in ("name-particle", "family-names") if key in author
    )
    names = (
        [family, str(author.get("given-names", ""))] if family else [str(author.get("name", ""))]
    )
    creator = {"name": ", ".join(name for name in names if name)}
    if "affiliation" in author:
        creator["affiliation"] = str(author["affiliation"])
    if "orcid" in author:
        creator["orcid"] = str(author["orcid"]).rpartition("/")[2]
    return creator
