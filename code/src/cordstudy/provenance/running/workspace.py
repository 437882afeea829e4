"""An ephemeral clone in which one step runs.

Owns: a clone that holds a commit and the declared inputs, as their keys say, and nothing else; that
a step changed no input and wrote what it declares.
Does not own: what runs in it (`recording`), how its one commit joins the branch (`landing`), or
what a run that was killed left of such clones (`marks`).

Only declared paths are checked out, so an undeclared input, code included, cannot be read. A
workspace is removed at its end, unless it holds a finished step that could not be brought home.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import (
    annex_keys,
    annexed,
    check_names,
    damaged_files,
    get,
    get_keys,
    listed,
)
from cordstudy.provenance.calling.gitannex import (
    git,
    gitlinks,
    head,
    install_annex,
    settle_identity,
    settle_locked,
)
from cordstudy.provenance.profile import REFS
from cordstudy.provenance.running.machine import file_name
from cordstudy.provenance.running.marks import finished_step, mark, remove_tree

ALWAYS = (".gitattributes", ".gitmodules", ".datalad/config")
"""What git, git-annex and DataLad themselves read of a dataset."""
BASE = f"{REFS}/base"
"""Where the commits are kept that workspaces are made of."""
RESERVE_MIB = 100
"""What git-annex leaves free on a disk (`annex.diskreserve`)."""
CLONE = "dataset"
"""The clone's folder in a workspace's own."""


@dataclass(frozen=True)
class Workspace:
    """A clone of `dataset` at `base`, where `inputs` are present; `folder` holds it and its home
    folder."""

    dataset: Path
    folder: Path
    path: Path
    base: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stamps: dict[Path, tuple[int, int]]
    """Size and time of change of every annexed input: hard links to the dataset's own content."""


class ContentMissing(StudyError):
    """The content of inputs is not to be had; `path` is the first of them, in the dataset."""

    def __init__(self, message: str, *, path: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.path = path


@contextmanager
def workspace(
    dataset: Path,
    *,
    scratch: Path,
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    commit: str = "HEAD",
    sources: Path | None = None,
    whole: bool = False,
    lenient: bool = False,
) -> Iterator[Workspace]:
    """Clone the dataset at a commit and bring in what is declared; remove the clone at the end.

    Paths are relative to the dataset's root and may be globs. Subdatasets are cloned from the
    installed ones of the dataset, or of `sources`. All that git has is checked out where it is
    `whole`; a `lenient` one does without content that is not to be had. Raises StudyError where a
    subdataset is not installed, and ContentMissing.
    """
    base = head(dataset, commit)
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{file_name(name)}.", dir=scratch)).resolve()
    path = folder / CLONE
    ref = f"{BASE}/{folder.name}"
    owner = sources or dataset
    try:
        mark(folder, owner, name)
        git(dataset, "update-ref", ref, base)
        (folder / "home").mkdir()
        links = gitlinks(dataset, base)
        per_link, own = by_dataset(inputs, links)
        patterns = ["*"] if whole else [*ALWAYS, *own, *outputs]
        _clone(dataset, path, commit=base, patterns=patterns)
        files = _link(path, own) if lenient else _fetch(path, dataset, own)
        for link, specs in per_link.items():
            source = _installed(owner, link)
            shutil.rmtree(path / link, ignore_errors=True)
            _clone(source, path / link, commit=links[link], patterns=specs)
            files += _link(path / link, specs)
        _clear(path, outputs)
        _check_content(path, links, files)
        stamps = {file: _stamp(file) for file in files}
        yield Workspace(dataset, folder, path, base, tuple(inputs), tuple(outputs), stamps)
    finally:
        if not finished_step(folder):
            remove_tree(folder)
            git(dataset, "update-ref", "-d", ref)


def by_dataset(
    specs: Sequence[str], links: Mapping[str, str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Split paths into those of each subdataset, made relative to it, and the dataset's own."""
    per_link: dict[str, list[str]] = {}
    own = []
    for spec in specs:
        link = _link_above(spec, links)
        if link:
            per_link.setdefault(link, []).append(spec.removeprefix(f"{link}/"))
        else:
            own.append(spec)
    return per_link, own


def _link_above(path: str, links: Mapping[str, str]) -> str:
    """The subdataset that a path lies in; empty for none."""
    for link in links:
        if path.startswith(f"{link}/"):
            return link
    return ""


def _installed(dataset: Path, link: str) -> Path:
    """The installed clone of a subdataset."""
    if not (dataset / link / ".git").exists():
        raise StudyError(
            f"the subdataset {link} is not installed",
            hint="get the inputs of the steps that read it",
        )
    return dataset / link


def _clone(source: Path, target: Path, *, commit: str, patterns: Sequence[str]) -> None:
    """Clone a dataset without content, and check out what the patterns stand for."""
    place = str(source.resolve())
    options = ("-q", "--shared", "--no-checkout", "--no-tags")
    git(source, "clone", *options, place, str(target), private=True)
    if ":" in place:  # which git-annex takes for another host, but for two slashes
        git(target, "config", "remote.origin.url", f"/{place}", private=True)
    lines = "".join(f"/{pattern}\n" for pattern in patterns)
    git(target, "sparse-checkout", "set", "--no-cone", "--stdin", stdin=lines, private=True)
    git(target, "checkout", "-q", "--detach", commit, private=True)
    settle_identity(target, like=source)
    install_annex(target, private=True)


def _fetch(clone: Path, source: Path, specs: Sequence[str]) -> list[Path]:
    """Have the annexed content of the specs in the clone; its annexed files."""
    files = _annexed_files(clone, specs)
    absent = get(clone, files, "--from=origin", private=True)
    if absent:
        keys = annex_keys(clone, absent, "--anything", private=True)
        get_keys(source, list(keys.values()))
        absent = get(clone, absent, "--from=origin", private=True)
    if absent:
        _check_room(clone)
        raise ContentMissing(
            f"the content of {len(absent)} input files is not to be had, "
            f"the first {source / absent[0]}",
            path=absent[0],
            hint="look where it may be: git annex whereis; "
            "what a step made is made again where the step is run",
        )
    return [clone / path for path in files]


def _check_room(clone: Path) -> None:
    """Raise StudyError where git-annex brings in no content for want of room."""
    free_mib = shutil.disk_usage(clone).free / 2**20
    if free_mib < RESERVE_MIB:
        raise StudyError(
            f"the disk of {clone.parent.parent} is full: {free_mib:.0f} MiB are free",
            hint="make room, or have scratch on another disk (site.toml)",
        )


def _link(clone: Path, specs: Sequence[str]) -> list[Path]:
    """Have that content of the specs in a clone which its origin has; its annexed files.

    What a step does not use of a subdataset need not be there: it fails itself where it needs what
    is not.
    """
    files = _annexed_files(clone, specs)
    absent = set(get(clone, files, "--from=origin", private=True))
    return [clone / path for path in files if path not in absent]


def _annexed_files(clone: Path, specs: Sequence[str]) -> list[str]:
    """The annexed files that specs stand for, locked or not, present or not; where none of them is
    unlocked, git-annex need not look for such in all of the clone."""
    files = annexed(clone, listed(clone, specs, private=True), "--anything", private=True)
    if all((clone / path).is_symlink() for path in files):
        settle_locked(clone)
    return files


def _clear(clone: Path, outputs: Sequence[str]) -> None:
    """Remove what a step wrote before: it makes all of its outputs afresh.

    What git has there, and so nothing that a link in a path leads to.
    """
    for name in listed(clone, outputs, private=True):
        file = clone / name
        if os.path.lexists(file) and os.path.realpath(file.parent) == str(file.parent):
            file.unlink()
            _remove_empty_folders(clone, file)


def _remove_empty_folders(clone: Path, file: Path) -> None:
    """Remove the folders above a file that is gone, up to the first that holds anything."""
    for folder in file.relative_to(clone).parents[:-1]:
        if any((clone / folder).iterdir()):
            return
        (clone / folder).rmdir()


def _check_content(clone: Path, links: Mapping[str, str], files: Sequence[Path]) -> None:
    """Raise StudyError if an annexed input's content is not what its key says: it was damaged in
    the dataset, and git-annex links it into the clone as it is."""
    by_place: dict[Path, list[str]] = {}
    for file in files:
        place = clone / _link_above(str(file.relative_to(clone)), links)
        by_place.setdefault(place, []).append(str(file.relative_to(place)))
    for place, own in by_place.items():
        damaged = damaged_files(place, own, private=True)
        if damaged:
            path = (place / damaged[0]).relative_to(clone)
            raise StudyError(
                f"the content of {path} is damaged: its annex key is of other bytes",
                hint="`git annex fsck` there sets it aside; then get it again",
            )


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def check_inputs_untouched(ws: Workspace) -> None:
    """Raise StudyError if the step wrote to one of its inputs."""
    for path, stamp in ws.stamps.items():
        if not path.exists() or _stamp(path) != stamp:
            raise StudyError(
                f"the step wrote to its input {path.relative_to(ws.path)}",
                hint="`git annex fsck` in the dataset and its subdatasets finds and sets aside "
                "what is damaged",
            )


def check_outputs(ws: Workspace) -> None:
    """Raise StudyError unless the commit holds exactly what was declared."""
    options = ("--porcelain", "--untracked-files=all", "--ignore-submodules=all")
    left = git(ws.path, "status", *options, private=True)
    if left.strip():
        raise StudyError(
            f"the step wrote what it does not declare as output: {left.splitlines()[0][3:]}",
            hint="declare it in the step's outputs, or do not write it",
        )
    for spec in ws.outputs:
        written = listed(ws.path, [spec], private=True)
        check_names(written)
        if not written:
            raise StudyError(f"the step did not write its declared output {spec}")
