"""Results in README and docs: those of the records of HEAD, and told of where they are not."""

import re
from pathlib import Path

import pytest

from cordstudy.cli.parts import parts
from cordstudy.study.loading import load_study
from cordstudy.study.steps import steps
from helpers import REPOSITORY, git, run, study
from pages import plain

PAGE = "derivatives/tiny/report/index.html"


def told(folder: Path, path: str = "README.md") -> dict[str, list[str]]:
    return parts((folder / path).read_text(), where=path)


def written(folder: Path, *arguments: str, check: bool = True):
    return study(folder, "--study", "tiny", "written", *arguments, check=check)


def test_the_results_are_those_of_the_records_and_one_edited_by_hand_is_named(tiny_copy):
    before = written(tiny_copy, "--check", check=False)
    assert before.returncode == 1 and "README.md: part 'steps' is not what" in before.stderr
    written(tiny_copy)
    held = told(tiny_copy)
    assert held["steps"] == [str(len(steps(load_study(tiny_copy, "tiny"))))]
    assert held["training-steps"] == ["4"], "one epoch of four batches"
    assert re.fullmatch(r"\d+", held["minutes"][0])
    printed = study(tiny_copy, "--study", "tiny", "results").stdout
    assert held["dice"][0].strip("\n`") in printed
    answer = " ".join(held["answer"][0].replace("*", "").split())
    page = plain((tiny_copy / PAGE).read_text())
    sentences = re.split(r"(?<=[.?]) (?=[A-Z])", answer)
    assert len(sentences) > 2 and all(sentence in page for sentence in sentences)

    readme = tiny_copy / "README.md"
    right = readme.read_text()
    readme.write_text(re.sub(r"(?m)^(inspired +)0", r"\g<1>9", right))
    wrong = written(tiny_copy, "--check", check=False)
    assert wrong.returncode == 1
    assert re.findall(r"part '(\w+)' is not what", wrong.stderr) == ["dice"]
    written(tiny_copy)
    assert readme.read_text() == right


def test_real_images_by_other_models_and_parts_of_no_name_are_told_of(tiny_copy):
    readme = tiny_copy / "README.md"
    last = git(tiny_copy, "log", "-1", "--format=%H", "--grep", "RUNCMD. Train")[:8]
    readme.write_text(f"<!-- results: real -->\nof `{last}`\n<!-- end results -->\n")
    assert written(tiny_copy, "--check").stderr == ""
    readme.write_text(readme.read_text().replace(last, "0" * 8))
    outdated = written(tiny_copy, "--check", check=False)
    assert outdated.returncode == 1 and f"recorded up to {last}" in outdated.stderr
    assert written(tiny_copy).returncode == 0, "what it cannot know it leaves"
    readme.write_text("a <!-- results: luck -->1<!-- end results -->\n")
    unknown = written(tiny_copy, check=False)
    assert unknown.stderr.startswith("error: there is no part 'luck'")


def test_a_study_without_records_has_no_results(tiny_copy):
    bare = tiny_copy.parent / "bare"
    git(tiny_copy, "clone", "-q", tiny_copy, bare)
    unrecorded = git(bare, "log", "--format=%H", "--grep", "^test: add the tiny study")
    git(bare, "reset", "-q", "--hard", unrecorded)
    done = written(bare, check=False)
    assert done.returncode == 1 and "error: split has no record" in done.stderr


def test_what_stands_here_is_what_the_records_here_give():
    recorded = run("git", "log", "-1", "--format=%h", "--grep", "RUNCMD. Train", cwd=REPOSITORY)
    if not recorded.stdout:
        pytest.skip("no recorded study: code/study run")
    study(REPOSITORY, "written", "--check")
