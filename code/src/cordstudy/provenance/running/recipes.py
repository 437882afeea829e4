"""Subdatasets that a recorded command makes, each as a DataLad dataset of its own.

Owns: running such a command, so that the new dataset's own history records how it was made (same
content, same commit id), and putting what came out in its place, or into what is there.
Does not own: the command and what it makes (told by the caller), or what is pinned (`subdatasets`,
`pins`).
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.content import copy, inject, listed
from cordstudy.provenance.calling.gitannex import (
    annex,
    datalad_run,
    git,
    guarded,
    head,
    install_annex,
    settle_filter,
    settle_identity,
)
from cordstudy.provenance.calling.surroundings import private_environment
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.running.advancing import locked
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import remove_tree
from cordstudy.provenance.running.recording import failure
from cordstudy.provenance.running.subdatasets import Subdataset, branch_of
from cordstudy.provenance.running.trees import FETCH
from cordstudy.provenance.running.workspace import Workspace, workspace


class Run(Protocol):
    """How a command is run in a workspace; its exit code."""

    def __call__(
        self, ws: Workspace, argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str]
    ) -> int: ...


def plainly(
    ws: Workspace, argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str]
) -> int:
    """With the rights of whoever asks."""
    return guarded(argv, cwd=cwd, log=log, workspace=str(ws.folder), env=env)


@dataclass(frozen=True)
class Recipe:
    """How a subdataset is made."""

    argv: tuple[str, ...]
    """The command: a program, by its path from the dataset's root, and its arguments; the folder
    to write to is added as the last one."""
    code: tuple[str, ...]
    """Files that the command consists of."""
    outputs: tuple[str, ...]
    """What it writes."""
    message: str
    """The subject of its record."""
    attributes: str
    """The text of the new dataset's .gitattributes."""
    unique_name: str
    """What the new dataset's id is derived from."""
    author: tuple[str, str]
    """Name and mail address of who commits it, the same wherever it is made."""
    date: str
    """When it was made, likewise."""

    @property
    def identity(self) -> Mapping[str, str]:
        """Git's variables for who commits when: the same content has the same commit id."""
        name, mail = self.author
        return {
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": mail,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": mail,
            "GIT_AUTHOR_DATE": self.date,
            "GIT_COMMITTER_DATE": self.date,
        }


@contextmanager
def made(
    dataset: Path,
    subdataset: Subdataset,
    recipe: Recipe,
    *,
    machine: Machine,
    commit: str = "HEAD",
    run: Run = plainly,
) -> Iterator[Path]:
    """A subdataset as a recipe makes it with the code of a commit, in a workspace that is gone
    afterwards: `install_made` or `bring_into` takes it out; `run` is how its command is run. Raises
    StudyError where the command fails."""
    place = workspace(
        dataset,
        scratch=machine.scratch,
        name=f"make-{subdataset.name}",
        inputs=recipe.code,
        outputs=(),
        commit=commit,
    )
    with place as ws:
        clone = ws.path / subdataset.path
        clone.mkdir(parents=True, exist_ok=True)
        _create_dataset(clone, recipe, like=dataset)
        _run(ws, clone, subdataset, recipe, machine, run)
        yield _cleaned(clone, ws.folder / "clean", like=dataset)


def _cleaned(clone: Path, folder: Path, *, like: Path) -> Path:
    """A clone with the commit of another and the content that its keys say, and nothing else: what
    ran could write into the other's settings, which git would heed."""
    objects = clone / ".git/annex/objects"
    if os.path.realpath(objects) != str(objects) or not (clone / ".git").is_dir():
        raise StudyError(f"what made {clone.name} left a link in the place of its annex")
    folder.mkdir()
    git(folder, "init", "-q", "-b", "made", private=True)
    settle_identity(folder, like=like)
    annex(folder, "init", "-q", private=True)
    git(folder, *FETCH, str(clone), "HEAD:refs/heads/main", private=True)
    git(folder, "checkout", "-q", "main", private=True)
    files = [
        file for file in sorted(objects.rglob("*")) if file.is_file() and not file.is_symlink()
    ]
    for file in files:
        file.parent.chmod(0o755)
    inject(folder, files, private=True)
    return folder


def _create_dataset(folder: Path, recipe: Recipe, *, like: Path) -> None:
    """An empty DataLad dataset as `datalad create` makes it, but with an id from its name."""
    git(folder, "init", "-q", "-b", "main", private=True)
    settle_identity(folder, like=like)
    annex(folder, "init", "-q", private=True)
    dataset_id = uuid.uuid5(uuid.NAMESPACE_URL, recipe.unique_name)
    (folder / ".datalad").mkdir()
    (folder / ".datalad/config").write_text(f'[datalad "dataset"]\n\tid = {dataset_id}\n')
    (folder / ".gitattributes").write_text(recipe.attributes)
    files = (".datalad/config", ".gitattributes")
    git(folder, "add", *files, env=recipe.identity, private=True)
    message = "Create the data set"
    git(folder, "commit", "-q", "-m", message, env=recipe.identity, private=True)


def _run(
    ws: Workspace,
    made: Path,
    subdataset: Subdataset,
    recipe: Recipe,
    machine: Machine,
    run: Run,
) -> None:
    """Run and record the command in the new dataset."""
    program, *arguments = recipe.argv
    up = "../" * len(Path(subdataset.path).parts)
    command = (f"{up}{program}", *arguments, ".")
    argv = datalad_run(command, message=recipe.message, outputs=recipe.outputs)
    env = {**private_environment(ws.folder / "home"), **recipe.identity, **machine.env()}
    log = machine.log(f"make-{subdataset.name}")  # not where the command can write
    code = run(ws, argv, cwd=made, log=log, env=env)
    if code:
        raise failure(f"make-{subdataset.name}", code, log)


def install_made(dataset: Path, clone: Path, place: Path) -> None:
    """Move a subdataset that was made to its place, whole or not at all, from another disk too."""
    path = git(dataset, "rev-parse", "--git-path", f"{NAME}-made/{place.name}").strip()
    staging = dataset / path
    if staging.exists():
        remove_tree(staging)
    staging.parent.mkdir(exist_ok=True)
    shutil.move(clone, staging)
    install_annex(staging, private=False)  # with git-annex's hooks, which a workspace does without
    settle_filter(staging)
    place.mkdir(parents=True, exist_ok=True)
    place.rmdir()
    # `git pull` would ask the remote that it does not have for a pin that moved, and fail
    name = place.relative_to(dataset)
    with locked(dataset):  # git itself does not wait for another that writes its settings
        git(dataset, "config", f"submodule.{name}.fetchRecurseSubmodules", "false")
    staging.rename(place)


def bring_into(clone: Path, place: Path) -> None:
    """Bring the commit and the content of a subdataset that was made into the installed one, which
    stays at its own commit."""
    commit = head(clone)
    git(place, *FETCH, str(clone), f"HEAD:{branch_of(commit)}", private=True)
    there = str(place.resolve())
    url = f"/{there}" if ":" in there else there  # git-annex takes it for another host
    git(clone, "remote", "add", "installed", url, private=True)
    copy(clone, listed(clone, ["."], private=True), "installed", private=True)
