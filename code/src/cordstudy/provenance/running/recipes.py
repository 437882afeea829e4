"""Subdatasets that a recorded command makes, each as a DataLad dataset of its own.

Owns: running such a command, so that the new dataset's own history records how it was made (same
content, same commit id), pinning what came out, and putting it in its place.
Does not own: the command and what it makes (told by the caller), or the pin itself (`subdatasets`).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cordstudy.provenance.calling.gitannex import (
    annex,
    datalad_run,
    git,
    guarded,
    install_annex,
    settle_filter,
    settle_identity,
)
from cordstudy.provenance.calling.surroundings import private_environment
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import remove_tree
from cordstudy.provenance.running.recording import failure
from cordstudy.provenance.running.subdatasets import Subdataset, pin_clone
from cordstudy.provenance.running.workspace import Workspace, workspace


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


def make(dataset: Path, subdataset: Subdataset, recipe: Recipe, *, machine: Machine) -> bool:
    """Make a subdataset in a workspace, pin it, then move it to its place; whether that moved the
    pin.

    In this order: one that is killed between them leaves a dataset that is as clean as before.
    Raises StudyError where the command fails.
    """
    name = f"make-{subdataset.name}"
    place = workspace(dataset, scratch=machine.scratch, name=name, inputs=recipe.code, outputs=())
    with place as ws:
        made = ws.path / subdataset.path
        made.mkdir(parents=True, exist_ok=True)
        _create_dataset(made, recipe, like=dataset)
        _run(ws, made, subdataset, recipe, machine)
        moved = pin_clone(
            dataset, subdataset, made, f"chore(inputs): pin {subdataset.name} as made here"
        )
        _put(dataset, made, dataset / subdataset.path)
    return moved


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
    ws: Workspace, made: Path, subdataset: Subdataset, recipe: Recipe, machine: Machine
) -> None:
    """Run and record the command in the new dataset."""
    program, *arguments = recipe.argv
    up = "../" * len(Path(subdataset.path).parts)
    command = (f"{up}{program}", *arguments, ".")
    argv = datalad_run(command, message=recipe.message, outputs=recipe.outputs)
    env = {**private_environment(ws.folder / "home"), **recipe.identity, **machine.env()}
    log = ws.folder / "log"
    code = guarded(argv, cwd=made, log=log, workspace=str(ws.folder), env=env)
    if code:
        raise failure(f"make-{subdataset.name}", code, log)


def _put(dataset: Path, made: Path, place: Path) -> None:
    """Move a clone to its place, whole or not at all, from another disk too."""
    path = git(dataset, "rev-parse", "--git-path", f"{NAME}-made/{place.name}").strip()
    staging = dataset / path
    if staging.exists():
        remove_tree(staging)
    staging.parent.mkdir(exist_ok=True)
    shutil.move(made, staging)
    install_annex(staging, private=False)  # with git-annex's hooks, which a workspace does without
    settle_filter(staging)
    place.mkdir(parents=True, exist_ok=True)
    place.rmdir()
    staging.rename(place)
