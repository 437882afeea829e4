"""The source data sets of a study as subdatasets: what is pinned, installed, present.

Owns: installing a source at its pin, and making the phantom ones, each as a DataLad
dataset whose own history records how it was made (same content, same commit id).
Does not own: what is in a source (`pipeline.bids`), or the generator (`pipeline.phantom`).
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import annexed, get, listed
from cordstudy.provenance.calling.gitannex import (
    annex,
    datalad_run,
    git,
    git_ok,
    gitlinks,
    guarded,
    head,
    install_annex,
    is_annex,
    run,
    settle_filter,
    settle_identity,
)
from cordstudy.provenance.calling.surroundings import private_environment
from cordstudy.provenance.running.landing import commit_files
from cordstudy.provenance.running.runner import failure
from cordstudy.provenance.running.workspace import remove_tree, workspace

PHANTOM_DATE = "2023-08-01T00:00:00+00:00"
PHANTOM_IDENTITY = {
    "GIT_AUTHOR_NAME": "cordstudy phantom",
    "GIT_AUTHOR_EMAIL": "phantom@cordstudy.invalid",
    "GIT_COMMITTER_NAME": "cordstudy phantom",
    "GIT_COMMITTER_EMAIL": "phantom@cordstudy.invalid",
    "GIT_AUTHOR_DATE": PHANTOM_DATE,
    "GIT_COMMITTER_DATE": PHANTOM_DATE,
}
"""Fixed, so that the same content has the same commit id wherever it is made."""
PHANTOM_OUTPUTS = (
    ".bidsignore",
    "README.md",
    "dataset_description.json",
    "derivatives",
    "exclude.yml",
    "participants.json",
    "participants.tsv",
    "sub-*",
)
ATTRIBUTES = """\
* annex.backend=SHA256E
* annex.largefiles=nothing
*.nii.gz annex.largefiles=anything
"""


@dataclass(frozen=True)
class Source:
    """One source of a study: where it is, and the generator's arguments if it is a phantom."""

    name: str
    path: str
    phantom: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    """Files that the generator consists of."""
    ask: str = ""
    """Whom to ask for access, if it is private."""


@dataclass(frozen=True)
class SourceState:
    """What is known of a source without asking anybody: the pin, and what is here."""

    pin: str
    installed: str
    files: int
    present: int


def source_state(study: Path, source: Source) -> SourceState:
    """Look at one source; `files` counts annexed files, `present` those whose content is here."""
    pin = gitlinks(study, "HEAD").get(source.path, "")
    place = study / source.path
    if not (place / ".git").exists():
        return SourceState(pin, "", 0, 0)
    files = annex(place, "find", "--anything", "--format=x").count("x")
    present = annex(place, "find", "--in=here", "--format=x").count("x")
    return SourceState(pin, head(place), files, present)


def is_ready(study: Path, source: Source) -> bool:
    """Whether a source is installed at the commit that the study pins."""
    return (study / source.path / ".git").exists() and head(study / source.path) == gitlinks(
        study, "HEAD"
    ).get(source.path)


def get_source(study: Path, source: Source, *, scratch: Path, workers: int) -> str:
    """Install one source at its pin; `got`, `made` (a phantom), or `pinned` where a phantom came out other than
    the study pinned it, and is pinned as it is now.

    A phantom is made here; another is installed by `datalad get -n` from its URL. Raises
    StudyError where the study pins none, or it cannot be reached.
    """
    pin = gitlinks(study, "HEAD").get(source.path, "")
    if (study / source.path / ".git").exists():
        _check_out(study, source, pin)
        return "got"
    if source.phantom:
        moved = _make_phantom(study, source, scratch=scratch, workers=workers)
        return "pinned" if moved and pin else "made"
    _install(study, source, pin)
    return "got"


def _install(study: Path, source: Source, pin: str) -> None:
    if not pin:
        raise StudyError(
            f"the study has no subdataset {source.path}",
            hint="git submodule add, or correct its path",
        )
    try:
        run(
            ("datalad", "-l", "critical", "get", "-n", "-d", ".", source.path),
            cwd=study,
            env={"GIT_TERMINAL_PROMPT": "0"},
        )
    except StudyError as error:
        url = git(study, "config", "-f", ".gitmodules", f"submodule.{source.path}.url").strip()
        ask = f"it is private: ask {source.ask}" if source.ask else "is the network there?"
        raise StudyError(
            f"cannot be installed at {pin[:8]} from {url}: {_refusal(error)}", hint=ask
        ) from error
    if not is_annex(study / source.path):  # cloned from where there is no git-annex branch
        install_annex(study / source.path, private=True)
    settle_filter(study / source.path)


def _check_out(study: Path, source: Source, pin: str) -> None:
    """Bring an installed source to its pin. Raises StudyError where that would lose what was done in it,
    or where the pinned commit is not to be had."""
    place = study / source.path
    if not pin:
        raise StudyError(
            f"{source.path} is here, and the study pins no commit of it",
            hint=f"git add {source.path}",
        )
    if git(place, "status", "--porcelain").strip():
        raise StudyError(
            f"{source.path} has uncommitted changes",
            hint=f"a source is never edited: git -C {source.path} status",
        )
    kept = git(place, "for-each-ref", "--contains", "HEAD", "--count=1").strip()
    if not kept and not git_ok(place, "merge-base", "--is-ancestor", "HEAD", pin):
        raise StudyError(
            f"{source.path} is at {head(place)[:8]}, a commit that no branch holds: to leave it would lose it",
            hint=f"git -C {source.path} branch NAME",
        )
    if not git_ok(place, "cat-file", "-e", f"{pin}^{{commit}}"):
        _fetch(source, place, pin)
    git(place, "checkout", "-q", "--detach", pin)


def _fetch(source: Source, place: Path, pin: str) -> None:
    try:
        git(place, "fetch", "-q", "origin", pin)
    except StudyError as error:
        again = f"move {source.path} away, then `code/study inputs get` makes it anew"
        raise StudyError(
            f"{source.path} is at {head(place)[:8]}; the commit that the study pins, {pin[:8]}, is not to be had",
            hint=again if source.phantom else f"git -C {source.path} fetch",
        ) from error


def _refusal(error: StudyError) -> str:
    """What git said of a refused clone, without what DataLad says about it."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [
        line for line in lines if line.startswith(("fatal:", "ssh:", "ERROR:", "Permission denied"))
    ]
    return (told[-1] if told else lines[-1]).rstrip("']")


def get_files(study: Path, source: Source, *, text: Sequence[str], files: Sequence[str]) -> int:
    """Have the content of a source's files here; how many were fetched.

    `text` are globs, `files` are names; both start with the source's path. Raises StudyError
    for content that is not to be had.
    """
    place, start = study / source.path, len(source.path) + 1
    wanted = [*listed(place, [spec[start:] for spec in text]), *(path[start:] for path in files)]
    before = annexed(place, wanted, "--not", "--in=here")
    if absent := get(place, before):
        ask = f"; it is private: ask {source.ask}" if source.ask else ""
        raise StudyError(
            f"the content of {len(absent)} files of {source.path} is not to be had, the first {absent[0]}",
            hint=f"look where it may be: git -C {source.path} annex whereis {absent[0]}{ask}",
        )
    return len(before)


def _make_phantom(study: Path, source: Source, *, scratch: Path, workers: int) -> bool:
    """Make a phantom in a workspace, pin it, then move it to its place in the study; whether that moved the pin.

    In this order: one that is killed between them leaves a study that is as clean as before.
    """
    place = study / source.path
    with workspace(
        study, scratch=scratch, name=f"make-{source.name}", inputs=source.code, outputs=()
    ) as ws:
        made = ws.path / source.path
        made.mkdir(parents=True, exist_ok=True)
        _create_dataset(made, source, like=study)
        command = ("../" * len(Path(source.path).parts) + "code/study", *source.phantom, ".")
        argv = datalad_run(
            command, message=f"Make the phantom of {source.phantom[1]}", outputs=PHANTOM_OUTPUTS
        )
        env = (
            private_environment(ws.folder / "home")
            | PHANTOM_IDENTITY
            | {"CORDSTUDY_WORKERS": str(workers)}
        )
        log = ws.folder / "log"
        if code := guarded(argv, cwd=made, log=log, workspace=str(ws.folder), env=env):
            raise failure(f"make-{source.name}", code, log)
        moved = _pin(study, source, made)
        _put(study, made, place)
    return moved


def _put(study: Path, made: Path, place: Path) -> None:
    """Move a clone to its place, whole or not at all, from another disk too."""
    staging = study / git(study, "rev-parse", "--git-path", f"cordstudy-made/{place.name}").strip()
    if staging.exists():
        remove_tree(staging)
    staging.parent.mkdir(exist_ok=True)
    shutil.move(made, staging)
    install_annex(staging, private=False)  # with git-annex's hooks, which a workspace does without
    settle_filter(staging)
    place.mkdir(parents=True, exist_ok=True)
    place.rmdir()
    staging.rename(place)


def _create_dataset(folder: Path, source: Source, *, like: Path) -> None:
    """An empty DataLad dataset as `datalad create` makes it, but with an id from its name."""
    git(folder, "init", "-q", "-b", "main", private=True)
    settle_identity(folder, like=like)
    annex(folder, "init", "-q", private=True)
    dataset_id = uuid.uuid5(uuid.NAMESPACE_URL, f"cordstudy/{shlex.join(source.phantom)}")
    (folder / ".datalad").mkdir()
    (folder / ".datalad/config").write_text(f'[datalad "dataset"]\n\tid = {dataset_id}\n')
    (folder / ".gitattributes").write_text(ATTRIBUTES)
    git(folder, "add", ".datalad/config", ".gitattributes", env=PHANTOM_IDENTITY, private=True)
    git(folder, "commit", "-q", "-m", "Create the data set", env=PHANTOM_IDENTITY, private=True)


def _pin(study: Path, source: Source, made: Path) -> bool:
    """Commit the gitlink of a phantom that was made, where it is not what the study pins."""
    if gitlinks(study, "HEAD").get(source.path) == head(made):
        return False
    message = f"chore(inputs): pin {source.name} as made here"
    commit_files(
        study,
        lambda tip: {".gitmodules": _modules(study, source, made, tip), source.path: made},
        message,
    )
    return True


def _modules(study: Path, source: Source, made: Path, tip: str) -> str:
    """The text of a tip's .gitmodules with a source in it."""
    dataset_id = git(made, "config", "-f", ".datalad/config", "datalad.dataset.id").strip()
    fields = {"path": source.path, "url": f"./{source.path}", "datalad-id": dataset_id}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "modules"
        file.write_text(git(study, "cat-file", "blob", f"{tip}:.gitmodules"))
        for key, value in fields.items():
            git(study, "config", "-f", str(file), f"submodule.{source.path}.{key}", value)
        return file.read_text()


def prepare_study(study: Path) -> None:
    """Make a plain clone a dataset that can hold content, and in which plain git works in any shell."""
    settle_identity(study)
    if not is_annex(study):
        install_annex(study, private=False)
    settle_filter(study)
