"""The pages of checklists and principles: every item once, and all that it points to is there."""

from __future__ import annotations

import importlib
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from cordstudy.cli.main import cli
from cordstudy.study.closure import commands
from helpers import REPOSITORY, git, run, steps_of

PAGES = [REPOSITORY / "code/docs/checklists.md", REPOSITORY / "code/docs/principles.md"]
TEXT = "".join(path.read_text() for path in PAGES)
TEMPLATES = REPOSITORY / "code/src/cordstudy/pipeline/report"
EVALUATION = "derivatives/phantom/evaluation"
ANSWERS = {"yes", "in part", "no", "paper"}
CLAIM = [str(number) for number in range(1, 45)]
LETTERS = {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3}
"""Items of TRIPOD+AI that have parts, with their number."""
TRIPOD = [
    f"{number}{letter}"
    for number in range(1, 28)
    for letter in ("abcdefg"[: LETTERS[number]] if number in LETTERS else [""])
]

STAMPED = ["S.1", *(f"T.{n}" for n in (1, 2, 3, 4)), "A.1", "A.2", "M.1", "M.2"]
STAMPED += ["P.1", "P.2", "P.3", "E.1", "D.1", "D.2"]
YODA = ["1", "1a", "1b", "1c", "2", "3", "3a", "3b"]


def section(title: str) -> list[list[str]]:
    """The rows of items in a section of the page, as their cells."""
    text = re.split(r"\n##? ", TEXT.split(f"\n## {title}\n")[1])[0]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return [row for row in cells if row[0] not in ("", "item")]


def quoted() -> list[str]:
    """What stands in code on the page, each once."""
    return list(dict.fromkeys(re.findall(r"`([^`]+)`", TEXT)))


POINTERS = [word for word in quoted() if re.search(r"[/#]|\.(tsv|md|cff|json)$|^LICENSE$", word)]


@cache
def there() -> list[str]:
    """The files of the repository, and what the steps of the phantom study write."""
    made = [output for step in steps_of(REPOSITORY, "phantom") for output in step.outputs]
    return [*git(REPOSITORY, "ls-files").splitlines(), *made]


@pytest.mark.parametrize(
    ("title", "items"),
    [("CLAIM 2024", CLAIM), ("TRIPOD+AI", TRIPOD), ("STAMPED", STAMPED), ("YODA", YODA)],
    ids=["CLAIM", "TRIPOD", "STAMPED", "YODA"],
)
def test_every_item_stands_there_once_in_order_with_an_answer(title, items):
    rows = section(title)
    assert [row[0] for row in rows] == items
    assert len(TRIPOD) == 52
    for row in rows:
        assert len(row) in (3, 4) and row[2].strip("|").strip() in ANSWERS, row
        assert row[2].startswith("paper") or (len(row) == 4 and row[3]), f"{row[0]}: where?"


@pytest.mark.parametrize("pointer", POINTERS)
def test_what_an_answer_points_to_is_there(pointer):
    if pointer.startswith("make "):
        run(*shlex.split(pointer), "--dry-run", cwd=REPOSITORY)
    elif pointer.startswith("code/study ") or pointer == "code/study":
        is_command(shlex.split(pointer))
    elif pointer.startswith("report#"):
        assert pointer == "report#…" or has_section(pointer.removeprefix("report#"))
    elif pointer == "plans.json":
        assert any(path.endswith("/plans.json") for path in there())
    else:
        path = pointer if "/" in pointer or not pointer.endswith(".tsv") else ""
        is_path(path or f"{EVALUATION}/{pointer}")


def is_command(words: list[str]) -> None:
    """Fail unless `code/study` has a command with these options."""
    if len(words) == 1:
        return
    words = words[3:] if words[1] == "--study" else words[1:]
    name, *options = words
    if name in commands():
        command = importlib.import_module(commands()[name]).command
    else:
        command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, click.Command)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in options if word.startswith("-")} <= {*known, "--help"}


def has_section(name: str) -> bool:
    """Whether a template of the page has an element of this id."""
    templates = "".join(path.read_text() for path in sorted(TEMPLATES.rglob("*.j2")))
    return f'id="{name}"' in templates


def is_path(path: str) -> None:
    """Fail unless the repository holds it, or a step of the phantom study makes it."""
    folder = path if path.endswith("/") else f"{path}/"
    assert any(one == path or one.startswith(folder) or Path(path).match(one) for one in there()), (
        path
    )
