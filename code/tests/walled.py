"""Marks tests that need the sandbox."""

from __future__ import annotations

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.sandbox import check_sandbox


def can_wall_in() -> bool:
    """Whether bubblewrap is there and can run here."""
    try:
        check_sandbox()
    except StudyError:
        return False
    return True


walled = pytest.mark.skipif(not can_wall_in(), reason="bubblewrap is not there, or cannot run here")
