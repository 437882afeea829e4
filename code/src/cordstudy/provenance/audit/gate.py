"""The gate: whether a history accounts for everything that a dataset has.

Owns: the faults of files, messages and pins, each one that the history alone can show, and which
records are looked at.
Does not own: the faults of one record (`faults`), the index (`history`), re-execution (`verify`),
or what a study renders (told by the caller).

What the history cannot show: content that no command made under a well-formed record, and an
input that a command read without declaring it. `verify` finds both by running records again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit import attestations, faults
from cordstudy.provenance.audit.faults import Fault
from cordstudy.provenance.audit.faults_of_carried import of_carried
from cordstudy.provenance.audit.rendering import Expectations
from cordstudy.provenance.calling.content import damaged_files, listed
from cordstudy.provenance.calling.gitannex import GITLINK, read_git
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import commit_id
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import below
from cordstudy.provenance.profile import Profile

GITS_OWN = (".gitattributes", ".gitignore", ".gitmodules")
TOLD_OF_A_FOLDER = ("README.md", "dataset_description.json", ".bidsignore")
"""What people write into a folder of results: what it is, in words and as BIDS has it."""
EVERYTHING = (".",)


def check(
    history: History, *, profile: Profile, expected: Expectations | None = None
) -> list[Fault]:
    """Every fault of a history at its commit; of records, those that still count are looked at.

    An input that has changed since a record is none: the record is still true (`status` tells of
    it). Nor is an output that was removed with its step, where `expected` knows the present ones.
    """
    present = expected.present if expected else None
    found: list[Fault] = []
    claims = _claims(history)
    for path in checked_files(history, profile):
        found += _of_file(history, path, claims.get(path, ()))
    for commit in history.live:
        found += faults.of_record(history, commit, present)
        found += faults.of_inputs(history, commit, _folders(profile))
        if expected and commit.id in expected.steps:
            found += faults.of_step(history, commit, expected.steps[commit.id], profile)
    found += of_carried(history)
    return [*found, *_of_messages(history, profile), *_of_pins(history)]


def _folders(profile: Profile) -> tuple[str, ...]:
    """What only records may write: all of a dataset of which nothing is known."""
    return profile.results or EVERYTHING


def _claims(history: History) -> Mapping[str, Sequence[RecordedCommit]]:
    """The records that count and have a path among their outputs, by the path."""
    claims: dict[str, list[RecordedCommit]] = {}
    for commit in history.live:
        for path in history.outputs[commit.id]:
            claims.setdefault(path, []).append(commit)
    return claims


def checked_files(history: History, profile: Profile) -> list[str]:
    """What records ought to have made: all below the folders of results but what people say of a
    folder, and what belongs to git and DataLad."""
    found = []
    for folder in _folders(profile):
        paths = history.tree if folder == "." else below(history.tree, folder)
        for path in paths:
            is_told = path in {f"{folder}/{name}" for name in TOLD_OF_A_FOLDER}
            if not is_told and not _belongs_to_tools(history, path):
                found.append(path)
    return found


def _belongs_to_tools(history: History, path: str) -> bool:
    if path.startswith(".datalad/") or path.rpartition("/")[2] in GITS_OWN:
        return True
    return bool(history.tree[path].mode == GITLINK)


def _of_file(history: History, path: str, claims: Sequence[RecordedCommit]) -> Iterator[Fault]:
    """Whether one record accounts for a file."""
    if not history.producer(path):
        yield _not_made(history, path, claims)
        return
    commands = {commit.record.cmd for commit in claims}
    if len(commands) > 1:
        names = " and ".join(f"{commit.id[:8]} {commit.subject!r}" for commit in claims)
        yield Fault("two records", path, f"claimed by {names}", claims[-1].id)


def _not_made(history: History, path: str, claims: Sequence[RecordedCommit]) -> Fault:
    """What a file is that no record made as it is."""
    entry = history.tree[path]
    origin = history.introduced_by(path, entry)
    put = f"in {origin.id[:8]} {origin.subject!r} by {origin.author}"
    if claims:
        what = f"{claims[-1].id[:8]} made it, changed since {put}"
        return Fault("changed by hand", path, what, origin.id)
    others = [(maker, name) for maker, name in history.makers(entry) if name != path]
    if others:
        maker, name = others[-1]
        what = f"{maker.id[:8]} made it as {name}, put here {put}"
        return Fault("renamed by hand", path, what, origin.id)
    return Fault("no record", path, f"no record made it; put there {put}", origin.id)


def _of_messages(history: History, profile: Profile) -> Iterator[Fault]:
    """Messages that say they are records, and attestations, that count for nothing."""
    for commit in history.commits:
        why = commit.malformed
        if isinstance(commit, RecordedCommit):
            why = why or commit.record.fault
        if why:
            yield Fault("malformed record", faults.name_of(commit), why, commit.id)
        yield from faults.of_absolute_path(commit.malformed, commit)
    for path, why in attestations.unbound(history, profile):
        yield Fault("empty attestation", path, why)


def _of_pins(history: History) -> Iterator[Fault]:
    """Whether the pins of installed subdatasets are in their histories."""
    for path, entry in history.tree.items():
        place = history.repo / path
        if entry.mode != GITLINK or not (place / ".git").exists():
            continue
        pin = entry.object
        try:
            commit_id(place, pin)
            holders = read_git(place, "for-each-ref", "--contains", pin, "--count=1").strip()
        except StudyError:
            what = f"the subdataset has no commit {pin[:8]}"
            yield Fault("pin not reachable", path, what)
            continue
        if not holders:
            what = f"no branch or tag of the subdataset holds {pin[:8]}"
            yield Fault("pin not reachable", path, what)


def check_content(study: Path, profile: Profile) -> list[Fault]:
    """Annexed files of the results whose content is here and does not match its key; reads all of
    it."""
    specs = ["**" if folder == "." else folder for folder in _folders(profile)]
    what = "its content is not what its annex key says"
    damaged = damaged_files(study, listed(study, specs))
    return [Fault("corrupted content", path, what) for path in damaged]
