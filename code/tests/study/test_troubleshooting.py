"""The page of failures: our words stand there as the code has them, and are what a person sees."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers import REPOSITORY, git, run, study

PAGE = (REPOSITORY / "code/docs/troubleshooting.md").read_text()
OURS, OTHERS = PAGE.split("\n## This study's own words\n")[1].split("\n## Others' words\n")
CODE = REPOSITORY / "code"
START = re.compile(r"^(error|note): ")


def blocks(text: str) -> dict[str, list[str]]:
    """The lines that each section shows, by its heading."""
    told = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        shown = re.findall(r"^```\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
        told[part.partition("\n")[0]] = "".join(shown).splitlines()
    return told


def templates() -> set[str]:
    """Every text of the code, with `…` for what is put into it."""
    found = set()
    for path in [*(CODE / "src").rglob("*.py"), CODE / "environment.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (n.value if isinstance(n, ast.Constant) else "…" for n in node.values)
                found.add("".join(map(str, parts)))
    for name in ("study", "study-tools.sh"):
        found |= set(re.findall(r"printf '(.*?)\\n'", (CODE / name).read_text()))
    return {START.sub("", text.replace("%s", "…")).partition("\nhint:")[0] for text in found}


TEMPLATES = {re.sub("…+", "…", text) for text in templates()}


def test_there_are_twenty_and_more_each_once():
    told = [*blocks(OURS), *blocks(OTHERS)]
    assert len(told) == len(set(told)) >= 20


@pytest.mark.parametrize("line", [line for lines in blocks(OURS).values() for line in lines])
def test_what_we_say_is_in_the_code_word_for_word(line):
    assert START.match(line)
    words = START.sub("", line)
    assert re.sub(r": fatal: not a git.*", "", words) in TEMPLATES, "but for what git adds"


def test_links_lead_to_sections():
    names = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings()}
    assert set(re.findall(r"\]\(#([^)]*)\)", PAGE)) <= names


def headings() -> list[str]:
    return re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain clone, not set up."""
    folder = tmp_path_factory.mktemp("failing") / "clone"
    git(REPOSITORY, "clone", "-q", "--shared", REPOSITORY, folder)
    return folder


def seen(section: str, text: str) -> None:
    """Fail unless a line that a section shows is in what was printed."""
    for line in blocks(PAGE)[section]:
        if all(part in text for part in line.split("…")):
            return
    raise AssertionError(f"{section}: {text}")


def said(folder: Path, *words: str | Path, **env: str) -> str:
    done = run(folder / "code/study", *words, cwd=folder, check=False, **env)
    assert done.returncode
    return done.stderr


@pytest.mark.slow
def test_clones_that_lack_something_say_so(clone, tmp_path):
    seen("The clone is not set up", study(clone, "results").stderr)
    seen("The clone is not set up", said(clone, "recompute", "on"))
    image = tmp_path / "x.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), image)
    words = ("segment", "--model", "general", "--out", tmp_path, image)
    seen("Content is not here", said(clone, *words))
    cache = {"XDG_CACHE_HOME": str(tmp_path / "none")}
    seen("The environment is not made", said(clone, "status", **cache))
    got = run("datalad", "get", "derivatives/phantom/report", cwd=clone)
    assert got.stdout == "", "datalad get says nothing and gets nothing"
    shallow = tmp_path / "shallow"
    git(REPOSITORY, "clone", "-q", "--depth", "1", f"file://{REPOSITORY}", shallow)
    seen("The clone is shallow", said(shallow, "setup"))
    shutil.rmtree(shallow / ".git")
    seen("It was downloaded as a ZIP", said(shallow, "status"))
    failed = run("datalad", "get", "derivatives", cwd=shallow, check=False)
    seen("No dataset found", failed.stderr + failed.stdout)


def test_states_of_a_clone_in_which_nothing_runs_say_so(clone):
    git(clone, "checkout", "-q", "--detach")
    seen("HEAD is detached", said(clone, "run"))
    git(clone, "checkout", "-q", "-")
    (clone / "stray.txt").write_text("x")
    seen("Uncommitted changes", said(clone, "run"))
    failed = run("datalad", "rerun", "HEAD", cwd=clone, check=False)
    seen("datalad rerun wants a clean dataset", failed.stderr + failed.stdout)
    (clone / "stray.txt").unlink()
