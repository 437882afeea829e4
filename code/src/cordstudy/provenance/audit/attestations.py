"""Verdicts that were committed: claims, by whom and in which commit.

Owns: reading attestations from a history, and what binds one to it: a record of `code/study verify`
that made its file. Does not own: reaching a verdict, or committing it (`verify`).

A claim is no proof: whoever can commit can write such a record by hand. `verify` proves, by running.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.provenance.history.index import History, RecordedCommit

FOLDER = ".datalad/attestations"


@dataclass(frozen=True)
class Claim:
    """A verdict on a record: the word, who attests it, in which commit."""

    word: str
    by: str
    commit: str


class _Verdict(BaseModel):
    model_config = ConfigDict(strict=True)

    record: str
    word: Literal["identical", "voxel-identical", "equivalent", "different", "failed"]


class _Attestation(BaseModel):
    model_config = ConfigDict(strict=True)

    commit: str
    verdicts: list[_Verdict]


def attested(history: History) -> dict[str, list[Claim]]:
    """All claims of a history by the commit of the record that they are about."""
    found: dict[str, list[Claim]] = {}
    for _, origin, content in _files(history):
        if origin is None or content is None:
            continue
        who = origin.author.partition(" <")[0]
        for verdict in content.verdicts:
            if verdict.record in history.inputs:
                found.setdefault(verdict.record, []).append(Claim(verdict.word, who, origin.id))
    return found


def unbound(history: History) -> Iterator[tuple[str, str]]:
    """The attestations that count for nothing, and why."""
    for path, origin, content in _files(history):
        if content is None:
            yield path, "it cannot be read as verdicts"
        elif origin is None:
            yield path, "no record of `code/study verify` put it there as it is"


def _files(history: History) -> Iterator[tuple[str, RecordedCommit | None, _Attestation | None]]:
    """Each attestation's path, the commit that attested it, and what it says; None for what is not so."""
    for path in history.matching(f"{FOLDER}/*.json"):
        entry = history.tree[path]
        origin = history.producer(path)
        if origin and not origin.record.of_verdicts:
            origin = None
        try:
            content = _Attestation.model_validate_json(history.blob(entry))
        except (ValidationError, StudyError):  # a subdataset has no content
            content = None
        yield path, origin, content
