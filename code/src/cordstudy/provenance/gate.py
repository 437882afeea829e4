"""The gate: whether a history accounts for everything that a study has.

Owns: the findings, each a fault that the history alone can show.
Does not own: the index (`history`), re-execution (`verify`), what a study renders (told by the caller).

What the history cannot show: content that no command made under a well-formed record, and an
input that a command read without declaring it. `verify` finds both by running records again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.gitannex import annex, git, git_ok, head
from cordstudy.provenance.history import GITLINK, Commit, History
from cordstudy.provenance.paths import below, covers

FOLDERS = ("models", "derivatives")
"""What only records may write."""
CHUNK = 200
"""Files that one `git annex calckey` is asked about."""
ABSOLUTE = re.compile(r"(?:^|[\s'\"=:])(/[^\s'\"]+|~/[^\s'\"]*|[A-Za-z]:\\[^\s'\"]+)")
Rendered = Callable[[str], Mapping[tuple[str, ...], str]]
"""Of a commit: the command of each step that the studies there have, by its outputs."""


@dataclass(frozen=True)
class Finding:
    """One fault: its kind in a word or two, the path or record, what is wrong, and the commit to look at."""

    kind: str
    where: str
    what: str
    commit: str = ""


def check(history: History, *, rendered: Rendered | None = None, folders: Sequence[str] = FOLDERS) -> list[Finding]:
    """Every fault of a history at its commit; of records, those that still count are looked at."""
    live = live_records(history)
    found = [finding for path in checked_files(history, folders) for finding in _file(history, path, live)]
    for commit in live:
        found += _record(history, commit)
        found += _inputs(history, commit, folders)
        if rendered:
            found += _command(commit, rendered)
    return [*found, *_pins(history)]


def live_records(history: History) -> list[Commit]:
    """The records that made what is there now, or are the newest with their outputs; oldest first."""
    newest: dict[tuple[str, ...], str] = {}
    for commit in history.records:
        newest.setdefault(commit.record.from_root(commit.record.outputs), commit.id)
    making = {one.id for path in history.tree if (one := history.producer(path))}
    wanted = making | set(newest.values())
    return [commit for commit in reversed(list(history.records)) if commit.id in wanted and commit.record.outputs]


def checked_files(history: History, folders: Sequence[str]) -> list[str]:
    """What records ought to have made: all below the folders (`.` is the dataset) but their READMEs
    and what belongs to git and DataLad."""
    paths = (path for folder in folders for path in (history.tree if folder == "." else below(history.tree, folder)))
    return [
        path
        for path in paths
        if path not in {f"{folder}/README.md" for folder in folders}
        and not path.startswith(".datalad/")
        and path.rpartition("/")[2] not in (".gitattributes", ".gitignore", ".gitmodules")
        and history.tree[path].mode != GITLINK
    ]


def _file(history: History, path: str, live: Sequence[Commit]) -> Iterator[Finding]:
    """Whether one record accounts for a file."""
    entry = history.tree[path]
    claims = [commit for commit in live if path in history.outputs[commit.id]]
    if not history.producer(path):
        origin = history.put(path, entry)
        others = [(one, name) for one, name in history.made.get(history.key(entry) or entry.object, ()) if name != path]
        told = f"in {origin.id[:8]} {origin.subject!r} by {origin.author}"
        if claims:
            yield Finding("changed by hand", path, f"{claims[-1].id[:8]} made it, changed since {told}", origin.id)
        elif others:
            made = f"{others[-1][0].id[:8]} made it as {others[-1][1]}"
            yield Finding("renamed by hand", path, f"{made}, put here {told}", origin.id)
        else:
            yield Finding("no record", path, f"no record made it; put there {told}", origin.id)
    elif len({commit.record.cmd for commit in claims}) > 1:
        names = " and ".join(f"{commit.id[:8]} {commit.subject!r}" for commit in claims)
        yield Finding("two records", path, f"claimed by {names}", claims[-1].id)


def _record(history: History, commit: Commit) -> Iterator[Finding]:
    """Whether a record and its commit agree."""
    record, where = commit.record, f"{commit.id[:8]} {commit.subject}"
    outputs = record.from_root(record.outputs)
    for path in commit.changes:
        if not covers(outputs, path):
            yield Finding("undeclared output", path, f"changed in {where!r}, which does not declare it", commit.id)
    held = set(history.outputs[commit.id])
    for spec in outputs:
        if not any(covers([spec], path) for path in held):
            yield Finding("output not made", spec, f"declared by {where!r}, not there when it had run", commit.id)
    gone = [path for path in held if path not in history.tree and history.claims_latest(path) == commit.id]
    for path in sorted(gone):
        yield Finding("output gone", path, f"made by {where!r}, removed since", commit.id)
    if record.exit:
        yield Finding("failed command", where, f"its command ended with exit code {record.exit}", commit.id)
    own = git(history.repo, "config", "--blob", f"{history.id}:.datalad/config", "datalad.dataset.id").strip()
    if record.dsid != own:
        yield Finding("another dataset", where, f"its record is of the dataset {record.dsid or 'none'}", commit.id)
    for text in (record.cmd, *record.inputs, *record.outputs, record.pwd):
        if match := ABSOLUTE.search(text):
            yield Finding("absolute path", where, f"its record names {match[1]}", commit.id)


def _inputs(history: History, commit: Commit, folders: Sequence[str]) -> Iterator[Finding]:
    """Whether everything that a record read has an origin, and is as it was."""
    where = f"{commit.id[:8]} {commit.subject}"
    for item in history.inputs[commit.id]:
        if item.entry is None and not re.search(r"[*?\[]", item.spec):
            yield Finding("input without origin", item.path, f"not there when {where!r} read it", commit.id)
        elif (
            item.entry
            and not item.below
            and item.path.startswith(tuple(f"{folder}/" for folder in folders))
            and not history.producer(item.path, item.entry, before=commit.id)
        ):
            yield Finding("input without origin", item.path, f"read by {where!r}; no record made it", commit.id)
    changed = history.changed(commit)
    if changed:
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        yield Finding("input changed", changed[0].partition(": ")[0],
                      f"since {where!r} read it: {changed[0].partition(': ')[2]}{more}", commit.id)  # fmt: skip


def _command(commit: Commit, rendered: Rendered) -> Iterator[Finding]:
    """Whether a step's record has the command that the studies at its commit render."""
    record, parent = commit.record, commit.parents[0] if commit.parents else ""
    steps = rendered(parent) if parent else {}
    outputs = record.from_root(record.outputs)
    expected = steps.get(outputs)
    if expected is not None and record.cmd != expected:
        yield Finding("edited command", f"{commit.id[:8]} {commit.subject}",
                      f"`{_apart(record.cmd, expected)}`, the study there renders `{_apart(expected, record.cmd)}`",
                      commit.id)  # fmt: skip
    elif expected is None and record.cmd.startswith("code/study ") and record.cmd.split()[1] != "verify":
        yield Finding("edited command", f"{commit.id[:8]} {commit.subject}",
                      "no study there has a step with these outputs", commit.id)  # fmt: skip


def _apart(one: str, other: str) -> str:
    """The words of a command from the first that differs."""
    words, others = one.split(), other.split()
    start = next((n for n, (a, b) in enumerate(zip(words, others)) if a != b), min(len(words), len(others)))
    shown = " ".join(words[max(0, start - 1) :])
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _pins(history: History) -> Iterator[Finding]:
    """Whether installed subdatasets are at their pins, and the pins in their histories."""
    for path, entry in history.tree.items():
        place = history.repo / path
        if entry.mode != GITLINK or not (place / ".git").exists():
            continue
        if not git_ok(place, "cat-file", "-e", f"{entry.object}^{{commit}}"):
            yield Finding("pin not reachable", path, f"the subdataset has no commit {entry.object[:8]}")
        elif not git(place, "for-each-ref", "--contains", entry.object, "--count=1").strip():
            yield Finding("pin not reachable", path, f"no branch or tag of the subdataset holds {entry.object[:8]}")
        if head(place) != entry.object:
            yield Finding("moved subdataset", path, f"installed at {head(place)[:8]}, pinned at {entry.object[:8]}")


def check_content(study: Path, folders: Sequence[str] = FOLDERS) -> list[Finding]:
    """Annexed files below the folders whose content is here and does not match its key.

    Reads all of it. By `git annex calckey`, which changes nothing; `git annex fsck` would move
    what is damaged away.
    """
    listed = annex(study, "find", "--in=here", "--format=${key} ${file}\\n", *folders).splitlines()
    by_backend: dict[str, list[tuple[str, str]]] = {}
    for line in listed:
        key, _, path = line.partition(" ")
        by_backend.setdefault(key.partition("-")[0], []).append((key, path))
    found = []
    for backend, files in by_backend.items():
        for start in range(0, len(files), CHUNK):
            some = files[start : start + CHUNK]
            keys = annex(study, "calckey", f"--backend={backend}", *(path for _, path in some)).split()
            found += [
                Finding("corrupted content", path, f"its content has the key {now[:30]}…, its name says {key[:30]}…")
                for (key, path), now in zip(some, keys, strict=True)
                if key.partition(".")[0] != now.partition(".")[0]
            ]
    return found
