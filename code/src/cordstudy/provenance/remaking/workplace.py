"""Where a record runs again: a workspace as whoever recorded it may have had it.

Owns: what of the record's parent is in it, and that the command can write what it made there.
Does not own: the workspace itself (`running.workspace`), or having content here first (`remake`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import gitlinks
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.history.records import RunRecord
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.remaking.makers import EVERYTHING, Makers
from cordstudy.provenance.remaking.needs import own_links
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.workspace import Workspace, workspace


@contextmanager
def workplace(
    dataset: Path,
    commit: RecordedCommit,
    makers: Makers,
    *,
    machine: Machine,
    profile: Profile,
    before: tuple[str, ...] = (),
) -> Iterator[Workspace]:
    """A clone in which a record can run: what it declares to read where its command is of the
    dataset's own code, which declares all; else all that git had, with content for what it
    declares; for one that declares nothing, with all content that is to be had. What was there
    `before` where it writes stays there. Raises StudyError for a path that a link leads away."""
    record, made = commit.record, makers.made_by(commit)
    declared = record.from_root((*record.inputs, *record.extra_inputs))
    place = workspace(
        dataset,
        scratch=machine.scratch,
        name=f"again-{commit.id[:8]}",
        inputs=(*declared, *before) if declared else _everything(dataset, commit),
        outputs=(),
        commit=commit.first_parent,
        whole=not is_own(record, profile),
        lenient=bool(before) or not declared,
    )
    with place as ws:
        _check_is_inside(ws, ws.path / record.pwd)
        read = {*before, *(item.path for item in makers.read_by(commit))}
        if not is_own(record, profile):  # as `datalad rerun` leaves it
            read |= {p for p, e in made.items() if p not in commit.changes and not e.key}
        yield _made_ready(ws, made, read=read)


def is_own(record: RunRecord, profile: Profile) -> bool:
    """Whether a record is of the dataset's own code, which declares all that it reads."""
    launcher = profile.launcher
    return bool(launcher) and record.cmd.split()[:1] == [launcher] and bool(record.inputs)


def _everything(dataset: Path, commit: RecordedCommit) -> tuple[str, ...]:
    """All of a record's parent, and of the subdatasets that are installed."""
    links = own_links(dataset, gitlinks(dataset, commit.first_parent))
    here = [link for link in links if (dataset / link / ".git").exists()]
    return (EVERYTHING, *(f"{link}/{EVERYTHING}" for link in here))


def _made_ready(ws: Workspace, made: Mapping[str, Entry], *, read: set[str]) -> Workspace:
    """A workspace in which a command can write what it made: what is there of it is gone, or, where
    the command read it too, can be changed without changing the dataset's own."""
    stamps = dict(ws.stamps)
    for path in made:
        file = ws.path / path
        _check_is_inside(ws, file.parent)
        if path not in read:
            if file.is_symlink() or file.is_file():
                file.unlink()
        elif file in stamps:  # annexed: a link that is not could lead anywhere
            stamps.pop(file)
            content = file.resolve()
            if file.is_symlink():
                file.unlink()
                shutil.copyfile(content, file)
    return replace(ws, stamps=stamps)


def _check_is_inside(ws: Workspace, folder: Path) -> None:
    """Raise StudyError where a link in the record's tree leads to another folder."""
    if os.path.realpath(folder) != str(folder):
        raise StudyError(f"{folder.relative_to(ws.path)} leads through a link: it is not followed")
