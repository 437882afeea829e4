"""The git-annex special remote whose store is the history: content by running its record again.

Owns: git-annex's protocol (by annexremote), what the remote answers.
Does not own: making content again (`remake`), what is allowed (`trust`), or how git-annex finds
this program (`git-annex-remote-rerun`, which the environment has).

Standard output is the protocol: what runs here prints to logs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from annexremote import Master, RemoteError, SpecialRemote

from cordstudy.base.errors import StudyError, inline
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.remaking.came_back import noted
from cordstudy.provenance.remaking.execution import has_walls
from cordstudy.provenance.remaking.limits import size_of
from cordstudy.provenance.remaking.remake import Listener, Remaker
from cordstudy.provenance.remaking.trust import Trust, trust_in
from cordstudy.provenance.remaking.vouching import Voucher
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import left_behind, remove_tree
from cordstudy.provenance.running.workspace import BASE

COST = 10_000
"""Far above any remote that has the content."""
READ_ONLY = "this remote is read-only: content comes from the history's records"
NEARLY = 0.9
"""What of a file is said to be here when it should be."""
Answer = TypeVar("Answer")
ProfileOf = Callable[[Path], Profile]
MachineOf = Callable[[Path], Machine]


class Rerun(SpecialRemote):  # type: ignore[misc]
    """Answers git-annex about one clone."""

    def __init__(
        self, master: Master, profile_of: Callable[[Path], Profile], machine_of: MachineOf
    ):
        super().__init__(master)
        self.profile_of, self.machine_of = profile_of, machine_of
        self.key = ""

    def initremote(self) -> None:
        """Nothing is kept anywhere."""

    def prepare(self) -> None:
        """Look whether the user of this clone allows it."""
        self.dataset = Path(_told(lambda: git(Path.cwd(), "rev-parse", "--show-toplevel").strip()))
        trust = _told(lambda: trust_in(self.dataset))
        if trust is None:
            raise RemoteError("recompute is off in this clone: code/study recompute on")
        self.remaker = _told(lambda: self._remaker(trust))
        if not has_walls():
            self.say("no bubblewrap here: commands of records run with your rights and the network")

    def _remaker(self, trust: Trust) -> Remaker:
        machine = self.machine_of(self.dataset)
        self.use = _use(self.dataset, machine.scratch)
        remaker = Remaker(
            self.dataset,
            profile=self.profile_of(self.dataset),
            machine=machine,
            trust=trust,
            listener=Listener(self.say, self.tick),
        )
        self.voucher = Voucher(self.dataset, remaker.makers, profile=remaker.profile, trust=trust)
        return remaker

    def say(self, text: str) -> None:
        """Have git-annex tell the user something."""
        self.annex.info(inline(text))

    def tick(self, spent: float, expected: float) -> None:
        """Have git-annex show how far it is, as bytes of the file that it waits for."""
        self.annex.progress(int(share_of(spent, expected) * size_of(self.key)))

    def transfer_retrieve(self, key: str, file_: str) -> None:
        """Make content again and give it to git-annex, which checks it."""
        self.key = key
        place = _told(lambda: self.remaker.location(key))
        target = Path(file_)
        target.unlink(missing_ok=True)
        try:
            os.link(place, target)
        except OSError:  # on another disk
            shutil.copyfile(place, target)

    def checkpresent(self, key: str) -> bool:
        """Whether it came back identical here and could again."""
        return _told(lambda: self.voucher.vouches(key))

    def whereis(self, key: str) -> str:
        """The record of content that came back here."""
        commit = self.remaker.history.recorded.get(noted(self.dataset).get(key, ""))
        return inline(f"run {commit.id[:12]} again: {commit.subject}") if commit else ""

    def getcost(self) -> int:
        """How dear it is, to git-annex."""
        return COST

    def getavailability(self) -> str:
        """Here only."""
        return "local"

    def transfer_store(self, key: str, file_: str) -> None:
        """Refuse."""
        raise RemoteError(READ_ONLY)

    def remove(self, key: str) -> None:
        """Refuse."""
        raise RemoteError(READ_ONLY)


def share_of(spent: float, expected: float) -> float:
    """What of a file is said to be here after so many seconds of so many: it grows for ever, as
    git-annex takes what does not grow for stalled, and is never all."""
    late = spent / expected
    return NEARLY * late if late <= 1 else 1 - (1 - NEARLY) / late


def serve(profile_of: ProfileOf, machine_of: MachineOf) -> None:
    """Speak with git-annex until it has no more to ask."""
    master = Master()
    master.LinkRemote(Rerun(master, profile_of, machine_of))
    master.Listen()


def _told(ask: Callable[[], Answer]) -> Answer:
    """An answer; what is wrong in the words of the protocol, which are on one line."""
    try:
        return ask()
    except (StudyError, OSError) as error:
        raise RemoteError(inline(str(error))) from error


def _use(dataset: Path, scratch: Path) -> object:
    """Hold that this process works there; where no other does, clear what a killed one left."""
    scratch.mkdir(parents=True, exist_ok=True)
    handle = (scratch / "use.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        fcntl.flock(handle, fcntl.LOCK_SH)
        return handle
    for folder in left_behind(dataset, scratch):
        remove_tree(folder)
        git(dataset, "update-ref", "-d", f"{BASE}/{folder.name}")
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle
