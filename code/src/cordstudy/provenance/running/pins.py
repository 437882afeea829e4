"""Interim."""

from __future__ import annotations

from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import git_ok
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.machine import Machine


def have_pin(
    dataset: Path, link: str, pin: str, *, commit: str, machine: Machine, profile: Profile
) -> None:
    """Interim."""
    place = dataset / link
    if not (place / ".git").exists() or not git_ok(place, "cat-file", "-e", f"{pin}^{{commit}}"):
        raise StudyError(f"{link} is not here at {pin[:8]}", hint="code/study setup")
