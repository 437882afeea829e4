"""Verdicts that were committed: claims, by whom and in which commit.

Owns: the files of verdicts, committing one as a record, reading them from a history, and what binds
one to it: a record of `verify` that made its file.
Does not own: reaching a verdict (`verify`).

A claim is no proof: whoever can commit can write such a record by hand. `verify` proves, by
running.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.verdicts import Verdict
from cordstudy.provenance.calling.gitannex import git, head
from cordstudy.provenance.calling.kind import kind_of_machine
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import dataset_id
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import RunRecord, join, render_message
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.landing import commit_files

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


def attested(history: History, profile: Profile) -> dict[str, list[Claim]]:
    """All claims of a history by the commit of the record that they are about."""
    claims: dict[str, list[Claim]] = {}
    for _, origin, attestation in _files(history, profile):
        if origin is None or attestation is None:
            continue
        who = origin.author.partition(" <")[0]
        for verdict in attestation.verdicts:
            if verdict.record in history.recorded:
                claim = Claim(verdict.word, who, origin.id)
                claims.setdefault(verdict.record, []).append(claim)
    return claims


def unbound(history: History, profile: Profile) -> Iterator[tuple[str, str]]:
    """The attestations that count for nothing, and why."""
    for path, origin, attestation in _files(history, profile):
        if attestation is None:
            yield path, "it cannot be read as verdicts"
        elif origin is None:
            yield path, f"no record of `{profile.launcher} verify` put it there as it is"


def _files(
    history: History, profile: Profile
) -> Iterator[tuple[str, RecordedCommit | None, _Attestation | None]]:
    """Each attestation's path, the commit that attested it, and what it says; None for what is not
    so."""
    for path in history.matching(f"{FOLDER}/*.json"):
        origin = history.producer(path)
        if origin and not is_of_verdicts(origin.record, profile):
            origin = None
        attestation: _Attestation | None = None
        try:
            content = history.blob(history.tree[path])
            attestation = _Attestation.model_validate_json(content)
        except (ValidationError, StudyError):  # a subdataset has no content
            pass
        yield path, origin, attestation


def is_of_verdicts(record: RunRecord, profile: Profile) -> bool:
    """Whether a record is of verdicts on others, which `verify` attested."""
    return record.calls(profile.launcher, "verify")


def attest(
    study: Path, verdicts: Sequence[Verdict], *, argv: Sequence[str], profile: Profile
) -> str:
    """Commit the verdicts as a record of their own; the path of their file.

    They are about records of the history of HEAD, whose commit the file names.
    """
    commit = head(study)
    content = {
        "commit": commit,
        "environment": git(study, "rev-parse", f"HEAD:{profile.lock}").strip(),
        "machine": kind_of_machine(),
        "verdicts": [_told(verdict) for verdict in verdicts],
    }
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = f"{FOLDER}/{commit[:12]}-{digest[:8]}.json"
    held = sum(verdict.holds for verdict in verdicts)
    subject = f"Attest {held} of {len(verdicts)} records"
    message = render_message(
        subject, cmd=join(argv), dsid=dataset_id(study), inputs=[], outputs=[path]
    )
    commit_files(study, lambda _: {path: text}, message)
    return path


def _told(verdict: Verdict) -> dict[str, object]:
    """What an attestation says of a verdict: nothing of how long it took."""
    fields = asdict(verdict)
    del fields["seconds"]
    return fields
