"""An ephemeral clone in which one step runs.

Owns: a clone that holds a commit and the declared inputs, as their keys say, and nothing else; what a run
that was killed left of such clones.
Does not own: what runs in it (`run`), or how its one commit joins the study's branch (`landing`).

Only declared paths are checked out, so an undeclared input, code included, cannot be read. A
workspace is removed at its end, unless it holds a finished step that could not be brought home.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling import guard
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
)
from cordstudy.provenance.profile import REFS
from cordstudy.provenance.running.machine import file_name

MARK = "workspace.json"
"""In each workspace's folder: whose it is, and the step's name."""
UNFINISHED, DONE = "unfinished", "finished"
"""A file beside it has the one name until the step is finished, then the other: a full disk lets it be renamed."""
ALWAYS = (".gitattributes", ".gitmodules", ".datalad/config")


@dataclass(frozen=True)
class Workspace:
    """A clone of `study` at `base`, where `inputs` are present; `folder` holds it and its home folder."""

    study: Path
    folder: Path
    path: Path
    base: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    stamps: dict[Path, tuple[int, int]]
    """Size and time of change of every annexed input: hard links to the study's own content."""


class ContentMissing(StudyError):
    """The content of inputs is not to be had; `path` is the first of them, in the study."""

    def __init__(self, message: str, *, path: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.path = path


@contextmanager
def workspace(
    study: Path,
    *,
    scratch: Path,
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    commit: str = "HEAD",
    sources: Path | None = None,
) -> Iterator[Workspace]:
    """Clone the study at a commit and bring in what is declared; remove the clone at the end.

    Paths are relative to the study's root and may be globs. Subdatasets are cloned from the
    installed ones of the study, or of `sources`. Raises StudyError where one is not
    installed, and ContentMissing.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{file_name(name)}.", dir=scratch)).resolve()
    path = folder / "study"
    base = head(study, commit)
    held = f"{REFS}/base/{folder.name}"
    try:
        mark(folder, sources or study, name)
        git(study, "update-ref", held, base)
        (folder / "home").mkdir()
        links = gitlinks(study, base)
        per_link, own = by_dataset(inputs, links)
        _clone(study, path, commit=base, patterns=[*ALWAYS, *own, *outputs])
        files = _fetch(path, study, own)
        for link, specs in per_link.items():
            source = installed(sources or study, link)
            shutil.rmtree(path / link, ignore_errors=True)
            _clone(source, path / link, commit=links[link], patterns=specs)
            files += _link(path / link, specs)
        _clear(path, outputs)
        _check_content(path, links, files)
        stamps = {file: _stamp(file) for file in files}
        yield Workspace(study, folder, path, base, tuple(inputs), tuple(outputs), stamps)
    finally:
        if not finished_step(folder):
            remove_tree(folder)
            git(study, "update-ref", "-d", held)


def _clear(clone: Path, outputs: Sequence[str]) -> None:
    """Remove what a step wrote before: it makes all of its outputs afresh. What git has there, and so nothing
    that a link in a path leads to."""
    for name in listed(clone, outputs, private=True):
        file = clone / name
        if os.path.lexists(file) and os.path.realpath(file.parent) == str(file.parent):
            file.unlink()
            for folder in file.relative_to(clone).parents[:-1]:
                if any((clone / folder).iterdir()):
                    break
                (clone / folder).rmdir()


def mark(folder: Path, study: Path, step: str) -> None:
    """Say whose workspace a folder is, and of which step."""
    (folder / MARK).write_text(json.dumps({"study": str(study.resolve()), "step": step}))
    (folder / UNFINISHED).touch()


def finish(folder: Path) -> None:
    """Have a workspace stay until what it holds has been brought home (`let_go`)."""
    (folder / UNFINISHED).rename(folder / DONE)


def let_go(folder: Path) -> None:
    """Have a workspace be removed as soon as it may."""
    (folder / DONE).unlink()


def finished_step(folder: Path) -> str:
    """The name of the finished step that a workspace still holds; empty for none."""
    return str(_marked(folder).get("step") or "") if (folder / DONE).exists() else ""


def _marked(folder: Path) -> Mapping[str, object]:
    """What a workspace's mark says; nothing for a folder without one."""
    try:
        content = json.loads((folder / MARK).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def left_behind(study: Path, scratch: Path) -> list[Path]:
    """The workspaces of this study that a killed run left; what still works in them is ended.

    A folder without the study's mark is nobody's business.
    """
    folders = [path.parent for path in sorted(scratch.resolve().glob(f"*/{MARK}"))]
    own = [folder for folder in folders if _marked(folder).get("study") == str(study.resolve())]
    for folder in own:
        guard.end_all(str(folder))
    return own


def installed(study: Path, link: str) -> Path:
    """The installed clone of a subdataset of the study."""
    if not (study / link / ".git").exists():
        raise StudyError(
            f"the source {link} is not installed",
            hint="code/study inputs get (of the study that reads it)",
        )
    return study / link


def remove_tree(path: Path) -> None:
    """Remove a clone with its write-protected annex folders; files keep their modes, as
    their content is shared with the study by hard links."""
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o755)
    shutil.rmtree(path, ignore_errors=True)


def by_dataset(
    specs: Sequence[str], links: dict[str, str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Split paths into those of each subdataset, made relative to it, and the study's own."""
    per_link: dict[str, list[str]] = {}
    own = []
    for spec in specs:
        link = next((name for name in links if spec.startswith(f"{name}/")), None)
        if link:
            per_link.setdefault(link, []).append(spec[len(link) + 1 :])
        else:
            own.append(spec)
    return per_link, own


def _clone(source: Path, target: Path, *, commit: str, patterns: Sequence[str]) -> None:
    cloned = (
        "clone",
        "-q",
        "--shared",
        "--no-checkout",
        "--no-tags",
        str(source.resolve()),
        str(target),
    )
    git(source, *cloned, private=True)
    if ":" in str(source.resolve()):  # which git-annex takes for another host, but for two slashes
        git(target, "config", "remote.origin.url", f"/{source.resolve()}", private=True)
    lines = "".join(f"/{pattern}\n" for pattern in patterns)
    git(target, "sparse-checkout", "set", "--no-cone", "--stdin", stdin=lines, private=True)
    git(target, "checkout", "-q", "--detach", commit, private=True)
    settle_identity(target, like=source)
    install_annex(target, private=True)


def _fetch(clone: Path, source: Path, specs: Sequence[str]) -> list[Path]:
    """Have the annexed content of the specs in the clone; its annexed files."""
    files = annexed(clone, listed(clone, specs, private=True), "--anything", private=True)
    absent = get(clone, files, "--from=origin", private=True)
    if absent:
        get_keys(source, list(annex_keys(clone, absent, "--anything", private=True).values()))
        absent = get(clone, absent, "--from=origin", private=True)
    if absent:
        raise ContentMissing(
            f"the content of {len(absent)} input files is not to be had, the first {source / absent[0]}",
            path=absent[0],
            hint="look where it may be: git annex whereis; outputs of steps: code/study run STEP makes them again",
        )
    return [clone / path for path in files]


def _link(clone: Path, specs: Sequence[str]) -> list[Path]:
    """Have that content of the specs in a source's clone which the source itself has; its
    annexed files. What a step does not use need not be there: it fails itself where it
    needs what is not."""
    files = annexed(clone, listed(clone, specs, private=True), "--anything", private=True)
    absent = set(get(clone, files, "--from=origin", private=True))
    return [clone / path for path in files if path not in absent]


def _check_content(clone: Path, links: Mapping[str, str], files: Sequence[Path]) -> None:
    """Raise StudyError if an annexed input's content is not what its key says: it was damaged in the study,
    and git-annex links it into the clone as it is."""
    by_place: dict[Path, list[str]] = {}
    for file in files:
        place = _holder(clone, links, file)
        by_place.setdefault(place, []).append(str(file.relative_to(place)))
    for place, own in by_place.items():
        if damaged := damaged_files(place, own, private=True):
            raise StudyError(
                f"the content of {(place / damaged[0]).relative_to(clone)} is damaged: its annex key is of other bytes",
                hint="`git annex fsck` there sets it aside; then get it again",
            )


def _holder(clone: Path, links: Mapping[str, str], file: Path) -> Path:
    """The clone that a file is of: the study's own, or a subdataset's in it."""
    relative = str(file.relative_to(clone))
    return next((clone / link for link in links if relative.startswith(f"{link}/")), clone)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def check_inputs_untouched(ws: Workspace) -> None:
    """Raise StudyError if the step wrote to one of its inputs."""
    for path, stamp in ws.stamps.items():
        if not path.exists() or _stamp(path) != stamp:
            raise StudyError(
                f"the step wrote to its input {path.relative_to(ws.path)}",
                hint="`git annex fsck` in the study and its sources finds and sets aside what is damaged",
            )


def check_outputs(ws: Workspace) -> None:
    """Raise StudyError unless the commit holds exactly what was declared."""
    left = git(
        ws.path,
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--ignore-submodules=all",
        private=True,
    )
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
