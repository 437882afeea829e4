"""The lineage of a file or of rows of a table: every run behind it, down to sources.

Owns: the graph of runs and files behind a path, and where it is broken or stale.
Does not own: the index of the history (`history`), which rows a selector means (`focus`), or how a
lineage is shown (`views`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.focus import Focus, Row, select_rows
from cordstudy.provenance.calling.gitannex import GITLINK, read_git, without_passwords
from cordstudy.provenance.history.commits import Input, InputBelow, RecordedCommit
from cordstudy.provenance.history.gitlog import Entry, text
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import WILD, matches
from cordstudy.provenance.history.since import changed
from cordstudy.provenance.profile import Profile


@dataclass(frozen=True)
class FileNode:
    """A file as a run read or made it. One of `run` (a commit), `commit` (a plain one) and
    `dataset` (a subdataset, with its commit and URL) says where it came from; `fault` what is
    wrong."""

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
    files: tuple[FileNode, ...] = ()
    """The files of a target that is a folder."""

    @property
    def asked(self) -> tuple[FileNode, ...]:
        """The files that were asked about."""
        return self.files or (self.target,)


def trace(history: History, path: str, selector: str = "", *, profile: Profile) -> Lineage:
    """The lineage of a file, or of all files of a folder, at the history's commit; `selector` is
    `column=value,…` of a table.

    Raises StudyError for a path that is not there, and a selector that means no row.
    """
    path = path.rstrip("/")
    below = _files_below(history, path)
    if below and not selector:
        reader = _Reader(history, profile, Focus())
        files = tuple(reader.now(name, history.tree[name]) for name in below)
        runs = reader.runs_behind(files)
        return Lineage(FileNode(path, ""), (), runs, history.dataset_id, history.id, files)
    entry = _target_entry(history, path)
    rows: list[Row] = []
    focus = Focus()
    if selector:
        rows, focus = select_rows(history, path, entry, selector, profile)
    reader = _Reader(history, profile, focus)
    target = reader.file(path, entry, before=None)
    runs = reader.runs_behind([target])
    return Lineage(target, tuple(rows), runs, history.dataset_id, history.id)


def _files_below(history: History, folder: str) -> list[str]:
    """The files of a folder; none where it is no folder. `.` is all of the dataset."""
    if folder == ".":
        return list(history.tree)
    return [path for path in history.tree if path.startswith(f"{folder}/")]


def _target_entry(history: History, path: str) -> Entry:
    """What a path holds; raises StudyError where it is no file, with files of that name."""
    entry: Entry | None = history.tree.get(path)
    if entry is not None and entry.mode != GITLINK:
        return entry
    above = next((link for link in _links(history) if f"{path}/".startswith(f"{link}/")), "")
    if above:
        raise StudyError(
            f"{path}: no run of this history made it: it is of the source {above}, pinned at "
            f"{history.tree[above].object[:8]}",
            hint=f"git -C {above} log -- {path.removeprefix(above).strip('/') or '.'}",
        )
    name = path.rpartition("/")[2]
    near = [known for known in history.tree if known.endswith(name)]
    hint = f"is it one of {', '.join(near[:3])}?" if near else "git ls-files"
    raise StudyError(f"{path}: no file of {history.id[:8]}", hint=hint)


def _links(history: History) -> list[str]:
    """The paths of subdatasets."""
    return [path for path, entry in history.tree.items() if entry.mode == GITLINK]


@dataclass(frozen=True)
class _Reader:
    """Makes the nodes of a lineage out of a history."""

    history: History
    profile: Profile
    focus: Focus

    def runs_behind(self, files: Iterable[FileNode]) -> dict[str, RunNode]:
        """Every run behind files, by commit, in the order they are met."""
        runs: dict[str, RunNode] = {}
        todo = deque(node.run for node in files)
        while todo:
            commit = todo.popleft()
            if commit and commit not in runs:
                runs[commit] = self.run(self.history.recorded[commit])
                todo += [node.run for node in runs[commit].inputs]
        return runs

    def now(self, path: str, entry: Entry) -> FileNode:
        """A file, or a subdataset, as it is now."""
        if entry.mode != GITLINK:
            return self.file(path, entry, before=None)
        modules = self.history.tree.get(".gitmodules")
        url = _urls(self.history.repo, modules.object).get(path, "") if modules else ""
        return FileNode(path, entry.object, dataset=path, dataset_commit=entry.object, url=url)

    def run(self, commit: RecordedCommit) -> RunNode:
        """The node of a record."""
        code: list[FileNode] = []
        parameters: list[FileNode] = []
        data: list[FileNode] = []
        for node in self._files_read(commit):
            if self._is_below(node.path, self.profile.parameters):
                parameters.append(node)
            elif self._is_below(node.path, self.profile.code):
                code.append(node)
            else:
                data.append(node)
        locks = [node.object for node in code if node.path == self.profile.lock]
        return RunNode(
            commit=commit.id,
            subject=commit.subject,
            command=commit.record.cmd,
            author=commit.author,
            date=commit.date,
            environment=locks[0] if locks else "",
            code=tuple(code),
            inputs=tuple(dict.fromkeys(data)),
            parameters=tuple(parameters),
            stale=tuple(changed(self.history, commit)),
            resources=commit.record.resources,
        )

    def _files_read(self, commit: RecordedCommit) -> Iterator[FileNode]:
        """The files that the declared inputs of a record stood for."""
        for item in self.history.inputs(commit):
            if isinstance(item, InputBelow):
                yield from self._in_subdataset(commit, item)
            elif item.entry is None:
                yield from self._absent(item)
            elif self.focus.keeps(item.path):
                yield self.file(item.path, item.entry, before=commit.id)

    def _absent(self, item: Input) -> Iterator[FileNode]:
        if not WILD.search(item.spec):
            yield FileNode(item.path, "", fault="was not there when the run read it")

    def file(self, path: str, entry: Entry, *, before: str | None) -> FileNode:
        """A file that a run made, or a plain commit; and what is wrong where it ought to be a
        run."""
        maker = self.history.producer(path, entry, before=before)
        if maker:
            return FileNode(path, entry.object, entry.key, run=maker.id)
        node = FileNode(path, entry.object, entry.key, fault=self._fault(path, entry))
        origin = self.history.introduced_by(path, entry)
        return replace(node, commit=origin.id, author=origin.author, date=origin.date)

    def _fault(self, path: str, entry: Entry) -> str:
        """What is wrong with a file that no record made; empty where nobody expects one."""
        makers = self.history.makers(entry)
        if makers:
            maker, name = makers[0]
            return f"put here by hand: {maker.id[:8]} made it as {name}"
        of_people = path.startswith(".") or self._is_below(path, self.profile.code)
        if not entry.key and (of_people or _is_text_of_people(path)):
            return ""
        return "no record made it"

    def _in_subdataset(self, commit: RecordedCommit, item: InputBelow) -> Iterator[FileNode]:
        """The files of a subdataset that an input stood for; the subdataset itself where it is not
        installed."""
        pin = item.entry.object
        url = _url(self.history, commit, item.path)
        tree = self.history.subtree(item.path, pin)
        if tree is None:
            yield FileNode(item.spec, pin, dataset=item.path, dataset_commit=pin, url=url)
            return
        for path in matches(tree, item.below):
            if self.focus.keeps(path):
                yield FileNode(
                    f"{item.path}/{path}",
                    tree[path].object,
                    tree[path].key,
                    dataset=item.path,
                    dataset_commit=pin,
                    url=url,
                )

    def _is_below(self, path: str, folder: str) -> bool:
        return bool(folder) and path.startswith(f"{folder}/")


def _is_text_of_people(path: str) -> bool:
    """Text that nobody expects a record of: a README, or a file at the top."""
    return "/" not in path or path.endswith("README.md")


def _url(history: History, commit: RecordedCommit, link: str) -> str:
    """Where a subdataset is cloned from, as the dataset said when a record ran; empty where it does
    not."""
    modules = history.entry_before(commit.id, ".gitmodules")
    return _urls(history.repo, modules.object).get(link, "") if modules else ""


@cache
def _urls(repo: Path, modules: str) -> Mapping[str, str]:
    """The URL of each subdataset by its path, of a `.gitmodules`; none of one that is malformed."""
    keys = r"^submodule\..*\.(path|url)$"
    try:
        said = read_git(
            repo, "config", "--no-includes", "--blob", modules, "-z", "--get-regexp", keys
        )
    except StudyError:
        return {}
    values: dict[str, str] = {}
    for item in text(said).split("\0"):
        key, _, value = item.partition("\n")
        values[key] = value
    urls = {}
    for key, path in values.items():
        name = key.removesuffix(".path")
        if name != key:
            urls[path] = without_passwords(values.get(f"{name}.url", ""))
    return urls


def faults(lineage: Lineage) -> list[str]:
    """Where the chain is broken: files of the lineage that nothing accounts for."""
    nodes = list(lineage.asked)
    for run in lineage.runs.values():
        nodes += run.inputs
    return list(dict.fromkeys(f"{node.path}: {node.fault}" for node in nodes if node.fault))


def stale(lineage: Lineage) -> list[str]:
    """What has changed since runs of the lineage read it: they are true, and no longer the newest
    word."""
    lines = []
    for run in lineage.runs.values():
        for change in run.stale:
            lines.append(f"{run.commit[:8]} {run.subject}: {change}")
    return lines
