"""Where the command line works: this clone, and what `site.toml` says of the machine.

Owns: the study's root, the settings of a machine, how a command is called.
Does not own: anything about a study's content.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import replace
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.cli.site import read_site
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.profile import NAME, Profile
from cordstudy.provenance.running.machine import Machine

ROOT = Path(__file__).resolve().parents[4]
"""The study dataset that this code is part of."""
LOCAL = ROOT / f".{NAME}"
"""What this clone keeps for itself: logs and, unless `site.toml` says where, workspaces."""
SITE = ROOT / "site.toml"
"""What its user says of a machine or a cluster; not tracked."""
DEFAULT = "phantom"
"""The study that commands are about where none is named."""
PROFILE = Profile(
    title="A study of spinal cord segmentation",
    launcher="code/study",
    code="code",
    lock="code/requirements/steps.lock",
    parameters="code/studies",
    results=("models", "derivatives"),
    carried=(
        "models/phantom/*/Dataset*/*__3d_fullres/**/checkpoint_final.pth",
        "derivatives/phantom/report/index.html",
    ),
    file_columns=("case_id",),
    folder_columns=("model", "testset"),
    numbered={"model": "replicate"},
)
"""What the engine under `provenance` may know of this study."""
OTHER = replace(PROFILE, results=())
"""What it may know of another dataset: where code would be, and not which files are results."""


def profile_of(dataset: Path) -> Profile:
    """What may be known of a dataset: this study, or another."""
    return PROFILE if dataset.resolve() == ROOT else OTHER


def read_machine(study: str, jobs: int) -> Machine:
    """What `site.toml` says of this machine, for a study of this clone.

    Raises StudyError for an unknown key.
    """
    settings = read_site(SITE)
    cores = settings.cores or os.cpu_count() or 1
    scratch = _own_folder(settings.scratch) if settings.scratch else LOCAL / "workspaces"
    return Machine(
        scratch=scratch,
        logs=logs_of(study),
        workers=max(1, cores // jobs),
        device=settings.device,
    )


def recompute_machine(dataset: Path) -> Machine:
    """The machine for running a dataset's records again, whose workspaces are nobody else's."""
    if dataset.resolve() == ROOT:
        machine = read_machine("recompute", jobs=1)
        return replace(machine, scratch=machine.scratch / "recompute")
    own = dataset / git(dataset, "rev-parse", "--git-common-dir").strip() / NAME
    logs, cores = own / "logs/recompute", os.cpu_count() or 1
    return Machine(scratch=own / "recompute", logs=logs, workers=cores)


def called(study: str, words: str) -> str:
    """How a command about a study is called, for a line that tells a person to."""
    return " ".join([PROFILE.launcher, *([] if study == DEFAULT else ["--study", study]), words])


def logs_of(study: str) -> Path:
    """Where the logs and notes of a study's steps are."""
    return LOCAL / "logs" / study


def _own_folder(told: str) -> Path:
    """This clone's own folder in a scratch that others use too: nothing else in it is touched."""
    digest = hashlib.sha256(
        f"{socket.gethostname()}\0{ROOT}".encode(errors="surrogateescape")
    ).hexdigest()
    try:
        own = ROOT / Path(told).expanduser() / f"cordstudy-{digest[:12]}"
        own.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError, RuntimeError) as error:  # such as a NUL in it, or `~nobody`
        raise StudyError(
            f"{SITE}: scratch: no folder can be made in {told!r}: {error}",
            hint="name another folder",
        ) from error
    return own
