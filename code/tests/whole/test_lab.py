"""The notebook in Jupyter, by the command that the README tells, in a clone that nobody set up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from helpers import REPOSITORY, git, run

NOTEBOOK = "code/notebooks/results.ipynb"
MOST_S = 120
"""What the server may take to answer, the making of its environment not counted."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shallow clone, with the environment of Jupyter made."""
    folder = tmp_path_factory.mktemp("lab") / "a study"
    git(REPOSITORY, "clone", "-q", "--depth", "1", f"file://{REPOSITORY}", folder)
    run("python3", folder / "code/environment.py", "lab", cwd=folder)
    return folder


@pytest.fixture
def server(clone: Path, tmp_path: Path) -> Iterator[dict]:
    """What `make lab` started, as Jupyter tells of it."""
    own = {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")}
    argv = ["make", "-s", "-C", "code", "lab", "ARGS=--no-browser --port=0 --allow-root"]
    log = (tmp_path / "log").open("w")
    making = subprocess.Popen(
        argv, cwd=clone, env=os.environ | own, stdout=log, stderr=log, start_new_session=True
    )
    try:
        yield _answering(tmp_path, making)
    finally:
        os.killpg(making.pid, signal.SIGTERM)
        making.wait(30)


def _answering(folder: Path, making: subprocess.Popen) -> dict:
    """What the server wrote of itself, as soon as it answers."""
    for _ in range(MOST_S * 4):
        assert making.poll() is None, (folder / "log").read_text()
        for path in (folder / "runtime").glob("jpserver-*.json"):
            try:
                told = json.loads(path.read_text())
                asked(told, "api/status")
            except (OSError, ValueError):
                break
            return told
        time.sleep(0.25)
    raise AssertionError((folder / "log").read_text())


def asked(server: dict, what: str) -> dict:
    """The answer of its API."""
    with urlopen(f"{server['url']}{what}?token={server['token']}", timeout=10) as answer:
        return json.loads(answer.read())


def test_one_command_opens_the_notebook_with_a_kernel_that_has_the_study(server, clone):
    assert Path(server["root_dir"]).samefile(clone), "tables and executed notebook can be seen"
    cells = asked(server, f"api/contents/{NOTEBOOK}")["content"]["cells"]
    assert len(cells) > 10
    kernel = asked(server, "api/kernelspecs")["kernelspecs"]["python3"]["spec"]["argv"][0]
    lab = run(clone / "code/study", "env", "lab", cwd=clone).stdout.strip()
    assert kernel == f"{lab}/bin/python"


def test_all_of_it_runs_on_what_is_recorded(clone, tmp_path):
    words = ("jupyter", "nbconvert", "--to", "notebook", "--execute", "--output-dir", tmp_path)
    run(clone / "code/study", "lab", *words, NOTEBOOK, cwd=clone)
    done = json.loads((tmp_path / "results.ipynb").read_text())
    code = [cell for cell in done["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert git(clone, "status", "--porcelain") == ""
