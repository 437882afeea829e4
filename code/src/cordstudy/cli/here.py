"""Where the command line works: this clone, and what `site.toml` says of the machine.

Owns: the study's root, the settings of a machine.
Does not own: anything about a study's content.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tomllib
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.running.runner import Site

ROOT = Path(__file__).resolve().parents[4]
"""The study dataset that this code is part of."""
LOCAL = ROOT / ".cordstudy"
"""What this clone keeps for itself: logs and, unless `site.toml` says where, workspaces."""
SETTINGS = {"scratch": str, "cores": int, "device": str}


def read_site(study: str, jobs: int) -> Site:
    """What `site.toml` says of this machine, for a study of this clone.

    Raises StudyError for an unknown key.
    """
    content = _content(ROOT / "site.toml")
    if "device" in content:
        os.environ["CORDSTUDY_DEVICE"] = content["device"]
    cores = content.get("cores") or os.cpu_count() or 1
    scratch = _own_folder(content["scratch"]) if "scratch" in content else LOCAL / "workspaces"
    return Site(scratch=scratch, logs=logs_of(study), workers=max(1, cores // jobs))


def logs_of(study: str) -> Path:
    """Where the logs and notes of a study's steps are."""
    return LOCAL / "logs" / study


def _content(path: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text()) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: {error}", hint="correct the TOML") from error
    for key, value in content.items():
        if key not in SETTINGS:
            raise StudyError(
                f"{path}: {key}: unknown key", hint=f"known are {', '.join(sorted(SETTINGS))}"
            )
        if not isinstance(value, SETTINGS[key]) or isinstance(value, bool) or not value:
            raise StudyError(
                f"{path}: {key}: {value!r} is no {SETTINGS[key].__name__}", hint="correct the TOML"
            )
    return content


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
            f"{ROOT / 'site.toml'}: scratch: no folder can be made in {told!r}: {error}",
            hint="name another folder",
        ) from error
    return own
