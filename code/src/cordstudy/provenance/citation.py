"""How a dataset is to be cited: what its CITATION.cff says, on disk or in a commit.

Owns: reading that file.
Does not own: writing it (a person does), or what others call what it says (each who tells them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cordstudy.base.errors import StudyError

PLACE = "CITATION.cff"


@dataclass(frozen=True)
class Author:
    """A person, or a group, which has a name alone."""

    name: str
    """On one line: `Given Family`."""
    family: str
    given: str
    affiliation: str
    orcid: str
    """The number alone."""


@dataclass(frozen=True)
class Citation:
    """What the file says; what it does not say is empty."""

    title: str
    version: str
    authors: tuple[Author, ...]
    abstract: str
    message: str
    license: str
    """The SPDX id; the first of several, any of which may be chosen."""
    released: str
    """A date as ISO has it."""
    keywords: tuple[str, ...]
    kind: str
    """`software` or `dataset`."""


def parse_citation(text: str, *, place: object = PLACE) -> Citation:
    """Understand the text of a CITATION.cff. Raises StudyError, with its place, for one that is
    none."""
    try:
        told = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        raise StudyError(f"{place}: {error}", hint="correct the YAML") from error
    if not isinstance(told, dict):
        raise StudyError(
            f"{place}: no keys and values", hint="https://citation-file-format.github.io"
        )
    authors = [_author(one) for one in _listed(told.get("authors"))]
    licenses = _listed(told.get("license"))
    return Citation(
        title=_said(told, "title"),
        version=_said(told, "version"),
        authors=tuple(author for author in authors if author.name),
        abstract=_said(told, "abstract"),
        message=_said(told, "message"),
        license=str(licenses[0]) if licenses else "",
        released=_said(told, "date-released"),
        keywords=tuple(str(word) for word in _listed(told.get("keywords"))),
        kind=_said(told, "type") or "software",
    )


def _author(told: object) -> Author:
    about = told if isinstance(told, dict) else {"name": told}
    parts = (_said(about, key) for key in ("name-particle", "family-names", "name-suffix"))
    family, given = " ".join(part for part in parts if part), _said(about, "given-names")
    return Author(
        name=_said(about, "name") or f"{given} {family}".strip() or _said(about, "alias"),
        family=family,
        given=given,
        affiliation=_said(about, "affiliation"),
        orcid=_said(about, "orcid").rpartition("/")[2],
    )


def _said(told: Mapping[str, object], key: str) -> str:
    value = told.get(key)
    return "" if value is None else str(value).strip()


def _listed(value: object) -> list[object]:
    """A value that may be one or several."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
