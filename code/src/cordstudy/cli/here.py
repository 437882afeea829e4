"""Where the command line works: this clone, and what `site.toml` says of the machine.

Owns: the study's root, the settings of a machine, how a command is called.
Does not own: anything about a study's content.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import socket
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.cli.site import read_site
from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.profile import NAME, Profile
from cordstudy.provenance.running.machine import Machine
from cordstudy.study.loading import check_study, studies

ROOT = Path(__file__).resolve().parents[4]
"""The study dataset that this code is part of."""
LOCAL = ROOT / f".{NAME}"
"""What this clone keeps for itself: logs and, unless `site.toml` says where, workspaces."""
SITE = ROOT / "site.toml"
"""What its user says of a machine or a cluster; not tracked."""
DEFAULT = "phantom"
"""The study that commands are about where none is named."""
PROFILE = Profile(
    title="A study of segmentation models",
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


def machine_variables() -> dict[str, str]:
    """What `site.toml` says of this machine, as a step is told it, for what runs in this
    process."""
    settings = read_site(SITE)
    cores = settings.cores or os.cpu_count() or 1
    return Machine(LOCAL, LOCAL, workers=cores, device=settings.device).env()


def recompute_machine(dataset: Path) -> Machine:
    """The machine for running a dataset's records again, whose workspaces are nobody else's."""
    if dataset.resolve() == ROOT:
        machine = read_machine("recompute", jobs=1)
        return replace(machine, scratch=machine.scratch / "recompute")
    own = dataset / git(dataset, "rev-parse", "--git-common-dir").strip() / NAME
    logs, cores = own / "logs/recompute", os.cpu_count() or 1
    return Machine(scratch=own / "recompute", logs=logs, workers=cores)


def known_studies() -> list[str]:
    """The names of the studies here."""
    return studies(ROOT)


def chosen_study(told: str | None) -> str:
    """The study that a command is about: the one that is named, else what `site.toml` says, else
    the phantom. Raises StudyError for a name that is no study's."""
    return check_study(ROOT, told) if told is not None else read_default()


def read_default() -> str:
    """The study that commands are about where none is named."""
    told = read_site(SITE).study
    return check_study(ROOT, told, where=f"{SITE}: study: ") if told else DEFAULT


def called(study: str, words: str, *, launcher: str = PROFILE.launcher) -> str:
    """How a command about a study is called, for a line that tells a person to."""
    named = [] if study == DEFAULT == _default_in_use() else ["--study", study]
    return " ".join([launcher, *named, words])


def _default_in_use() -> str:
    try:
        return read_site(SITE).study or DEFAULT
    except StudyError:  # which is told of where it matters
        return DEFAULT


def launcher_here() -> str:
    """The launcher as it is typed in the working folder."""
    path = os.path.relpath(ROOT / PROFILE.launcher)
    return shlex.quote(path if "/" in path else f"./{path}")


def path_in(root: Path, told: str) -> str:
    """A path of a dataset as git has it, of one that was typed: what is there from the working
    folder, else from the dataset's root."""
    place = Path(os.path.abspath(told))
    place = place.parent.resolve() / place.name  # not what a link of git-annex leads to
    top = root.resolve()
    if os.path.lexists(place) and place.is_relative_to(top):
        return place.relative_to(top).as_posix()
    return PurePosixPath(told).as_posix()


NOT_OF_A_STUDY = ("env", "exec", "dev", "recompute", "carried", "space", "render")
"""Commands that are the same for every study."""
CALL = re.compile(rf"(?<![\w/.-]){re.escape(PROFILE.launcher)} (?=([a-z][a-z-]*))")


def typed(text: str, study: str) -> str:
    """A text whose commands work as they stand there: about this study, from the working folder."""

    def call(found: re.Match[str]) -> str:
        launcher = launcher_here()
        of_any = found[1] in NOT_OF_A_STUDY
        return f"{launcher} " if of_any else called(study, "", launcher=launcher)

    return CALL.sub(call, text)


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
