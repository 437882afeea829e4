"""The release of the recorded general model, packed once."""

import shutil
from pathlib import Path

import pytest

from released import STOCK, packed, recorded_model


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return recorded_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def release(model, tmp_path_factory) -> Path:
    return packed(model, tmp_path_factory.mktemp("out") / "release")


@pytest.fixture
def folder(release, tmp_path) -> Path:
    """The model folder of a release, to be changed."""
    return Path(shutil.copytree(release / STOCK, tmp_path / Path(STOCK).name))
