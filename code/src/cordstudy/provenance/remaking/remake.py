"""Making content again by running the records that made it.

Owns: which records run for a key, in which order, each once however many ask; what is refused; why
it cannot be had.
Does not own: where one runs (`workplace`), running it (`execution`), taking what came out
(`collecting`), which records made what (`makers`), what is vouched for (`vouching`), or git-annex's
protocol (`remote`).

Inputs come first: those that are here, those that another remote has, then those that older records
make. What came out is the dataset's own: what runs on it finds it there.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import get_keys, locations, proves
from cordstudy.provenance.calling.gitannex import git, gitlinks
from cordstudy.provenance.calling.kind import kind_of_machine
from cordstudy.provenance.history.commits import InputBelow, RecordedCommit
from cordstudy.provenance.history.gitlog import Entry, Tree, read_tree
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import matches
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.remaking.came_back import REMOTE, note
from cordstudy.provenance.remaking.collecting import Others, collect
from cordstudy.provenance.remaking.execution import OtherEnd, execute, watched_run
from cordstudy.provenance.remaking.limits import limits_of
from cordstudy.provenance.remaking.makers import Makers, declares
from cordstudy.provenance.remaking.needs import missing, missing_environment, own_links
from cordstudy.provenance.remaking.trust import Trust, is_trusted
from cordstudy.provenance.remaking.workplace import is_own, workplace
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.pins import have_pin
from cordstudy.provenance.running.workspace import Workspace

GUESSED_S = 60.0
"""How long a record takes that was not measured, to those who wait."""
OTHERS_TOLD = 3
"""How many files that came out other are named."""


@dataclass(frozen=True)
class Listener:
    """Who is told what happens: that a record runs, and for how long of how long."""

    says: Callable[[str], None]
    ticks: Callable[[float, float], None]


@dataclass
class Clock:
    """Seconds that records took and take, of how many they took when they were recorded."""

    expected: float = 0.0
    spent: float = 0.0
    known: set[str] = field(default_factory=set)

    def expect(self, commit: RecordedCommit) -> None:
        """Count on a record to run."""
        if commit.id not in self.known:
            self.known.add(commit.id)
            self.expected += _wall_s(commit) or GUESSED_S


class Remaker:
    """Makes content of one dataset again, from the records in the history of its HEAD."""

    def __init__(
        self, dataset: Path, *, profile: Profile, machine: Machine, trust: Trust, listener: Listener
    ) -> None:
        self.dataset, self.profile, self.machine = dataset, profile, machine
        self.trust, self.listener = trust, listener
        self.history = History(dataset)
        self.makers = Makers(self.history)
        self.clock = Clock()
        self._places: dict[str, Path] = {}
        """Where content is that this process had made."""

    def location(self, key: str) -> Path:
        """Where the content of a key is, made again if need be. Raises StudyError with why it
        cannot be had."""
        if key in self._places and self._places[key].exists():
            return self._places[key]
        _check_proves(key)
        records = self.makers.of(key)
        if not records:
            raise StudyError(
                "no record in the history of the checked-out branch made this content",
                hint="git annex whereis; git log --all -S KEY",
            )
        faults = []
        for commit in records:
            try:
                self._make(commit, key)
                return self._places[key]
            except StudyError as error:
                faults.append(str(error))
        raise StudyError("; ".join(dict.fromkeys(faults)))

    def _make(self, commit: RecordedCommit, key: str) -> None:
        """Run a record, or wait for whoever runs it, until the dataset has a key of its."""
        _check_proves(key)
        self.clock.expect(commit)
        with self._alone(commit):
            self._places |= locations(self.dataset, [key])
            if key in self._places:
                return
            others, absent = self._run(commit)
        if key not in self._places:
            path = self.makers.path_of(commit, key)
            raise StudyError(
                f"{_name(commit)} gives other content here: {path}: {others.get(path, 'none')}"
                f"{_lacking(absent)}; this machine: {kind_of_machine()['processor']}"
            )
        if others:
            told = ", ".join(f"{path} ({how})" for path, how in list(others.items())[:OTHERS_TOLD])
            self.listener.says(f"{_name(commit)}: {len(others)} files came out other: {told}")

    @contextmanager
    def _alone(self, commit: RecordedCommit) -> Iterator[None]:
        """Hold a record's lock: `git annex get -J` and other processes ask at the same time."""
        folder = self.machine.scratch / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / commit.id).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _run(self, commit: RecordedCommit) -> tuple[Others, Sequence[str]]:
        """Run a record, its inputs first; what came out other, and which inputs it went without.

        A command of somebody else's may count on what it does not declare: old outputs that it adds
        to, a folder that a person made. Where it ends or comes out otherwise without them, it has a
        second try.
        """
        self._check(commit)
        absent = self._have_inputs(commit)
        made = self.makers.made_by(commit)
        self.listener.says(f"running {_name(commit)}")
        try:
            others = self._attempt(commit, made, absent)
        except OtherEnd:
            if not self._has_another_try(commit, made):
                raise
            return self._attempt(commit, made, absent, as_found=True), absent
        if others and self._has_another_try(commit, made):
            with suppress(OtherEnd):
                others = self._attempt(commit, made, absent, as_found=True)
        return others, absent

    def _has_another_try(self, commit: RecordedCommit, made: Mapping[str, Entry]) -> bool:
        """Whether there was anything, or a folder missing, where a record of somebody else's
        wrote."""
        if is_own(commit.record, self.profile):
            return False
        tree = read_tree(self.dataset, commit.first_parent)
        folders = {str(folder) for path in tree for folder in PurePosixPath(path).parents}
        return any(path in tree or str(PurePosixPath(path).parent) not in folders for path in made)

    def _attempt(
        self,
        commit: RecordedCommit,
        made: Mapping[str, Entry],
        absent: Sequence[str],
        *,
        as_found: bool = False,
    ) -> Others:
        """Run a record once; what came out other. With `as_found`, what was there is there."""
        before: dict[str, str] = {}
        if as_found:
            tree = read_tree(self.dataset, commit.first_parent)
            before = {path: tree[path].key for path in made if path in tree}
            self._have_keys([key for key in before.values() if key], commit)
        place = workplace(
            self.dataset,
            commit,
            self.makers,
            machine=self.machine,
            profile=self.profile,
            before=tuple(before),
        )
        with place as ws:
            if as_found:
                for path in made:
                    (ws.path / path).parent.mkdir(parents=True, exist_ok=True)
            try:
                self._execute(commit, ws, made)
            except OtherEnd as error:
                raise OtherEnd(f"{_name(commit)}: {error}{_lacking(absent)}") from error
            except StudyError as error:
                raise StudyError(f"{_name(commit)}: {error}{_lacking(absent)}") from error
            keys, others = collect(ws, made)
        note(self.dataset, commit.id, keys)
        self._places |= locations(self.dataset, keys)
        return others

    def _execute(self, commit: RecordedCommit, ws: Workspace, made: Mapping[str, Entry]) -> None:
        read = [item.entry.key for item in self.makers.read_by(commit) if item.entry]
        wall_s = _wall_s(commit)
        limits = limits_of(
            wall_s,
            keys=[*read, *(entry.key for entry in made.values())],
            minutes=self.trust.minutes,
        )
        spent = self.clock.spent

        def tick(seconds: float) -> None:
            self.listener.ticks(spent + seconds, self.clock.expected)

        links = own_links(self.dataset, gitlinks(self.dataset, ws.base))
        execute(ws, commit.record, links=links, machine=self.machine, limits=limits, told=tick)
        self.clock.spent = spent + (wall_s or GUESSED_S)

    def _check(self, commit: RecordedCommit) -> None:
        """Raise StudyError for a record that is not to be run, or cannot be."""
        if not commit.parents:
            raise StudyError(f"{_name(commit)} has no commit before it: what it read is not known")
        if not is_trusted(self.dataset, commit, self.trust):
            raise StudyError(
                f"{_name(commit)} is not signed by anybody whom git trusts here",
                hint="code/study recompute on, without --signed",
            )
        missing = missing_environment(self.history, commit, self.profile)
        if missing:
            raise StudyError(f"{_name(commit)}: {missing}")

    def _have_inputs(self, commit: RecordedCommit) -> list[str]:
        """Have here what a record read; what is not to be had and why, where it may do without.

        Raises StudyError for what it declares and is out of reach, along the chain.
        """
        own: dict[str, str] = {}
        for item in self.makers.read_by(commit):
            if isinstance(item, InputBelow):
                self._have_pin(item, commit)
            elif item.entry and item.entry.key:
                own[item.entry.key] = item.path
        faults = self._have_keys(list(own), commit)
        if faults and declares(commit):
            key, why = next(iter(faults.items()))
            raise StudyError(f"{_name(commit)} needs {own[key]}, which is out of reach: {why}")
        absent = [f"{own[key]}: {why}" for key, why in faults.items()]
        return absent + self._absent_below(commit)

    def _have_pin(self, item: InputBelow, commit: RecordedCommit) -> None:
        """Have a subdataset here at the commit that a record read."""
        if not own_links(self.dataset, [item.path]):
            raise StudyError(f"{item.path} leads through a link: it is not followed")
        try:
            have_pin(
                self.dataset,
                item.path,
                item.entry.object,
                commit=commit.first_parent,
                machine=self.machine,
                profile=self.profile,
                run=watched_run,
            )
        except StudyError as error:
            raise StudyError(f"{_name(commit)} needs {item.path}: {error}") from error

    def _absent_below(self, commit: RecordedCommit) -> list[str]:
        """The files that a record may read in subdatasets and whose content is not to be had."""
        absent: list[str] = []
        for item in self.makers.read_by(commit):
            if not isinstance(item, InputBelow):
                continue
            place = self.dataset / item.path
            tree = self.history.subtree(item.path, item.entry.object) or Tree()
            keys = {tree[path].key: path for path in matches(tree, item.below) if tree[path].key}
            asked = missing(place, list(keys))
            if asked:
                get_keys(place, asked)
            absent += [f"{item.path}/{keys[key]}" for key in missing(place, asked)]
        return absent

    def _have_keys(self, keys: Sequence[str], commit: RecordedCommit) -> dict[str, str]:
        """Have content here that a record read; why what is not to be had is not, by key."""
        absent = missing(self.dataset, keys)
        if absent and self._has_other_remotes():
            get_keys(self.dataset, absent, without=REMOTE)
            absent = missing(self.dataset, absent)
        for key in absent:
            for maker in self.makers.of(key, before=commit)[:1]:
                self.clock.expect(maker)
        faults: dict[str, str] = {}
        while absent:
            key = absent[0]
            why = self._make_one(key, commit)
            if why:
                faults[key] = why
            absent = [key for key in missing(self.dataset, absent) if key not in faults]
        return faults

    def _make_one(self, key: str, commit: RecordedCommit) -> str:
        """Make a key that a record read; why it is not to be had, empty where it is."""
        why = "no remote has it and no record before made it"
        for maker in self.makers.of(key, before=commit):
            try:
                self._make(maker, key)
                return ""
            except StudyError as error:
                why = str(error)
        return why

    def _has_other_remotes(self) -> bool:
        return bool(set(git(self.dataset, "remote").split()) - {REMOTE})


def _check_proves(key: str) -> None:
    """Raise StudyError for a key of WORM, URL and such."""
    if not proves(key):
        backend = key.partition("-")[0]
        raise StudyError(f"a {backend} key holds no checksum: nothing could prove what comes out")


def _lacking(absent: Sequence[str]) -> str:
    if not absent:
        return ""
    return f" ({len(absent)} files that it may have read were not to be had, the first {absent[0]})"


def _name(commit: RecordedCommit) -> str:
    return f"{commit.id[:8]} {commit.subject!r}"


def _wall_s(commit: RecordedCommit) -> float | None:
    """How long a record's command took, where that was measured."""
    resources = commit.record.resources
    return resources["wall_s"] if resources else None
