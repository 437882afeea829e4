"""The recipes of CONTRIBUTING.md, followed: the files that they name are enough, and what they say
goes stale does."""

import json
import re
from pathlib import Path

import pytest

from helpers import REPOSITORY, commit, git, run, study

CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text()
PACKAGE = "code/src/cordstudy"
COUNT = '''"""Count the rows of a table."""

from __future__ import annotations

from pathlib import Path

import click

from cordstudy.base.tables import read_table, write_file


@click.command("count")
@click.argument("table", type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path))
def command(table: Path, out: Path) -> None:
    """Count the rows of TABLE."""
    write_file(out, f"{len(read_table(table))}\\n")
'''
RENDER = """

def _count(study: Study) -> Step:
    layout = Layout(study)
    return declared(
        "count",
        "",
        "Count the cases",
        [layout.cases_table, "--out", layout.count],
        inputs=[layout.cases_table],
        outputs=[layout.count],
    )
"""
COUNT_PATH = '''    @property
    def count(self) -> str:
        """How many cases were judged."""
        return f"{self.evaluation}/count.txt"

    @property
    def report('''
MEASURE = """    Measure("doubled", lambda c: 2 * dice(c.pred, c.ref), "doubled", missing=0.0),
)
\"\"\"Every measure"""
TABLES = """
from cordstudy.pipeline.judging import evaluate, scores
import json
print(json.dumps([evaluate.COLUMNS, scores.SUMMARY_COLUMNS]))
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of this repository, to be changed."""
    folder = tmp_path / "study"
    git(REPOSITORY, "clone", "-q", "--shared", REPOSITORY, folder)
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    return folder


def replace(folder: Path, path: str, old: str, new: str) -> None:
    text = (folder / path).read_text()
    assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
    (folder / path).write_text(text.replace(old, new))


def rendered(folder: Path) -> dict[tuple, dict]:
    """The steps of every study, by their outputs."""
    studies = json.loads(study(folder, "render", "--json").stdout)["studies"]
    steps = {}
    for name, table in studies.items():
        assert not table["fault"], name
        for step in table["steps"]:
            steps[tuple(step["outputs"])] = step
    return steps


def recipe(title: str) -> set[str]:
    """The files that a recipe names, in its numbered lines."""
    text = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", CONTRIBUTING, re.MULTILINE | re.DOTALL)[1]
    lines = text.split("\nStale:")[0]
    return set(re.findall(r"`(code/[^`<>]+\.(?:py|md|toml))`", lines))


def changed_files(folder: Path) -> set[str]:
    git(folder, "add", "-A")
    return set(git(folder, "diff", "--cached", "--name-only", "HEAD").splitlines())


def test_a_new_step_changes_no_other_step(clone):
    before = rendered(clone)
    (clone / PACKAGE / "pipeline/judging/count.py").write_text(COUNT)
    steps = f"{PACKAGE}/study/steps.py"
    with (clone / steps).open("a") as stream:
        stream.write(RENDER)
    replace(clone, steps, "_notebook(study)]", "_notebook(study), _count(study)]")
    replace(clone, f"{PACKAGE}/study/layout.py", "    @property\n    def report(", COUNT_PATH)
    after = rendered(clone)
    new = [step for outputs, step in after.items() if outputs not in before]
    assert {step["argv"][1] for step in new} == {"count"}
    assert f"{PACKAGE}/pipeline/judging/count.py" in new[0]["inputs"]
    assert {outputs: after[outputs] for outputs in before} == before
    touched = changed_files(clone) - {f"{PACKAGE}/pipeline/judging/count.py"}
    assert not [path for step in before.values() for path in touched if path in step["inputs"]]
    assert touched | {"code/tests/study/test_closure.py"} == recipe("Add a step")
    (clone / "table.tsv").write_text("a\n1\n2\n")
    study(clone, "count", "table.tsv", "--out", "count.txt")
    assert (clone / "count.txt").read_text() == "2\n"
    assert "Count the rows of TABLE." in study(clone, "--help").stdout


def test_a_new_measure_touches_the_code_of_judging_alone(clone):
    measures = f"{PACKAGE}/pipeline/judging/measures.py"
    replace(clone, measures, ')\n"""Every measure', MEASURE)
    assert changed_files(clone) < recipe("Add a measure") and len(recipe("Add a measure")) == 3
    stale = {step["argv"][1] for step in rendered(clone).values() if measures in step["inputs"]}
    assert stale == {"evaluate", "compare", "package", "report", "notebook"}
    done = run(clone / "code/study", "exec", "python", "-P", "-c", TABLES, cwd=clone)
    for columns in json.loads(done.stdout):
        assert "doubled" in columns


def test_a_new_source_is_a_table_of_the_toml(clone):
    toml = "code/studies/phantom.toml"
    table = (clone / toml).read_text().split("[datasets.epi]\n")[1].split("\n\n")[0]
    table = table.replace("506", "507").replace("phantom-ds005143", "phantom-again")
    replace(clone, toml, "[models]\n", f"[datasets.again]\n{table}\n\n[models]\n")
    commit(clone, "feat: another source", toml)
    assert "again" in study(clone, "inputs").stdout
    plan = study(clone, "run", "--dry-run").stdout
    assert "convert:again" in plan


def test_each_file_that_a_recipe_names_is_there():
    titles = re.findall(r"^## (Add .*)$", CONTRIBUTING, re.MULTILINE)
    assert len(titles) == 7
    for title in titles:
        for path in recipe(title):
            assert (REPOSITORY / path).exists(), f"{title}: {path}"
    assert len(recipe("Add a step")) + 1 <= 4
