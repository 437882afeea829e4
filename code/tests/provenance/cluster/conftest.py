"""A small dataset with a store, with and without a Slurm."""

from __future__ import annotations

from pathlib import Path

import pytest

from handed_in import Field
from slurm_cluster import Cluster


@pytest.fixture
def field(small: Path, tmp_path: Path) -> Field:
    """For jobs that are run here and now."""
    return Field(small, tmp_path)


@pytest.fixture
def clustered(small: Path, tmp_path: Path, slurm: Cluster) -> Field:
    """For jobs of a real Slurm."""
    return Field(small, tmp_path, slurm)
