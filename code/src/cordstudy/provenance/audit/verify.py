"""Re-execution with a verdict: does a record, run again, give what it gave?

Owns: running records again in ephemeral clones at their own commits, what came out against
what is recorded, committing verdicts.
Does not own: the workspace (`workspace`), how alike two files are (told by the caller's
`compare`), or what a step promises (`steps`).

A record runs with its recorded inputs where their content is here; else the records that made
them run first, and what came out the same stands in. Its workspace holds its declared inputs
only, so an input that it does not declare is not there, and an output that it does not
declare is found.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit import attestations
from cordstudy.provenance.calling.content import listed, pathspecs
from cordstudy.provenance.calling.gitannex import (
    annex,
    git,
    git_ok,
    head,
    install_annex,
    read_git,
    settle_identity,
)
from cordstudy.provenance.history import since
from cordstudy.provenance.history.gitlog import read_tree
from cordstudy.provenance.history.paths import covers
from cordstudy.provenance.history.records import RunRecord, join, read_records, render_message
from cordstudy.provenance.running.landing import commit_files
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import mark, remove_tree
from cordstudy.provenance.running.recording import failure, record_in
from cordstudy.provenance.running.workspace import (
    ContentMissing,
    Workspace,
    check_inputs_untouched,
    check_outputs,
    workspace,
)

WORDS = ("identical", "voxel-identical", "equivalent", "different", "failed")
"""From best to worst."""
Compare = Callable[[Path, Path, float | None], tuple[str, str]]
"""Recorded file, file made anew, tolerance: a word, and how they differ."""


@dataclass(frozen=True)
class Item:
    """A record to run again; `identical` is what it promises (`here`, `anywhere`; `n/a` for a
    record of no step), `tolerances` give numbers of its outputs some room, by glob."""

    name: str
    record: RunRecord
    identical: str = "n/a"
    tolerances: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What came of it; `differs` says of each output that is not the same how it differs."""

    name: str
    record: str
    identical: str
    word: str
    differs: tuple[str, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the promise is kept: the same bytes, or, on a processor of another kind than a
        step promises for, numbers within its tolerance."""
        return self.word == "identical" or (self.word == "equivalent" and self.identical == "here")


def verify(
    study: Path,
    items: Sequence[Item],
    *,
    machine: Machine,
    jobs: int,
    compare: Compare,
    report: Callable[[Verdict], None],
) -> list[Verdict]:
    """Run records again, `jobs` at a time; their verdicts in the given order."""
    with _store(study, machine.scratch) as store:
        judge = _Judge(study, store, machine, compare)
        with ThreadPoolExecutor(jobs) as pool:
            verdicts = []
            for verdict in pool.map(judge.verdict, items):
                report(verdict)
                verdicts.append(verdict)
    return verdicts


@contextmanager
def _store(study: Path, scratch: Path) -> Iterator[Path]:
    """A clone of the study that keeps what came out the same, for records that build on it."""
    scratch.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="verify.", dir=scratch))
    try:
        mark(path, study, "verify")
        cloned = (
            "clone",
            "-q",
            "--shared",
            "--no-checkout",
            "--no-tags",
            str(study.resolve()),
            str(path / "store"),
        )
        git(study, *cloned, private=True)
        settle_identity(path / "store", like=study)
        install_annex(path / "store", private=True)
        yield path
    finally:
        remove_tree(path)


class _Judge:
    """Runs each record once, its producers before it where their content is not here."""

    def __init__(self, study: Path, place: Path, machine: Machine, compare: Compare) -> None:
        self.study, self.store, self.place = study, place / "store", place
        self.machine, self.compare = machine, compare
        self.records = list(read_records(study))
        self.done: dict[str, Verdict] = {}
        self.locks: dict[str, threading.Lock] = {}
        self.guard = threading.Lock()

    def verdict(self, item: Item) -> Verdict:
        with self.guard:
            lock = self.locks.setdefault(item.record.commit, threading.Lock())
        with lock:
            if item.record.commit not in self.done:
                start = time.monotonic()
                word, differs = self._judge(item)
                self.done[item.record.commit] = Verdict(
                    item.name,
                    item.record.commit,
                    item.identical,
                    word,
                    differs,
                    time.monotonic() - start,
                )
            return self.done[item.record.commit]

    def _judge(self, item: Item) -> tuple[str, tuple[str, ...]]:
        tried: set[str] = set()
        while True:
            try:
                return self._execute(item)
            except ContentMissing as error:
                producer = self._producer(error.path, item.record)
                if producer is None or producer.commit in tried:
                    return "failed", (f"{error}",)
                tried.add(producer.commit)
                self.verdict(Item(producer.subject, producer))
            except StudyError as error:
                return "failed", (str(error),)

    def _producer(self, path: str, before: RunRecord) -> RunRecord | None:
        """The newest record before one that has a file among its outputs."""
        older = self.records[[record.commit for record in self.records].index(before.commit) + 1 :]
        return next(
            (record for record in older if covers(record.from_root(record.outputs), path)), None
        )

    def _execute(self, item: Item) -> tuple[str, tuple[str, ...]]:
        record = item.record
        if not record.parent:
            raise StudyError("a record without a commit before it cannot be run again")
        inputs, outputs = record.from_root(record.inputs), record.from_root(record.outputs)
        place = workspace(
            self.store,
            scratch=self.machine.scratch,
            name=f"again-{record.commit[:8]}",
            inputs=inputs,
            outputs=outputs,
            commit=record.parent,
            sources=self.study,
        )
        with place as ws:
            log = self.machine.log(f"verify-{record.commit[:8]}")
            # what is kept between runs must not stand in for a run
            env = self.machine.env(cache=ws.folder / "cache")
            code = record_in(ws, [record.cmd], message="again", log=log, env=env, pwd=record.pwd)
            if code != record.exit:
                raise failure(item.name, code, log)
            check_inputs_untouched(ws)
            try:
                check_outputs(ws)
            except StudyError as error:
                return "different", (str(error),)
            return self._compared(item, ws)

    def _compared(self, item: Item, ws: Workspace) -> tuple[str, tuple[str, ...]]:
        """What the record's outputs are now against what they were."""
        specs = pathspecs(ws.outputs)
        found = git(
            ws.path,
            "diff",
            "--name-status",
            "-z",
            "--no-renames",
            item.record.commit,
            "HEAD",
            "--",
            *specs,
            private=True,
        )
        changes = dict(zip(found.split("\0")[1::2], found.split("\0")[0::2]))
        if changes:  # not where the same content is kept in another way: unlocked, executable
            then, now = (read_tree(ws.path, commit) for commit in (item.record.commit, "HEAD"))
            changes = {
                path: how
                for path, how in changes.items()
                if not since.same(then.get(path), now.get(path))
            }
        same = [path for path in listed(ws.path, ws.outputs) if path not in changes]
        kept = "".join(f"{path}\0" for path in same)
        annex(ws.path, "copy", "-q", "--to=origin", "--batch", "-z", stdin=kept, private=True)
        word, differs = "identical", []
        for path, change in sorted(changes.items()):
            alone = {"A": "made now, not then", "D": "made then, not now"}
            told = ("different", alone[change]) if change in alone else self._alike(item, ws, path)
            word = max(word, told[0], key=WORDS.index)
            differs.append(f"{path}: {told[1]}")
        return word, tuple(differs)

    def _alike(self, item: Item, ws: Workspace, path: str) -> tuple[str, str]:
        """How a file that came out with other bytes differs from the recorded one."""
        tolerance = next(
            (value for glob, value in item.tolerances if fnmatch.fnmatch(path, glob)), None
        )
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            recorded = Path(folder) / Path(path).name
            entry = read_tree(self.study, item.record.commit)[path]
            if not entry.key:
                recorded.write_bytes(read_git(self.study, "cat-file", "blob", entry.object))
            elif git_ok(self.study, "annex", "contentlocation", entry.key):
                place = annex(self.study, "contentlocation", entry.key).removesuffix("\n")
                recorded.symlink_to((self.study / place).resolve())
            else:
                return "different", "other bytes; the recorded content is not here to compare"
            try:
                return self.compare(recorded, ws.path / path, tolerance)
            except StudyError as error:  # such as a checkpoint that is no data
                return "different", str(error)


def machine() -> dict[str, object]:
    """What kind of machine this is: nothing that names it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    fields = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = set(fields.get("flags", "").split())
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": fields.get("model name", platform.processor()),
        "instructions": sorted(
            flags & {"avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile"}
        ),
    }


def attest(study: Path, verdicts: Sequence[Verdict], *, argv: Sequence[str]) -> str:
    """Commit the verdicts as a record of their own; the path of their file.

    They are about records of the history of HEAD, whose commit the file names.
    """
    content = {
        "commit": head(study),
        "environment": git(study, "rev-parse", "HEAD:code/requirements.lock").strip(),
        "machine": machine(),
        "verdicts": [
            {key: value for key, value in asdict(verdict).items() if key != "seconds"}
            for verdict in verdicts
        ],
    }
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = f"{attestations.FOLDER}/{content['commit'][:12]}-{digest[:8]}.json"
    dsid = git(study, "config", "-f", ".datalad/config", "datalad.dataset.id").strip()
    held = sum(verdict.holds for verdict in verdicts)
    subject = f"Attest {held} of {len(verdicts)} records"
    message = render_message(subject, cmd=join(argv), dsid=dsid, inputs=[], outputs=[path])
    commit_files(study, lambda _: {path: text}, message)
    return path
