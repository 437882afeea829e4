"""Where the command line works: this clone, and what `site.toml` says of the machine.

Owns: the study's root, the settings of a machine.
Does not own: anything about a study's content.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from cordstudy.errors import StudyError
from cordstudy.provenance.run import Site

ROOT = Path(__file__).resolve().parents[4]
"""The study dataset that this code is part of."""
LOCAL = ROOT / ".cordstudy"
"""What this clone keeps for itself: logs and, unless `site.toml` says where, workspaces."""


def read_site(jobs: int) -> Site:
    """What `site.toml` says of this machine. Raises StudyError for an unknown key."""
    path = ROOT / "site.toml"
    try:
        content = tomllib.loads(path.read_text()) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{path}: {error}", hint="correct the TOML") from error
    known = {"scratch", "cores", "device"}
    if unknown := sorted(set(content) - known):
        raise StudyError(f"{path}: {unknown[0]}: unknown key", hint=f"known are {', '.join(sorted(known))}")
    if "device" in content:
        os.environ["CORDSTUDY_DEVICE"] = content["device"]
    cores = content.get("cores") or os.cpu_count() or 1
    scratch = Path(content["scratch"]) if "scratch" in content else LOCAL / "workspaces"
    return Site(scratch=scratch, logs=LOCAL / "logs", workers=max(1, cores // jobs))
