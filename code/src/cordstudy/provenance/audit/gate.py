"""The gate: whether a history accounts for everything that a study has.

Owns: the findings, each a fault that the history alone can show.
Does not own: the index (`history`), re-execution (`verify`), what a study renders (told by the caller).

What the history cannot show: content that no command made under a well-formed record, and an
input that a command read without declaring it. `verify` finds both by running records again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit import attestations
from cordstudy.provenance.audit.rendering import Steps
from cordstudy.provenance.calling.content import damaged_files, listed
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import GITLINK, commit_id
from cordstudy.provenance.history.index import Commit, History, InputBelow, RecordedCommit
from cordstudy.provenance.history.paths import WILD, Declared, below
from cordstudy.provenance.history.records import RunRecord
from cordstudy.provenance.history.since import same

FOLDERS = ("models", "derivatives")
"""What only records may write."""
ABSOLUTE = re.compile(r"(?:^|[\s'\"=:])(/[^\s'\"]+|~/[^\s'\"]*|[A-Za-z]:\\[^\s'\"]+)")
Expectation = Callable[[str], Steps | None]
"""Of a record's commit: the steps that the study there has; None where nobody has rendered them."""


@dataclass(frozen=True)
class Finding:
    """One fault: its kind in a word or two, the path or record, what is wrong, and the commit to look at."""

    kind: str
    where: str
    what: str
    commit: str = ""


def check(
    history: History, *, expected: Expectation | None = None, folders: Sequence[str] = FOLDERS
) -> list[Finding]:
    """Every fault of a history at its commit; of records, those that still count are looked at.

    An input that has changed since a record is none: the record is still true (`status` tells of it).
    """
    claims: dict[str, list[RecordedCommit]] = {}
    for commit in history.live:
        for path in history.outputs[commit.id]:
            claims.setdefault(path, []).append(commit)
    found = [
        finding
        for path in checked_files(history, folders)
        for finding in _file(history, path, claims)
    ]
    for commit in history.live:
        found += _record(history, commit)
        found += _inputs(history, commit, folders)
        steps = expected(commit.id) if expected else None
        found += [] if steps is None else _step(history, commit, steps)
    return [*found, *_malformed(history), *_pins(history)]


def checked_files(history: History, folders: Sequence[str]) -> list[str]:
    """What records ought to have made: all below the folders (`.` is the dataset) but their READMEs
    and what belongs to git and DataLad."""
    paths = (
        path
        for folder in folders
        for path in (history.tree if folder == "." else below(history.tree, folder))
    )
    readmes = {f"{folder}/README.md" for folder in folders}
    return [
        path
        for path in paths
        if path not in readmes
        and not path.startswith(".datalad/")
        and path.rpartition("/")[2] not in (".gitattributes", ".gitignore", ".gitmodules")
        and history.tree[path].mode != GITLINK
    ]


def _file(
    history: History, path: str, claimed: Mapping[str, Sequence[RecordedCommit]]
) -> Iterator[Finding]:
    """Whether one record accounts for a file."""
    claims = claimed.get(path, ())
    if not history.producer(path):
        yield _not_made(history, path, claims)
    elif len({commit.record.cmd for commit in claims}) > 1:
        names = " and ".join(f"{commit.id[:8]} {commit.subject!r}" for commit in claims)
        yield Finding("two records", path, f"claimed by {names}", claims[-1].id)


def _not_made(history: History, path: str, claims: Sequence[RecordedCommit]) -> Finding:
    """What a file is that no record made as it is."""
    entry = history.tree[path]
    origin = history.introduced_by(path, entry)
    others = [(one, name) for one, name in history.makers(entry) if name != path]
    told = f"in {origin.id[:8]} {origin.subject!r} by {origin.author}"
    if claims:
        return Finding(
            "changed by hand", path, f"{claims[-1].id[:8]} made it, changed since {told}", origin.id
        )
    if others:
        made = f"{others[-1][0].id[:8]} made it as {others[-1][1]}"
        return Finding("renamed by hand", path, f"{made}, put here {told}", origin.id)
    return Finding("no record", path, f"no record made it; put there {told}", origin.id)


def _record(history: History, commit: RecordedCommit) -> Iterator[Finding]:
    """Whether a record and its commit agree."""
    record, where = commit.record, _where(commit)
    declared, held = Declared(record.from_root(record.outputs)), set(history.outputs[commit.id])
    for path, entry in commit.changes.items():
        if (
            path not in held
            and not declared.covers(path)
            and not same(entry, history.entry_before(commit.id, path))
        ):
            yield Finding(
                "undeclared output",
                path,
                f"changed in {where!r}, which does not declare it",
                commit.id,
            )
    for spec in history.unmet[commit.id]:
        yield Finding(
            "output not made", spec, f"declared by {where!r}, not there when it had run", commit.id
        )
    for path in sorted(held):
        if path not in history.tree and history.last_writer(path) is commit:
            yield Finding("output gone", path, f"made by {where!r}, removed since", commit.id)
    if record.exit:
        yield Finding(
            "failed command", where, f"its command ended with exit code {record.exit}", commit.id
        )
    if record.dsid != history.dataset_id:
        yield Finding(
            "another dataset",
            where,
            f"its record is of the dataset {record.dsid or 'none'}",
            commit.id,
        )
    for text in (record.cmd, *record.inputs, *record.extra_inputs):
        if match := ABSOLUTE.search(text):
            yield Finding("absolute path", where, f"its record names {match[1]}", commit.id)


def _where(commit: Commit) -> str:
    return f"{commit.id[:8]} {commit.subject}"


def _inputs(history: History, commit: RecordedCommit, folders: Sequence[str]) -> Iterator[Finding]:
    """Whether everything that a record read has an origin."""
    where = _where(commit)
    inside = tuple(f"{folder}/" for folder in folders)
    for item in history.inputs[commit.id]:
        if item.entry is None:
            if not WILD.search(item.spec):
                yield Finding(
                    "input without origin",
                    item.path,
                    f"not there when {where!r} read it",
                    commit.id,
                )
        elif (
            not isinstance(item, InputBelow)
            and item.path.startswith(inside)
            and not history.producer(item.path, item.entry, before=commit.id)
        ):
            yield Finding(
                "input without origin",
                item.path,
                f"read by {where!r}; no record made it",
                commit.id,
            )


def _step(history: History, commit: RecordedCommit, steps: Steps) -> Iterator[Finding]:
    """Whether a step's record has the command and the inputs that the study at its commit renders."""
    record, where = commit.record, _where(commit)
    expected = steps.by_outputs.get(record.from_root(record.outputs))
    if expected is None:
        yield from _of_no_step(history, commit, steps)
        return
    if record.cmd != expected.cmd:
        ours, theirs = _apart(record.cmd, expected.cmd), _apart(expected.cmd, record.cmd)
        yield Finding(
            "edited command", where, f"`{ours}`, the study there renders `{theirs}`", commit.id
        )
    inputs = frozenset(record.from_root((*record.inputs, *record.extra_inputs)))
    for path in sorted(inputs ^ expected.inputs)[:1]:
        has, has_not = (
            ("its record", "the study there")
            if path in inputs
            else ("the study there", "its record")
        )
        yield Finding(
            "edited inputs", where, f"{path}: {has} has it, {has_not} does not", commit.id
        )
    if posixpath.normpath(record.pwd) != ".":
        yield Finding("edited command", where, f"its record has it run in {record.pwd}", commit.id)


def _of_no_step(history: History, commit: RecordedCommit, steps: Steps) -> Iterator[Finding]:
    """Whether a record that has no step's outputs passes for a step's, or takes its place."""
    record, where = commit.record, _where(commit)
    made = (path for path in history.outputs[commit.id] if history.stands(commit.id, path))
    if _calls_study(record.cmd) and not _is_attestation(record):
        yield Finding(
            "edited command", where, "no study there has a step with these outputs", commit.id
        )
    elif path := next(filter(steps.outputs.covers, made), None):
        yield Finding(
            "edited outputs",
            where,
            f"{path}: a step of a study there makes it, with others",
            commit.id,
        )


def _calls_study(cmd: str) -> bool:
    return posixpath.normpath(next(iter(cmd.split()), "")) == "code/study"


def _is_attestation(record: RunRecord) -> bool:
    specs = record.from_root(record.outputs)
    return record.of_verdicts and all(spec.startswith(f"{attestations.FOLDER}/") for spec in specs)


def _apart(one: str, other: str) -> str:
    """The words of a command from the first that differs."""
    words, others = one.split(), other.split()
    start = next(
        (n for n, (a, b) in enumerate(zip(words, others)) if a != b), min(len(words), len(others))
    )
    shown = " ".join(words[max(0, start - 1) :])
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _malformed(history: History) -> Iterator[Finding]:
    """Messages that say they are records, and attestations, that count for nothing."""
    for commit in history.commits:
        why = commit.malformed or (commit.record.fault if commit.record else "")
        if why:
            yield Finding("malformed record", _where(commit), why, commit.id)
        if match := ABSOLUTE.search(commit.malformed):
            yield Finding(
                "absolute path", _where(commit), f"its record names {match[1]}", commit.id
            )
    for path, why in attestations.unbound(history):
        yield Finding("empty attestation", path, why)


def _pins(history: History) -> Iterator[Finding]:
    """Whether the pins of installed subdatasets are in their histories."""
    for path, entry in history.tree.items():
        if entry.mode != GITLINK or not (history.repo / path / ".git").exists():
            continue
        place = history.repo / path
        try:
            commit_id(place, entry.object)
            holds = read_git(place, "for-each-ref", "--contains", entry.object, "--count=1").strip()
        except StudyError:
            yield Finding(
                "pin not reachable", path, f"the subdataset has no commit {entry.object[:8]}"
            )
            continue
        if not holds:
            yield Finding(
                "pin not reachable",
                path,
                f"no branch or tag of the subdataset holds {entry.object[:8]}",
            )


def check_content(study: Path, folders: Sequence[str] = FOLDERS) -> list[Finding]:
    """Annexed files below the folders whose content is here and does not match its key; reads all of it."""
    damaged = damaged_files(
        study, listed(study, ["**" if folder == "." else folder for folder in folders])
    )
    return [
        Finding("corrupted content", path, "its content is not what its annex key says")
        for path in damaged
    ]
