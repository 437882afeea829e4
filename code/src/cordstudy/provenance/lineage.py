"""The lineage of a file or of rows of a table: every run behind it, down to sources.

Owns: the graph of runs and files behind a path, the rows that a selector means.
Does not own: the index of the history (`history`), or how a lineage is shown (`showing`).

For rows of a table, files that are about other rows fall away: those whose name starts with another
row's case, and those in a folder of another row's model or test set.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cordstudy.errors import StudyError
from cordstudy.provenance.gitannex import git
from cordstudy.provenance.history import GITLINK, Commit, Entry, History, Input
from cordstudy.provenance.paths import matches

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
            f"{path}: no file of {history.id[:8]}", hint=f"is it one of {', '.join(near)}?" if near else "git ls-files"
        )
    rows, focus = _rows(history, path, entry, selector) if selector else ((), Focus())
    target = _file(history, path, entry, before=None)
    runs: dict[str, RunNode] = {}
    todo = [target.run] if target.run else []
    while todo:
        commit = todo.pop(0)
        if commit not in runs:
            runs[commit] = _run(history, history.by_id[commit], focus)
            todo += [item.run for item in runs[commit].inputs if item.run]
    dsid = git(history.repo, "config", "--blob", f"{history.id}:.datalad/config", "datalad.dataset.id").strip()
    return Lineage(target, tuple(rows), runs, dsid, history.id)


def _rows(history: History, path: str, entry: Entry, selector: str) -> tuple[list[Mapping[str, str]], Focus]:
    wanted = dict(part.partition("=")[::2] for part in selector.split(","))
    if history.key(entry):
        raise StudyError(f"{path}: no table in git", hint="ask of the file as a whole")
    text = git(history.repo, "cat-file", "blob", entry.object)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if path.endswith(".tsv") else ","))
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


def _file_names(row: Mapping[str, str]) -> set[str]:
    """How files about a row start."""
    return {row["case_id"]} if "case_id" in row else set()


def _folder_names(row: Mapping[str, str]) -> set[str]:
    """What folders about a row are called: the model, one of its replicates, the test set."""
    found = {row[column] for column in ("model", "testset") if column in row}
    if "model" in row and row.get("replicate", "1") != "1":
        found.add(f"{row['model']}.{row['replicate']}")
    return found


def _run(history: History, commit: Commit, focus: Focus) -> RunNode:
    files = [node for item in history.inputs[commit.id] for node in _read(history, commit, item, focus)]
    code = tuple(node for node in files if node.path.startswith(CODE) and not _is_parameter(node.path))
    parameters = tuple(node for node in files if _is_parameter(node.path))
    lock = next((node.object for node in code if node.path == LOCK), "")
    data = tuple(dict.fromkeys(node for node in files if node not in code and node not in parameters))
    return RunNode(
        commit.id, commit.subject, commit.record.cmd, commit.author, commit.date, lock, code, data, parameters,
        tuple(history.changed(commit)), commit.record.resources,
    )  # fmt: skip


def _is_parameter(path: str) -> bool:
    return path.startswith("code/studies/")


def _read(history: History, commit: Commit, item: Input, focus: Focus) -> Iterator[FileNode]:
    """The files that one declared input stood for."""
    if item.entry is None:
        if not any(letter in item.spec for letter in "*?["):
            yield FileNode(item.path, "", fault="was not there when the run read it")
    elif item.below:
        yield from _in_subdataset(history, commit, item, focus)
    elif focus.keeps(item.path):
        yield _file(history, item.path, item.entry, before=commit.id)


def _file(history: History, path: str, entry: Entry, *, before: str | None) -> FileNode:
    """A file that a run made, or a plain commit; and what is wrong where it ought to be a run."""
    key = history.key(entry)
    run = history.producer(path, entry, before=before)
    if run:
        return FileNode(path, entry.object, key, run=run.id)
    origin = history.put(path, entry)
    other = next((f"{one.id[:8]} made it as {name}" for one, name in history.made.get(key or entry.object, ())), "")
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


def _in_subdataset(history: History, commit: Commit, item: Input, focus: Focus) -> Iterator[FileNode]:
    """The files of a subdataset that an input stood for; the subdataset itself where it is not installed."""
    url = _url(history, commit, item.path)
    about = {"dataset": item.path, "dataset_commit": item.entry.object, "url": url}
    tree = history.subtree(item.path, item.entry.object)
    if tree is None:
        yield FileNode(item.spec, item.entry.object, **about)
        return
    keys = history.subkeys(item.path, item.entry.object)
    for path in matches(tree, item.below):
        if focus.keeps(path):
            yield FileNode(f"{item.path}/{path}", tree[path].object, keys.get(tree[path].object, ""), **about)


def _url(history: History, commit: Commit, link: str) -> str:
    blob = f"{commit.id}:.gitmodules"
    try:
        lines = git(history.repo, "config", "--blob", blob, "--get-regexp", r"^submodule\..*\.(path|url)$").splitlines()
    except StudyError:
        return ""
    values = dict(line.split(" ", 1) for line in lines)
    name = next(
        (key.removesuffix(".path") for key, path in values.items() if key.endswith(".path") and path == link), ""
    )
    return values.get(f"{name}.url", "")


def faults(lineage: Lineage) -> list[str]:
    """Where the chain is broken: files of the lineage that nothing accounts for, and stale runs."""
    files: Sequence[FileNode] = [lineage.target, *(item for run in lineage.runs.values() for item in run.inputs)]
    told = [f"{node.path}: {node.fault}" for node in files if node.fault]
    told += [
        f"{run.commit[:8]} {run.subject}: since then {line}" for run in lineage.runs.values() for line in run.stale
    ]
    return list(dict.fromkeys(told))
