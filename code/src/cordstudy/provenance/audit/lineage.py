"""The lineage of a file or of rows of a table: every run behind it, down to sources.

Owns: the graph of runs and files behind a path, the rows that a selector means.
Does not own: the index of the history (`history`), or how a lineage is shown (`showing`).

For rows of a table, files that are about other rows fall away: those whose name starts with another
row's case, and those in a folder of another row's model or test set.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import GITLINK, Entry, text
from cordstudy.provenance.history.index import Commit, History, Input, InputBelow, RecordedCommit
from cordstudy.provenance.history.paths import WILD, matches
from cordstudy.provenance.history.since import changed

CODE = "code/"
LOCK = "code/requirements.lock"


@dataclass(frozen=True)
class FileNode:
    """A file as a run read or made it. One of `run` (a commit), `commit` (a plain one) and
    `dataset` (a subdataset, with its commit and URL) says where it came from; `fault` what is wrong."""

    path: str
    object: str
    key: str = ""
    run: str = ""
    commit: str = ""
    author: str = ""
    date: str = ""
    dataset: str = ""
    dataset_commit: str = ""
    url: str = ""
    fault: str = ""


@dataclass(frozen=True)
class RunNode:
    """A run behind the target: its record, the code, and the data that it read (`inputs`)."""

    commit: str
    subject: str
    command: str
    author: str
    date: str
    environment: str
    code: tuple[FileNode, ...]
    inputs: tuple[FileNode, ...]
    parameters: tuple[FileNode, ...]
    stale: tuple[str, ...]
    resources: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Lineage:
    """A target, the rows meant, and every run behind it by commit, in the order they were met."""

    target: FileNode
    rows: tuple[Mapping[str, str], ...]
    runs: Mapping[str, RunNode]
    study: str
    head: str


@dataclass(frozen=True)
class Focus:
    """What files and folders of other rows are called: they are not part of an answer."""

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()

    def keeps(self, path: str) -> bool:
        """Whether a path is not about another row."""
        *folders, name = path.split("/")
        starts = (name[:n] for n, letter in enumerate(name) if letter in "_.")
        return self.folders.isdisjoint(folders) and self.files.isdisjoint(starts)


def trace(history: History, path: str, selector: str = "") -> Lineage:
    """The lineage of a path at the history's commit; `selector` is `column=value,…` of a table.

    Raises StudyError for a path that is not there, and a selector that means no row.
    """
    entry = history.tree.get(path)
    if entry is None or entry.mode == GITLINK:
        near = [known for known in history.tree if known.endswith(path.rpartition("/")[2])][:3]
        raise StudyError(
            f"{path}: no file of {history.id[:8]}",
            hint=f"is it one of {', '.join(near)}?" if near else "git ls-files",
        )
    rows, focus = _rows(history, path, entry, selector) if selector else ((), Focus())
    target = _file(history, path, entry, before=None)
    runs: dict[str, RunNode] = {}
    todo = deque([target.run] if target.run else [])
    while todo:
        commit = todo.popleft()
        if commit not in runs:
            runs[commit] = _run(history, history.recorded[commit], focus)
            todo += [item.run for item in runs[commit].inputs if item.run]
    return Lineage(target, tuple(rows), runs, history.dataset_id, history.id)


def _rows(
    history: History, path: str, entry: Entry, selector: str
) -> tuple[list[Mapping[str, str]], Focus]:
    wanted = dict(part.partition("=")[::2] for part in selector.split(","))
    if entry.key:
        raise StudyError(f"{path}: no table in git", hint="ask of the file as a whole")
    rows = _table(text(history.blob(entry)), path)
    columns = list(rows[0]) if rows else []
    if unknown := [column for column in wanted if column not in columns]:
        raise StudyError(f"{path}: no column {unknown[0]!r}", hint=f"it has {', '.join(columns)}")
    found = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    if not found:
        raise StudyError(f"{path}: no row with {selector}", hint="see the values of its columns")
    own, others = (
        [{value for row in some for value in names(row)} for names in (_file_names, _folder_names)]
        for some in (found, rows)
    )
    return found, Focus(*(frozenset(them - ours) for them, ours in zip(others, own)))


def _table(content: str, path: str) -> list[dict[str, str]]:
    """The rows of a table; cells that no column has are left out, and those that a row lacks are empty."""
    separator = "\t" if path.endswith(".tsv") else ","
    reader = csv.DictReader(
        io.StringIO(content, newline=""), delimiter=separator, restkey="", restval=""
    )
    try:
        return [{key: value for key, value in row.items() if key} for row in reader]
    except csv.Error as error:
        raise StudyError(f"{path}: no table: {error}", hint="ask of the file as a whole") from error


def _file_names(row: Mapping[str, str]) -> set[str]:
    """How files about a row start."""
    return {row["case_id"]} if "case_id" in row else set()


def _folder_names(row: Mapping[str, str]) -> set[str]:
    """What folders about a row are called: the model, one of its replicates, the test set."""
    found = {row[column] for column in ("model", "testset") if column in row}
    if "model" in row and row.get("replicate", "1") != "1":
        found.add(f"{row['model']}.{row['replicate']}")
    return found


def _run(history: History, commit: RecordedCommit, focus: Focus) -> RunNode:
    files = [
        node for item in history.inputs[commit.id] for node in _read(history, commit, item, focus)
    ]
    code = tuple(
        node for node in files if node.path.startswith(CODE) and not _is_parameter(node.path)
    )
    parameters = tuple(node for node in files if _is_parameter(node.path))
    lock = next((node.object for node in code if node.path == LOCK), "")
    data = tuple(
        dict.fromkeys(node for node in files if node not in code and node not in parameters)
    )
    return RunNode(
        commit.id,
        commit.subject,
        commit.record.cmd,
        commit.author,
        commit.date,
        lock,
        code,
        data,
        parameters,
        tuple(changed(history, commit)),
        commit.record.resources,
    )


def _is_parameter(path: str) -> bool:
    return path.startswith("code/studies/")


def _read(history: History, commit: Commit, item: Input, focus: Focus) -> Iterator[FileNode]:
    """The files that one declared input stood for."""
    if item.entry is None:
        if not WILD.search(item.spec):
            yield FileNode(item.path, "", fault="was not there when the run read it")
    elif isinstance(item, InputBelow):
        yield from _in_subdataset(history, commit, item, focus)
    elif focus.keeps(item.path):
        yield _file(history, item.path, item.entry, before=commit.id)


def _file(history: History, path: str, entry: Entry, *, before: str | None) -> FileNode:
    """A file that a run made, or a plain commit; and what is wrong where it ought to be a run."""
    key = entry.key
    run = history.producer(path, entry, before=before)
    if run:
        return FileNode(path, entry.object, key, run=run.id)
    origin = history.introduced_by(path, entry)
    other = next(
        (f"{one.id[:8]} made it as {name}" for one, name in history.makers(entry)),
        "",
    )
    fault = ""
    if other:
        fault = f"put here by hand: {other}"
    elif key or not path.startswith((CODE, ".")):
        fault = "" if origin and not key and _is_text_of_people(path) else "no record made it"
    who = (origin.id, origin.author, origin.date) if origin else ("", "", "")
    return FileNode(path, entry.object, key, commit=who[0], author=who[1], date=who[2], fault=fault)


def _is_text_of_people(path: str) -> bool:
    """Text that nobody expects a record of: a README, or a file at the top."""
    return "/" not in path or path.endswith("README.md")


def _in_subdataset(
    history: History, commit: Commit, item: InputBelow, focus: Focus
) -> Iterator[FileNode]:
    """The files of a subdataset that an input stood for; the subdataset itself where it is not installed."""
    url = _url(history, commit, item.path)
    about = {"dataset": item.path, "dataset_commit": item.entry.object, "url": url}
    tree = history.subtree(item.path, item.entry.object)
    if tree is None:
        yield FileNode(item.spec, item.entry.object, **about)
        return
    for path in matches(tree, item.below):
        if focus.keeps(path):
            yield FileNode(f"{item.path}/{path}", tree[path].object, tree[path].key, **about)


def _url(history: History, commit: Commit, link: str) -> str:
    """Where a subdataset is cloned from, as the dataset said when a record ran; empty where it does not."""
    modules = history.entry_before(commit.id, ".gitmodules")
    return _urls(history.repo, modules.object).get(link, "") if modules else ""


@cache
def _urls(repo: Path, modules: str) -> Mapping[str, str]:
    """The URL of each subdataset by its path, of a `.gitmodules`; none of one that is malformed."""
    asked = (
        "config",
        "--no-includes",
        "--blob",
        modules,
        "-z",
        "--get-regexp",
        r"^submodule\..*\.(path|url)$",
    )
    try:
        told = text(read_git(repo, *asked))
    except StudyError:
        return {}
    values = dict(item.partition("\n")[::2] for item in told.split("\0") if item)
    paths = {
        key.removesuffix(".path"): path for key, path in values.items() if key.endswith(".path")
    }
    return {path: values.get(f"{name}.url", "") for name, path in paths.items()}


def faults(lineage: Lineage) -> list[str]:
    """Where the chain is broken: files of the lineage that nothing accounts for."""
    files: Sequence[FileNode] = [
        lineage.target,
        *(item for run in lineage.runs.values() for item in run.inputs),
    ]
    return list(dict.fromkeys(f"{node.path}: {node.fault}" for node in files if node.fault))


def stale(lineage: Lineage) -> list[str]:
    """What has changed since runs of the lineage read it: they are true, and no longer the newest word."""
    return [
        f"{run.commit[:8]} {run.subject}: {line}"
        for run in lineage.runs.values()
        for line in run.stale
    ]
