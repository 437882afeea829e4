"""The development container: what it names is there, and its commands are those of the study."""

import json
import re
import shlex

from helpers import REPOSITORY, run

FOLDER = REPOSITORY / ".devcontainer"
TOLD = json.loads((FOLDER / "devcontainer.json").read_text())


def test_it_is_the_image_of_the_environment_with_its_cache():
    recipe = FOLDER / TOLD["build"]["dockerfile"]
    assert recipe.samefile(REPOSITORY / "code/container/Containerfile")
    assert (FOLDER / TOLD["build"]["context"]).samefile(REPOSITORY / "code")
    variables = dict(re.findall(r"^ENV (\w+)=(.*)$", recipe.read_text(), re.MULTILINE))
    assert TOLD["containerEnv"].items() <= variables.items()


def test_it_makes_the_environment_of_jupyter_and_opens_the_notebook_where_it_is_forwarded():
    script, layer = shlex.split(TOLD["onCreateCommand"])[1:]
    assert (REPOSITORY / script).name == "environment.py" and layer == "lab"
    told = run(*shlex.split(TOLD["postAttachCommand"]), "--dry-run", cwd=REPOSITORY).stdout
    assert "jupyter lab" in told and "code/notebooks/results.ipynb" in told
    [port] = TOLD["forwardPorts"]
    assert f"--port={port}" in told and str(port) in TOLD["portsAttributes"]
