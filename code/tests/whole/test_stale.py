"""What makes a recorded step stale, and what does not."""

from pathlib import Path

import pytest

from cordstudy.provenance.audit.status import states
from helpers import commit, steps_of

PACKAGE = "code/src/cordstudy"
TRAINER = f"{PACKAGE}/pipeline/learning/trainer.py"


def append(path: str, text: str):
    """A change: text more at the end of a file."""

    def change(study: Path) -> None:
        with (study / path).open("a") as stream:
            stream.write(text)

    return change


def new_file(path: str, text: str):
    """A change: a file that was not there."""

    def change(study: Path) -> None:
        (study / path).write_text(text)

    return change


def trainer_laid_out_otherwise(study: Path) -> None:
    """Comments, a docstring and blank lines, nothing else."""
    path = study / TRAINER
    lines = path.read_text().splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith("from __future__"))
    lines[:start] = ['"""Said in other words."""\n', "# and a comment\n\n\n"]
    path.write_text("".join(lines) + "\n\n# at the end\n")


NOTHING = {
    "a tool": append("code/requirements/tools.lock", "# another tool\n"),
    "a test tool": append("code/requirements/dev.lock", "# another test tool\n"),
    "the launcher of people's commands": append("code/study-tools.sh", "# another command\n"),
    "a command of the command line": append(f"{PACKAGE}/cli/status.py", "SHOWN = 1\n"),
    "how a record is made": append(f"{PACKAGE}/provenance/running/runner.py", "MADE = 1\n"),
    "how a study is read": append(f"{PACKAGE}/study/schema.py", "READ = 1\n"),
    "a new step": new_file(
        f"{PACKAGE}/pipeline/judging/count.py",
        'import click\n\n\n@click.command("count")\ndef command():\n    """Count."""\n',
    ),
    "what the package depends on": append("code/pyproject.toml", "# another\n"),
    "comments, docstrings and layout of the trainer": trainer_laid_out_otherwise,
}
SOMETHING = {
    TRAINER: {"train"},
    f"{PACKAGE}/pipeline/judging/answer.py": {"report", "notebook"},
    f"{PACKAGE}/pipeline/sources/split.py": {"split"},
    f"{PACKAGE}/pipeline/raw/merge.py": {"merge"},
    f"{PACKAGE}/pipeline/report/page.html.j2": {"report"},
    f"{PACKAGE}/pipeline/judging/__init__.py": {
        "evaluate",
        "compare",
        "leakage",
        "cohort",
        "report",
        "notebook",
    },
}
"""The commands whose own input a changed file is; what builds on them follows."""


@pytest.mark.parametrize("what", NOTHING)
def test_what_no_step_runs_leaves_every_step_done(tiny_copy, what):
    NOTHING[what](tiny_copy)
    commit(tiny_copy, f"test: change {what}", "code")
    by_step = states(tiny_copy, steps_of(tiny_copy))
    assert {name: state.why for name, state in by_step.items() if state.word != "done"} == {}


@pytest.mark.parametrize("path", SOMETHING)
def test_a_file_of_a_steps_code_makes_that_step_stale(tiny_copy, path):
    append(path, "\nCHANGED = 1\n")(tiny_copy)
    commit(tiny_copy, "test: change it", "code")
    by_step = states(tiny_copy, steps_of(tiny_copy))
    changed = set()
    for step in steps_of(tiny_copy):
        if path in by_step[step.name].why:
            changed.add(step.command)
    assert changed == SOMETHING[path]
