"""Running one record again at its own commit, in an ephemeral clone.

Owns: the order in which records run that build on each other, what is asked of a run.
Does not own: the workspace (`workspace`), how what came out differs (`differences`).

A record runs with its recorded inputs where their content is here; else the records that made
them run first, and what came out the same stands in. Its workspace holds its declared inputs
only, so an input that it does not declare is not there, and an output that it does not
declare is found.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.differences import Compare, Differences
from cordstudy.provenance.audit.verdicts import Item, Verdict
from cordstudy.provenance.calling.gitannex import gitlinks
from cordstudy.provenance.history.paths import covers
from cordstudy.provenance.history.records import RunRecord, read_records
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.pins import have_pin
from cordstudy.provenance.running.recording import failure, record_in
from cordstudy.provenance.running.workspace import (
    ContentMissing,
    Workspace,
    by_dataset,
    check_inputs_untouched,
    check_outputs,
    workspace,
)

Outcome = tuple[str, tuple[str, ...]]
"""A word, and how each output that is not the same differs."""
Watch = Callable[[Item, str, float], None]
"""Told of each record as it begins (`runs`) and ends (its verdict in a word), with seconds."""


def unwatched(_: Item, event: str, seconds: float) -> None:
    """Say nothing."""


class Verifier:
    """Runs each record once, its producers before it where their content is not here."""

    def __init__(
        self,
        study: Path,
        place: Path,
        machine: Machine,
        compare: Compare,
        profile: Profile,
        watch: Watch = unwatched,
    ) -> None:
        self.study, self.store, self.machine, self.watch = study, place / "store", machine, watch
        self.profile = profile
        self.differences = Differences(study, place, compare)
        self.records = list(read_records(study))
        """Newest first."""
        self.done: dict[str, Verdict] = {}
        self.locks: dict[str, threading.Lock] = {}
        self.guard = threading.Lock()

    def verdict(self, item: Item) -> Verdict:
        """What came of running a record again, once however often it is asked."""
        commit = item.record.commit
        with self.guard:
            lock = self.locks.setdefault(commit, threading.Lock())
        with lock:
            if commit not in self.done:
                start = time.monotonic()
                self.watch(item, "runs", 0.0)
                word, differs = self._judge(item)
                seconds = time.monotonic() - start
                self.done[commit] = Verdict(
                    item.name, commit, item.identical, word, differs, seconds
                )
                self.watch(item, word, seconds)
            return self.done[commit]

    def _judge(self, item: Item) -> Outcome:
        tried: set[str] = set()
        while True:
            try:
                return self._execute(item)
            except ContentMissing as error:
                maker = producer_of(error.path, older(self.records, item.record))
                if maker is None or maker.commit in tried:
                    return "failed", (str(error),)
                tried.add(maker.commit)
                self.verdict(Item(maker.subject, maker))
            except StudyError as error:
                return "failed", (str(error),)

    def _execute(self, item: Item) -> Outcome:
        record = item.record
        if not record.parent:
            raise StudyError("a record without a commit before it cannot be run again")
        self._have_pins(record)
        place = workspace(
            self.store,
            scratch=self.machine.scratch,
            name=f"again-{record.commit[:8]}",
            inputs=record.from_root(record.inputs),
            outputs=record.from_root(record.outputs),
            commit=record.parent,
            sources=self.study,
        )
        with place as ws:
            self._run(item, ws)
            try:
                check_outputs(ws)
            except StudyError as error:
                return "different", (str(error),)
            return self.differences.of(item, ws)

    def _have_pins(self, record: RunRecord) -> None:
        """Have the subdatasets that a record read here as they were then."""
        links = gitlinks(self.study, record.parent)
        per_link, _ = by_dataset(record.from_root(record.inputs), links)
        for link in per_link:
            have_pin(
                self.study,
                link,
                links[link],
                commit=record.parent,
                machine=self.machine,
                profile=self.profile,
            )

    def _run(self, item: Item, ws: Workspace) -> None:
        """Run the command of a record; raises StudyError where it ends otherwise than then, or
        changes what it reads."""
        record = item.record
        log = self.machine.log(f"verify-{record.commit[:8]}")
        # what is kept between runs must not stand in for a run
        env = self.machine.env(cache=ws.folder / "cache")
        code = record_in(ws, [record.cmd], message="again", log=log, env=env, pwd=record.pwd)
        if code != record.exit:
            raise failure(item.name, code, log)
        check_inputs_untouched(ws)


def older(records: list[RunRecord], than: RunRecord) -> list[RunRecord]:
    """The records before one, of those of a history from the newest on."""
    commits = [record.commit for record in records]
    return records[commits.index(than.commit) + 1 :]


def producer_of(path: str, records: Iterable[RunRecord]) -> RunRecord | None:
    """The first of some records that has a file among its outputs."""
    for record in records:
        if covers(record.from_root(record.outputs), path):
            return record
    return None
